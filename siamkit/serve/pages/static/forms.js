// Forms that change a part of the page, and the quality verdict before anything is enrolled.
import { prepareTimeline } from "./timeline.js";

export function prepareForms(root) {
  for (const form of root.querySelectorAll("form[data-fragment]")) prepareAsk(form);
  for (const form of root.querySelectorAll("form[data-enrol]")) prepareEnrol(form);
  prepareConfirms(root);
  for (const choice of root.querySelectorAll("[data-go]"))
    choice.addEventListener("change", () => location.assign(choice.dataset.go));
  for (const list of root.querySelectorAll("[data-cards]")) prepareMore(list);
}

export function prepareConfirms(root) {
  for (const form of root.querySelectorAll("form[data-confirm]"))
    form.onsubmit = () => confirm(form.dataset.confirm);
}

// Send a form; return the part of the page that answers it, or go where it leads.
export async function send(address, data, signal) {
  data.set("fragment", "1");
  let response;
  try {
    response = await fetch(address, { method: "POST", body: data, signal, headers: { "X-Fragment": "1" } });
  } catch (error) {
    if (error.name === "AbortError") return null;
    return failure("The server cannot be reached.", "Is “siamkit serve” still running? Then try again.");
  }
  if (response.headers.get("Content-Type").startsWith("application/json")) {
    const answer = await response.json();
    if (answer.path) { location.assign(answer.path); return null; }
    return failure(answer.message ?? "That was not done.", answer.hint ?? "");
  }
  const holder = document.createElement("template");
  holder.innerHTML = await response.text();
  return holder.content;
}

function failure(message, hint) {
  const box = document.createElement("div");
  box.className = "error";
  box.setAttribute("role", "alert");
  const strong = document.createElement("strong");
  strong.textContent = message;
  const line = document.createElement("p");
  line.textContent = hint;
  box.append(strong, line);
  return box;
}

function prepareAsk(form) {
  const target = document.querySelector(form.dataset.fragment);
  const submit = form.querySelector("button.main");
  let running = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    running?.abort();
    const own = (running = new AbortController());
    const probes = [...(form.querySelector("input[name=files]")?.files ?? [])];
    target.setAttribute("aria-busy", "true");
    submit.setAttribute("aria-busy", "true");
    const part = await send(form.getAttribute("action"), new FormData(form), own.signal);
    if (running !== own) return;
    target.removeAttribute("aria-busy");
    submit.removeAttribute("aria-busy");
    if (!part) return;
    target.replaceChildren(part);
    prepareTimeline(target);
    for (const each of target.querySelectorAll("[data-probe]")) prepareEnrolHere(each, probes);
    if (matchMedia("(max-width: 899px)").matches) target.scrollIntoView({ block: "start" });
  });
  if ("auto" in form.dataset)
    form.addEventListener("change", (event) => {
      if (event.target.type === "file" && event.target.files.length) form.requestSubmit();
    });
}

// Enrol what was just asked about, without choosing the file again.
function prepareEnrolHere(form, probes) {
  const file = probes[Number(form.dataset.probe)];
  if (!file) return;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    data.append("files", file, file.name);
    if (form.dataset.box) data.set("box", form.dataset.box);
    form.querySelector("button").setAttribute("aria-busy", "true");
    const part = await send(form.getAttribute("action"), data);
    if (part) form.replaceChildren(part);
  });
}

function prepareEnrol(form) {
  const holder = form.querySelector("[data-check]");
  const submit = form.querySelector("button.main");
  let running = null;
  form.querySelector("input[type=file]")?.addEventListener("change", async (event) => {
    running?.abort();
    holder.replaceChildren();
    if (!event.target.files.length) return;
    const own = (running = new AbortController());
    holder.setAttribute("aria-busy", "true");
    holder.textContent = "Looking at it…";
    const part = await send(form.dataset.enrol, new FormData(form), own.signal);
    if (running !== own) return;
    holder.removeAttribute("aria-busy");
    if (part) holder.replaceChildren(part);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.setAttribute("aria-busy", "true");
    submit.disabled = true;
    const part = await send(form.getAttribute("action"), new FormData(form));
    submit.removeAttribute("aria-busy");
    submit.disabled = false;
    if (part && holder) holder.replaceChildren(part);
    else if (part) form.append(part);
  });
}

// The next page of identities is added as its link comes into view.
function prepareMore(list) {
  const watch = () => {
    const anchor = list.querySelector("[data-more]");
    if (anchor) observer.observe(anchor);
  };
  const observer = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    const anchor = entry.target;
    observer.unobserve(anchor);
    const response = await fetch(`${anchor.getAttribute("href")}&fragment=1`);
    if (!response.ok) return;
    const holder = document.createElement("template");
    holder.innerHTML = await response.text();
    anchor.closest("li").replaceWith(holder.content);
    watch();
  }, { rootMargin: "600px" });
  watch();
}
