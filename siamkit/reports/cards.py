"""A page of cards, one per picture, sound, text or pair, with a search box and a filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from siamkit.reports.html import escaped, facts, page

NAME = 120  # characters of a label or a file's name
SHOWN = 1_000  # cards of a page; a browser takes some 20 kB each
STYLE = """
body { max-width: 100em }
.controls { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5em;
  padding: .6em 0; background: Canvas; border-bottom: 1px solid var(--line) }
.controls input { flex: 1 1 12em; min-width: 0; font: inherit; padding: .3em .6em }
.controls button { font: inherit; padding: .3em .8em; border: 1px solid var(--line);
  border-radius: 1em; background: none; color: inherit; cursor: pointer }
.controls button[aria-pressed=true] { background: CanvasText; color: Canvas }
.cards { display: grid; gap: 1em; margin-top: 1em;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20em), 1fr)); align-items: start }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8em; min-width: 0 }
.card h2 { font-size: 1em; margin: 0 0 .5em; overflow-wrap: anywhere }
.card img { display: block; max-width: 100%; height: auto; border-radius: 4px }
.card audio { width: 100% } .card figure { margin: 0 }
.rows { display: grid; gap: .6em; margin-top: .6em; max-height: 26em; overflow-y: auto }
.answer { display: flex; gap: .7em; align-items: flex-start; border-top: 1px solid var(--line);
  padding-top: .6em; overflow-wrap: anywhere }
.answer img { width: 56px; height: 56px; object-fit: cover; flex: none; margin: 0 }
.answer > div { min-width: 0 } .answer details { font-size: .87em; opacity: .8 }
.answer ul { margin: .2em 0; padding-left: 1.2em }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: .5em }
.verdict { font-weight: 600 } .identified, .same { color: var(--good) }
.inconclusive { color: var(--doubt) } .failed, .wrong { color: var(--bad) }
.failed { overflow-wrap: anywhere }
:root { --good: #00704f; --doubt: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --good: #4cc79b; --doubt: #e0aa3e } }
[hidden] { display: none !important }
"""
SCRIPT = """
const cards = [...document.querySelectorAll('.card')], box = document.querySelector('#find');
const buttons = [...document.querySelectorAll('.controls button')];
const count = document.querySelector('#count');
let kind = '';
function show() {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const text = card.dataset.text;
    const fits = (!kind || card.dataset.kinds.split('|').includes(kind)) &&
      words.every(word => text.includes(word));
    card.hidden = !fits; shown += fits;
  }
  count.textContent = shown === cards.length ? '' : `${shown} of ${cards.length} shown`;
}
box.addEventListener('input', show);
for (const button of buttons) button.addEventListener('click', () => {
  kind = button.dataset.kind;
  for (const other of buttons) other.setAttribute('aria-pressed', other === button);
  show();
});
"""


@dataclass(frozen=True, slots=True)
class Card:
    """One card: the kinds of answer on it, the text that a search looks in, and its HTML."""

    kinds: tuple[str, ...]
    text: str
    html: str


def cards_page(
    title: str,
    rows: Sequence[tuple[str, str]],
    cards: Sequence[Card],
    total: int,
    style: str = "",
) -> str:
    """Build a page. rows: facts above the cards. total: of which the cards are the first."""
    counts = Counter(kind for card in cards for kind in set(card.kinds))
    ranked = counts.most_common()
    choices = [("", f"all {len(cards):,}"), *((k, f"{k} {n:,}") for k, n in ranked)]
    buttons = "".join(
        f'<button data-kind="{escaped(kind)}" aria-pressed={str(not kind).lower()}>{escaped(text)}'
        "</button>"
        for kind, text in choices
    )
    controls = (
        "<div class=controls><input id=find type=search placeholder='Search names and files'"
        f" aria-label=Search>{buttons}</div><p id=count class=soft></p>"
    )
    body = "".join(
        f'<article class=card data-kinds="{escaped("|".join(card.kinds))}"'
        f' data-text="{escaped(card.text.lower())}">{card.html}</article>'
        for card in cards
    )
    more = ""
    if len(cards) < total:
        more = f"<p class=soft>The first {len(cards):,} of {total:,} are shown.</p>"
    content = f"{facts(rows)}{controls}{more}<div class=cards>{body}</div>"
    return page(title, f"{content}<script>{SCRIPT}</script>", STYLE + style)
