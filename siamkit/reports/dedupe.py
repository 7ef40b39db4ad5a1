"""A page about duplicates: one self-contained HTML file, the groups first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.flows.dedupe import Deduped, Member
from siamkit.flows.grouping import Grouping
from siamkit.flows.related_groups import RelatedGroup
from siamkit.io.sources import to_text
from siamkit.io.wording import shorten_source
from siamkit.reports.html import cut, escaped, facts, page
from siamkit.reports.previews import Previews
from siamkit.reports.svg import histogram

SAMPLE = 2_000  # items whose cosines the histogram shows
TEXT, LINK = 600, 48  # characters of a text, and of a link to a group
PREVIEW_BYTES = 40_000_000  # of thumbnails and sounds; a browser opens such a page in a second

_STYLE = """
.charts { display: grid; gap: 1em 2em;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 28em), 36em)) }
body { max-width: 100em } h2.part { margin-top: 2em } .lead { font-size: 1.15em }
form { position: sticky; top: 0; z-index: 1; display: none; flex-wrap: wrap; gap: .5em 1em;
  align-items: center; padding: .6em 0; background: Canvas; border-bottom: 1px solid var(--line) }
.live form { display: flex }
form input { font: inherit; flex: 1 1 14em; min-width: 0; padding: .3em }
form select { font: inherit; padding: .3em } .groups { display: grid; gap: 1em; margin: 1em 0;
  align-items: start; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30em), 1fr)) }
article { border: 1px solid var(--line); border-radius: 8px; padding: .8em 1em; min-width: 0;
  content-visibility: auto; contain-intrinsic-size: auto 10em; scroll-margin-top: 5em }
