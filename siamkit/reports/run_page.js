"use strict";

const PERIOD = 2000; // ms between two looks at the run

/* Replace the sections that have changed, but none in which a sound plays or that has the focus. */
async function refresh() {
  let text = null;
  try {
    const answer = await fetch("live");
    if (answer.ok) text = await answer.text();
  } catch { /* the server has ended */ }
  document.getElementById("lost").hidden = text !== null;
  if (text === null) return;
  for (const fresh of new DOMParser().parseFromString(text, "text/html").querySelectorAll("section")) {
    const shown = document.getElementById(fresh.id);
    const playing = shown && [...shown.querySelectorAll("audio")].some((sound) => !sound.paused);
    if (!shown) document.body.append(fresh);
    else if (shown.dataset.version !== fresh.dataset.version && !playing && !shown.contains(document.activeElement))
      shown.replaceWith(fresh);
  }
}

async function follow() {
  if (!document.hidden) await refresh();
  setTimeout(follow, PERIOD);
}

setTimeout(follow, PERIOD);
