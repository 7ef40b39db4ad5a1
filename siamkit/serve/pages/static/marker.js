// A box around one thing in a picture, by pointer or by keys, in pixels of the picture.
const STEP = 0.02; // of the picture's side, by key
const SVG = "http://www.w3.org/2000/svg";

export function prepare(marker) {
  const form = marker.closest("form");
  const input = form.querySelector("[data-marker] input[type=file]");
  const field = form.querySelector("input[name=box]");
  input.addEventListener("change", () => show(marker, input.files[0], field));
  field.addEventListener("change", () => draw(marker, parse(field.value)));
}

function parse(text) {
  const box = text.split(",").map(Number);
  return box.length === 4 && box.every(Number.isFinite) ? box : null;
}

async function show(marker, file, field) {
  marker.hidden = true;
  field.value = "";
  if (!file) return;
  const image = new Image();
  image.alt = "The example";
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    return; // the server says what is wrong with it
  }
  const svg = document.createElementNS(SVG, "svg");
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  marker.replaceChildren(image, svg);
  Object.assign(marker, { hidden: false, tabIndex: 0 });
  marker.setAttribute("role", "application");
  marker.setAttribute("aria-label", "The box around the thing: arrow keys move it, Shift with arrow keys changes its size");
  const set = (box) => {
    field.value = box.map((edge) => edge.toFixed(1)).join(",");
    draw(marker, box);
  };
  const clip = ([l, t, r, b]) => [Math.max(0, l), Math.max(0, t), Math.min(width, r), Math.min(height, b)];
  const place = (event) => {
    const area = marker.getBoundingClientRect();
    return [((event.clientX - area.left) / area.width) * width, ((event.clientY - area.top) / area.height) * height];
  };
  let start = null;
  marker.onpointerdown = (event) => {
    start = place(event);
    marker.setPointerCapture(event.pointerId);
  };
  marker.onpointermove = (event) => {
    if (!start) return;
    const [x, y] = place(event);
    set(clip([Math.min(x, start[0]), Math.min(y, start[1]), Math.max(x, start[0]), Math.max(y, start[1])]));
  };
  marker.onpointerup = () => { start = null; };
  marker.onkeydown = (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [dx, dy] = [move[0] * STEP * width, move[1] * STEP * height];
    const [l, t, r, b] = parse(field.value) ?? [width / 4, height / 4, (3 * width) / 4, (3 * height) / 4];
    set(clip(event.shiftKey ? [l, t, Math.max(l + 4, r + dx), Math.max(t + 4, b + dy)] : [l + dx, t + dy, r + dx, b + dy]));
  };
}

function draw(marker, box) {
  const svg = marker.querySelector("svg");
  if (!svg) return;
  if (!box) return svg.replaceChildren();
  const [l, t, r, b] = box;
  const [, , w, h] = svg.getAttribute("viewBox").split(" ");
  const shade = document.createElementNS(SVG, "path");
  shade.setAttribute("class", "shade");
  shade.setAttribute("d", `M0 0H${w}V${h}H0ZM${l} ${t}V${b}H${r}V${t}Z`);
  const rectangle = document.createElementNS(SVG, "rect");
  const values = { class: "box same", x: l, y: t, width: Math.max(0, r - l), height: Math.max(0, b - t) };
  for (const [name, value] of Object.entries(values)) rectangle.setAttribute(name, value);
  svg.replaceChildren(shade, rectangle);
}
