"""A page about duplicates: one self-contained HTML file."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from siamkit.flows.dedupe import Deduped
from siamkit.flows.grouping import Grouping
from siamkit.reports.html import escaped, facts, page
from siamkit.reports.svg import histogram

SAMPLE = 2_000  # items whose cosines the histogram shows
GROUPS = 200  # listed on the page


def html(deduped: Deduped, source: str) -> str:
    """Return the page as text. User texts are escaped."""
    grouping = deduped.grouping
    rule, mining = grouping.rule, grouping.mining
    expected = grouping.expected_false
    score = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    rows = [
        ("items", f"{len(deduped.items):,}"),
        ("exact copies", f"{deduped.copies:,}"),
        ("not readable", f"{len(deduped.faults):,}"),
        ("left out: no comparison tells", f"{len(deduped.left_out):,}"),
        ("comparisons", f"{grouping.comparisons:,}"),
        ("pairs at or above the threshold", f"{len(grouping.pairs):,}"),
        ("as alike, but different", f"{grouping.objections:,}"),
        ("of them expected to be false", "not known" if expected is None else f"{expected:.2g}"),
        ("groups", f"{deduped.groups:,}"),
        ("items in groups", f"{len(deduped.members):,}"),
        ("threshold", f"{rule.threshold.value:.3f}, {score}"),
        ("chosen on", rule.threshold.source),
        ("near pairs found by", f"{mining['structure']}, recall {mining['recall']}"),
    ]
    return page(f"Duplicates in {source}", facts(rows) + _histograms(grouping) + _groups(deduped))


def _histograms(grouping: Grouping) -> str:
    limit = (grouping.rule.threshold.value, f"threshold {grouping.rule.threshold.value:.3f}")
    parts = []
    if len(grouping.vectors) > 2:
        random, nearest = _sample_cosines(grouping)
        series = {"to a random other": random, "to the most similar other": nearest}
        cosine_limit = None if grouping.rule.reranker else limit
        parts.append("<h2>How similar the items are</h2>")
        parts.append(histogram("cosine of an item", series, "cosine", cosine_limit))
    if grouping.rule.reranker and len(grouping.near):
        caption = "probability of the pairs that it judged"
        parts.append("<h2>How the reranker judges near pairs</h2>")
        parts.append(histogram(caption, {"pairs": grouping.near.scores}, "probability", limit))
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


def _groups(deduped: Deduped) -> str:
    rows = []
    for number, members in groupby(deduped.members, key=lambda member: member.group):
        if number > GROUPS:
            rows.append(f"<tr class=first><td colspan=4>… and {deduped.groups - GROUPS:,} more")
            break
        for member in members:
            text = escaped(f"{member.item.shown[:500]} {member.item.place}".rstrip())
            style, shown_number = "", ""
            if member.canonical:
                style, shown_number = " class=first", str(number)
                text = f"<span class=canonical>{text}</span>"
            rows.append(
                f"<tr{style}><td class=n>{shown_number}<td class=n>{member.score:.3f}"
                f"<td>{escaped(member.item.id)}<td>{text}"
            )
    if not rows:
        return ""
    head = "<tr><th>group<th>cosine<th>id<th>item"
    note = "<p><small>The first item of each group, in bold, represents it.</small>"
    return f"<h2>Groups</h2>{note}<div class=wide><table>{head}{''.join(rows)}</table></div>"
