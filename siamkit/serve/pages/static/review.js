// One decision a key: S, D, K, and U to undo. The next question takes the place of this one.
import { prepareDrops } from "./drop.js";
import { prepareConfirms, send } from "./forms.js";

export function prepare(holder) {
  let busy = false;
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
