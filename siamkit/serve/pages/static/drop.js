// Files by drop, paste, camera and microphone, all into the form's own <input type=file>.
const SHOWN = 12; // files that are listed

export function prepareDrops(root) {
  for (const drop of root.querySelectorAll("[data-drop]")) prepareDrop(drop);
}

function prepareDrop(drop) {
  const input = drop.querySelector("input[type=file]");
  input.addEventListener("change", () => list(drop, input));
  for (const name of ["dragenter", "dragover"])
    drop.addEventListener(name, () => drop.classList.add("over"));
  for (const name of ["dragleave", "drop", "dragend"])
    drop.addEventListener(name, () => drop.classList.remove("over"));
  if (navigator.mediaDevices) {
    if ("camera" in drop.dataset) addCamera(drop, input);
    if ("microphone" in drop.dataset) addMicrophone(drop, input);
  }
}

// A file dropped beside the input would open in place of the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  if (!event.target.matches?.("input[type=file]")) {
    event.preventDefault();
    give(event.dataTransfer.files);
  }
});
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) give(event.clipboardData.files);
});

// Give files to the first input that is empty, or else to the first.
function give(files) {
  const inputs = [...document.querySelectorAll("[data-drop] > input")];
  const input = inputs.find((each) => !each.files.length) ?? inputs[0];
  if (input && files.length) put(input, [...files]);
}

export function put(input, files) {
  const transfer = new DataTransfer();
  for (const file of input.multiple ? files : files.slice(0, 1)) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function list(drop, input) {
  const items = [...input.files].slice(0, SHOWN).map((file) => {
    const item = document.createElement("li");
    if (file.type.startsWith("image/")) {
      const image = new Image();
      image.alt = "";
      image.src = URL.createObjectURL(file);
      image.addEventListener("load", () => URL.revokeObjectURL(image.src));
      image.addEventListener("error", () => image.remove());
      item.append(image);
    }
    item.append(file.name);
    return item;
  });
  if (input.files.length > SHOWN) {
    const more = document.createElement("li");
    more.textContent = `and ${input.files.length - SHOWN} more`;
    items.push(more);
  }
  drop.querySelector(".picked").replaceChildren(...items);
}

function controls(drop) {
  const row = document.createElement("div");
  row.className = "capture";
  drop.append(row);
  return row;
}

function button(text, work) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", work);
  return made;
}

function refused(row, what) {
  const line = document.createElement("p");
  line.setAttribute("role", "alert");
  line.textContent = `The browser gives no ${what}: allow it for this page, or choose a file.`;
  row.replaceChildren(line);
}

function addCamera(drop, input) {
  const row = controls(drop);
  const begin = async () => {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
    } catch {
      return refused(row, "camera");
    }
    const video = document.createElement("video");
    Object.assign(video, { autoplay: true, playsInline: true, muted: true, srcObject: stream });
    const end = () => {
      for (const track of stream.getTracks()) track.stop();
      video.remove();
      row.replaceChildren(start);
    };
    const take = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob((blob) => {
        end();
        put(input, [new File([blob], "camera.jpg", { type: "image/jpeg" })]);
      }, "image/jpeg", 0.92);
    };
    drop.insertBefore(video, row);
    row.replaceChildren(button("Take the picture", take), button("Cancel", end));
    row.firstChild.focus();
  };
  const start = button("Camera", begin);
  row.append(start);
}

function addMicrophone(drop, input) {
  const row = controls(drop);
  const begin = async () => {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      return refused(row, "microphone");
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule("/static/recorder.js");
    const node = new AudioWorkletNode(context, "recorder");
    const chunks = [];
    node.port.onmessage = (event) => chunks.push(event.data);
    context.createMediaStreamSource(stream).connect(node);
    const end = (keep) => {
      for (const track of stream.getTracks()) track.stop();
      clearInterval(timer);
      if (keep) put(input, [wave(chunks, context.sampleRate)]);
      context.close();
      row.replaceChildren(start);
    };
    const stop = button("Stop: 0 s", () => end(true));
    const begun = Date.now();
    const timer = setInterval(() => {
      stop.textContent = `Stop: ${Math.round((Date.now() - begun) / 1000)} s`;
    }, 500);
    row.replaceChildren(stop, button("Cancel", () => end(false)));
    stop.focus();
  };
  const start = button("Microphone", begin);
  row.append(start);
}

// 16-bit mono WAV, which every server reads.
function wave(chunks, rate) {
  const count = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, letters) => [...letters].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const chunk of chunks)
    for (const value of chunk) {
      view.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true);
      at += 2;
    }
  return new File([view.buffer], "microphone.wav", { type: "audio/wav" });
}
