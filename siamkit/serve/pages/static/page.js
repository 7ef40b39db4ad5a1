// Every page works without this: it adds drop, paste, camera, microphone, boxes and fewer reloads.
import { prepareDrops } from "./drop.js";
import { prepareForms } from "./forms.js";

const OPTIONAL = [
  [".marker[data-box]", "./marker.js"],
  ["[data-review]", "./review.js"],
  ["[data-measure]", "./measure.js"],
];

prepareDrops(document);
prepareForms(document);
for (const [selector, module] of OPTIONAL) {
  const element = document.querySelector(selector);
  if (!element) continue;
  import(module).then((loaded) => {
    loaded.prepare(element);
    element.dataset.ready = ""; // keys and the pointer work from now on
  });
}