article:target { outline: 2px solid #0072B2 } article h2 { font-size: 1.05em; margin: 0 }
article p { margin: .3em 0 } article ul { list-style: none; margin: .5em 0 0; padding: 0 }
li { border-top: 1px solid var(--line); padding: .35em 0; overflow-wrap: anywhere }
ul.media { display: grid; gap: .6em; grid-template-columns: repeat(auto-fill, minmax(8em, 1fr)) }
ul.sounds { grid-template-columns: 1fr } ul.media li { border: 0 }
li img { display: block; width: 100%; height: 9em; object-fit: contain; background: var(--soft);
  border-radius: 4px }
li audio { width: 100%; max-width: 24em; height: 2.2em; display: block }
"""
_SCRIPT = """
const form = document.forms[0], groups = [...document.querySelectorAll('article')]
const texts = groups.map(g => g.textContent.toLowerCase())
const show = () => {
  const words = form.search.value.toLowerCase().split(' ').filter(Boolean)
  let shown = 0
  groups.forEach((group, n) => {
    const data = group.dataset
    const fits = +data.size >= +form.least.value && words.every(w => texts[n].includes(w))
      && (form.kind.value === '' || data.kind === form.kind.value)
    group.hidden = !fits
    shown += fits
  })
  form.total.value = shown.toLocaleString() + ' of ' + groups.length.toLocaleString() + ' groups'
}
document.body.classList.add('live')
form.addEventListener('input', show)
form.addEventListener('submit', event => event.preventDefault())
addEventListener('hashchange', () => {
  const group = document.getElementById(location.hash.slice(1))
  if (group && group.hidden) { form.reset(); show(); group.scrollIntoView() }
})
show()
"""
_FORM = """<form><input name=search type=search placeholder="Search" aria-label="Search">
<select name=least aria-label="Size"><option value=2>any size<option value=3>3 or more
<option value=5>5 or more<option value=10>10 or more</select>
<select name=kind aria-label="Kind"><option value="">all groups<option value=near>near duplicates
<option value=copies>exact copies only</select><output name=total></output></form>"""


def html(deduped: Deduped, source: str, related: Mapping[int, Sequence[RelatedGroup]]) -> str:
    """Return the page as text. User texts are escaped."""
    rule = deduped.grouping.rule
    score = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    lead = (
        f"<p class=lead>{escaped(describe_outcome(deduped))}.</p><p>Two items count as the same"
        f" from {escaped(score)} {rule.threshold.value:.3f} on;"
        f" {escaped(describe_false(deduped))}.</p>"
    )
    groups = _groups(deduped, related)
    charts = f"<div class=charts>{_histograms(deduped.grouping)}</div>"
    run = f"<h2 class=part>The run</h2>{facts(_facts(deduped, score))}"
    script = f"<script>{_SCRIPT}</script>" if groups else ""
    return page(f"Duplicates in {source}", lead + groups + charts + run + script, _STYLE)


def describe_outcome(deduped: Deduped) -> str:
    """Describe what was found: '2 groups of duplicates: 5 of 12 items, 1 exact copy'."""
    if not deduped.is_comparable:
        absent = "no item can be used" if deduped.faults else "the source has no rows"
        return f"nothing to compare: {'1 item' if deduped.items else absent}"
    groups = "1 group" if deduped.groups == 1 else f"{deduped.groups:,} groups"
    copies = "1 exact copy" if deduped.copies == 1 else f"{deduped.copies:,} exact copies"
    items = f"{len(deduped.members):,} of {len(deduped.items):,} items"
    where = ""
    if deduped.has_regions:
        where = f" in {len({item.line for item in deduped.items}):,} files"
    return f"{groups} of duplicates: {items}{where}, {copies}"


def describe_false(deduped: Deduped) -> str:
    """Describe how many of the pairs are expected to be false."""
    grouping = deduped.grouping
    pairs = f"{len(grouping.pairs):,} pairs among {grouping.comparisons:,} comparisons"
    expected = grouping.expected_false
    if expected is None:
        return f"{pairs}; how many are false is not known: the threshold has no such rate"
    basis = grouping.rule.calibration or grouping.rule.threshold
    by = f"by the false match rate measured on {shorten_source(basis.source)}"
    if grouping.rule.reranker:
        by = "by the reranker's probabilities"
    return f"{pairs}; about {expected:.2g} are expected to be false, {by}"


def _facts(deduped: Deduped, score: str) -> list[tuple[str, str]]:
    grouping = deduped.grouping
    rule, mining, expected = grouping.rule, grouping.mining, grouping.expected_false
    return [
        ("items", f"{len(deduped.items):,}"),
        ("exact copies", f"{deduped.copies:,}"),
        ("not readable", f"{len(deduped.faults):,}"),
        ("left out: no comparison tells", f"{len(deduped.left_out):,}"),
        ("comparisons", f"{grouping.comparisons:,}"),
        ("pairs at or above the threshold", f"{len(grouping.pairs):,}"),
        ("of them expected to be false", "not known" if expected is None else f"{expected:.2g}"),
        ("as alike, but different", f"{len(grouping.contradictions):,}"),
        ("groups", f"{deduped.groups:,}"),
        ("items in groups", f"{len(deduped.members):,}"),
        ("threshold", f"{rule.threshold.value:.3f}, {score}"),
        ("chosen on", rule.threshold.source),
        ("near pairs found by", f"{mining['structure']}, recall {mining['recall']}"),
    ]


def _groups(deduped: Deduped, related: Mapping[int, Sequence[RelatedGroup]]) -> str:
    """Return all groups, largest first, each with links to the groups that are close to it."""
    if not deduped.members:
        return ""
    previews = Previews(PREVIEW_BYTES)
    names = {m.group: _name(m) for m in deduped.members if m.canonical}
    distinct = np.bincount(deduped.group_numbers, minlength=deduped.groups + 1)  # by group
    articles = []
    for number, grouped in groupby(deduped.members, key=lambda member: member.group):
        members = list(grouped)
        is_near = distinct[number] > 1
        links = " · ".join(
            f'<a href="#g{other.group}">{escaped(cut(names[other.group], LINK))}</a>'
            f" <small>{other.score:.3f}</small>"
            for other in related.get(number, ())
        )
        see_also = f"<p><small>See also: {links}</small></p>" if links else ""
        articles.append(
            f"<article id=g{number} data-size={len(members)}"
            f" data-kind={'near' if is_near else 'copies'}>"
            f"<h2>{escaped(names[number], TEXT)}</h2>"
            f"<p><small>{escaped(_describe_group(members, is_near))}</small></p>"
            f"{_members(members, previews)}{see_also}</article>"
        )
    left = "<p><small>Not all files have a preview: the page would be too large.</small></p>"
    note = left if previews.is_full else ""
    return f"{_FORM}{note}<div class=groups>{''.join(articles)}</div>"


def _describe_group(members: Sequence[Member], is_near: bool) -> str:
    item = members[0].item
    size = f"group {members[0].group:,}, {len(members):,} {'items' if is_near else 'exact copies'}"
    return size if isinstance(item.source, Path) else f"{size}; {item.origin}"


def _name(member: Member) -> str:
    """Return what stands above a group: its text, or the name of its file."""
    item = member.item
    return item.source.name if isinstance(item.source, Path) else item.shown


def _members(members: Sequence[Member], previews: Previews) -> str:
    """Return the members as a list: of files with a picture or a sound, of texts the others."""
    if isinstance(members[0].item.source, str):
        copies = [member for member in members if not member.canonical]
        rows = [
            f"<li>{escaped(member.item.shown, TEXT)}<br><small>{_note(member)}</small>"
            for member in copies
        ]
        return f"<ul>{''.join(rows)}</ul>"
    rows, has_sound = [], False
    for member in members:
        item = member.item
        source = item.source
        medium = "" if isinstance(source, str) else previews.show(source, item.region)
        has_sound |= medium.startswith("<audio")
        name = escaped(
            to_text(Path(*source.parts[-2:])) if isinstance(source, Path) else item.shown
        )
        rows.append(f"<li>{medium}{name}<br><small>{_note(member)}</small>")
    return f"<ul class='media{' sounds' if has_sound else ''}'>{''.join(rows)}</ul>"


def _note(member: Member) -> str:
    """Say how close a member is to the one that represents its group, and where it stands."""
    item = member.item
    where = item.place if isinstance(item.source, Path) else item.origin
    score = "represents the group" if member.canonical else f"cosine {member.score:.3f}"
    return escaped(", ".join(filter(None, (score, where))))


def _histograms(grouping: Grouping) -> str:
    limit = (grouping.rule.threshold.value, f"threshold {grouping.rule.threshold.value:.3f}")
    parts = []
    if len(grouping.vectors) > 2:
        random, nearest = _sample_cosines(grouping)
        series = {"to a random other": random, "to the most similar other": nearest}
        cosine_limit = None if grouping.rule.reranker else limit
        parts.append("<div><h2 class=part>How similar the items are</h2>")
        parts.append(f"{histogram('cosine of an item', series, 'cosine', cosine_limit)}</div>")
    if grouping.rule.reranker and len(grouping.near):
        caption = "probability of the pairs that it judged"
        parts.append("<div><h2 class=part>How the reranker judges near pairs</h2>")
        scores = {"pairs": grouping.near.scores}
        parts.append(f"{histogram(caption, scores, 'probability', limit)}</div>")
    return "".join(parts)


def _sample_cosines(grouping: Grouping) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the cosines of some items to a random other item, and to the nearest one."""
    count, rng = len(grouping.vectors), np.random.default_rng(0)
    rows = np.sort(rng.choice(count, min(SAMPLE, count), replace=False))
    partners = (rows + rng.integers(1, count, len(rows))) % count
    queries = np.asarray(grouping.vectors[rows])
    nearest = np.full(len(rows), -1, np.float32)
    for start in range(0, count, 100_000):
        scores = queries @ grouping.vectors[start : start + 100_000].T
        inside = np.flatnonzero((rows >= start) & (rows < start + scores.shape[1]))
        scores[inside, rows[inside] - start] = -1
        nearest = np.maximum(nearest, scores.max(axis=1))
    return np.einsum("ij,ij->i", queries, grouping.vectors[partners]), nearest
