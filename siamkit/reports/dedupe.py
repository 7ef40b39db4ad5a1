"""A page about duplicates: one self-contained HTML file, its picture inline."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from siamkit.flows.dedupe import Deduped
from siamkit.flows.duplicates import Duplicates
from siamkit.reports.html import escaped, facts, page
from siamkit.reports.svg import histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 2_000  # items whose nearest neighbour, and random partner, the picture shows
GROUPS = 200  # that the page lists


def html(deduped: Deduped, source: str) -> str:
    """The page as text. Every text of the user's is escaped."""
    found = deduped.found
    rule = found.rule
    on = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    rated = rule.threshold.source
    rows = [
        ("items", f"{len(deduped.items):,}"),
        ("exact copies", f"{deduped.copies:,}"),
        ("not readable", f"{len(deduped.faults):,}"),
        ("pairs at or above the threshold", f"{len(found.pairs):,}"),
        ("groups", f"{deduped.groups:,}"),
        ("items in groups", f"{len(deduped.members):,}"),
        ("threshold", f"{rule.threshold.value:.3f}, {on}"),
        ("chosen on", rated),
        ("near pairs by", f"{found.mining['structure']}, recall {found.mining['recall']}"),
    ]
    return page(f"Duplicates in {source}", facts(rows) + _pictures(found) + _groups(deduped))


def _pictures(found: Duplicates) -> str:
    limit = (found.rule.threshold.value, f"threshold {found.rule.threshold.value:.3f}")
    parts = []
    if len(found.vectors) > 2:
        chance, nearest = _sampled(found)
        series = {"to a random other": chance, "to the most similar other": nearest}
        parts.append(
            "<h2>How alike the items are</h2>"
            + histogram(
                "cosine of an item", series, "cosine", None if found.rule.reranker else limit
            )
        )
    if found.rule.reranker and len(found.near):
        parts.append(
            "<h2>What the reranker says of near pairs</h2>"
            + histogram(
                "probability of the pairs it was asked about",
                {"pairs": found.near.scores}, "probability", limit,
            )
        )  # fmt: skip
    return "".join(parts)


def _sampled(found: Duplicates) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines of a sample of items to a random other one, and to their nearest."""
    count, rng = len(found.vectors), np.random.default_rng(0)
    rows = np.sort(rng.choice(count, min(SAMPLE, count), replace=False))
    other = (rows + rng.integers(1, count, len(rows))) % count
    queries = np.asarray(found.vectors[rows])
    best = np.full(len(rows), -1, np.float32)
    for start in range(0, count, 100_000):
        scores = queries @ found.vectors[start : start + 100_000].T
        inside = np.flatnonzero((rows >= start) & (rows < start + scores.shape[1]))
        scores[inside, rows[inside] - start] = -1
        best = np.maximum(best, scores.max(axis=1))
    return np.einsum("ij,ij->i", queries, found.vectors[other]), best


def _groups(deduped: Deduped) -> str:
    out = []
    for number, members in groupby(deduped.members, key=lambda member: member.group):
        if number > GROUPS:
            out.append(f"<tr class=first><td colspan=4>… and {deduped.groups - GROUPS:,} more")
            break
        for m in members:
            style = " class=first" if m.canonical else ""
            text = escaped(m.item.shown[:500])
            shown = f"<span class=canonical>{text}</span>" if m.canonical else text
            out.append(
                f"<tr{style}><td class=n>{number if m.canonical else ''}<td class=n>{m.score:.3f}"
                f"<td>{escaped(m.item.id)}<td>{shown}"
            )
    head = "<tr><th>group<th>cosine<th>id<th>item"
    note = "<p><small>The first of each group, in bold, stands for it.</small>"
    return (
        f"<h2>Groups</h2>{note}<div class=wide><table>{head}{''.join(out)}</table></div>"
        if out
        else ""
    )
