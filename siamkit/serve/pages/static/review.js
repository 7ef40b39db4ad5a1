// One decision a key: S, D, K, and U to undo. The next question takes the place of this one.
import { prepareDrops } from "./drop.js";
import { prepareConfirms, send } from "./forms.js";

const AGAIN = 2000; // ms until the page asks whether an audit is done

export function prepare(holder) {
  let busy = false;
  watch(holder);
  holder.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!("decide" in form.dataset)) return;
    event.preventDefault();
    if (busy) return;
    busy = true;
    holder.setAttribute("aria-busy", "true");
    const data = new FormData(form, event.submitter);
    data.set("stay", "1");
    const part = await send(form.getAttribute("action"), data);
    busy = false;
    holder.removeAttribute("aria-busy");
    if (!part) return;
    if (part.querySelector?.(".tabs")) holder.replaceChildren(part);
    else holder.prepend(part);
    prepareDrops(holder);
    prepareConfirms(holder);
    watch(holder);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const button = holder.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (button && !button.disabled) {
      event.preventDefault();
      button.form.requestSubmit(button);
    }
  });
}

function watch(holder) {
  const looking = holder.querySelector("[data-looking]");
  if (!looking) return;
  setTimeout(async () => {
    if (!looking.isConnected) return;
    const response = await fetch(looking.dataset.looking).catch(() => null);
    if (!response?.ok || !looking.isConnected) return watch(holder);
    const part = document.createElement("template");
    part.innerHTML = await response.text();
    holder.replaceChildren(part.content);
    prepareDrops(holder);
    prepareConfirms(holder);
    watch(holder);
  }, AGAIN);
}
