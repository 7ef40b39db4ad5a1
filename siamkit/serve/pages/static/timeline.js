// The player of a recording: turns begin it, and the one that is heard is marked.
export function prepareTimeline(root) {
  for (const article of root.querySelectorAll("[data-timeline]")) {
    const audio = article.querySelector("audio");
    if (!audio) continue;
    const turns = [...article.querySelectorAll(".turn")];
    const width = (turn) => Number(turn.getAttribute("width")) / 1000;
    article.addEventListener("click", (event) => {
      const start = event.target.dataset?.start;
      if (start === undefined) return;
      audio.currentTime = Number(start);
      audio.play();
    });
    audio.addEventListener("timeupdate", () => {
      for (const turn of turns) {
        const start = Number(turn.dataset.start);
        const stop = start + width(turn) * audio.duration;
        turn.classList.toggle("now", audio.currentTime >= start && audio.currentTime < stop);
      }
    });
  }
}
