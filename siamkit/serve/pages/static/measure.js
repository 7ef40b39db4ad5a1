// The slider: every step was measured on the server, and says how sure it is.
export function prepare(holder) {
  const steps = JSON.parse(holder.dataset.steps);
  const slider = holder.querySelector("input[type=range]");
  const back = holder.querySelector("[data-to]");
  slider.disabled = false;
  const show = () => {
    const step = steps[slider.value];
    holder.querySelector("#at").textContent = step.threshold;
    slider.setAttribute("aria-valuetext", `${step.threshold}: FMR ${step.fmr}, FNMR ${step.fnmr}`);
    for (const place of holder.querySelectorAll("[data-say]")) place.textContent = step[place.dataset.say];
    const line = holder.querySelector("[data-line]");
    line.setAttribute("x1", step.x);
    line.setAttribute("x2", step.x);
    const dot = holder.querySelector("[data-dot]");
    dot.setAttribute("cx", step.det[0]);
    dot.setAttribute("cy", step.det[1]);
    back.hidden = slider.value === back.dataset.to;
  };
  slider.addEventListener("input", show);
  back.addEventListener("click", () => {
    slider.value = back.dataset.to;
    show();
    slider.focus();
  });
}
