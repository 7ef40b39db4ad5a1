"""A page about duplicates: one self-contained HTML file, its picture inline."""

from __future__ import annotations

import html as escape
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from siamkit.duplicates import Duplicates
from siamkit.flows.dedupe import Deduped

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 2_000  # items whose nearest neighbour, and random partner, the picture shows
BINS, WIDTH, HEIGHT = 50, 720, 220  # of a histogram; px
GROUPS = 200  # that the page lists
COLOURS = ("#8a94a6", "#1f6feb")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } th, td { text-align: left; padding: .2em .8em }
th { border-bottom: 1px solid #888 } td.n { text-align: right; font-variant-numeric: tabular-nums }
tr.first td { border-top: 1px solid #ccc } .canonical { font-weight: 600 } small { color: #666 }
"""


def html(deduped: Deduped, source: str) -> str:
    """The page as text. Every text of the user's is escaped."""
    found = deduped.found
    rule = found.rule
    on = f"probability by {rule.reranker.name}" if rule.reranker else "cosine"
    rated = rule.threshold.source
    facts = [
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
    rows = "".join(f"<tr><th>{k}<td>{escape.escape(v)}" for k, v in facts)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Duplicates in"
        f" {escape.escape(source)}</title><style>{_STYLE}</style>"
        f"<h1>Duplicates in {escape.escape(source)}</h1><table>{rows}</table>"
        f"{_pictures(found)}{_groups(deduped)}</html>\n"
    )


def _pictures(found: Duplicates) -> str:
    parts = []
    if len(found.vectors) > 2:
        chance, nearest = _sampled(found)
        limit = None if found.rule.reranker else found.rule.threshold.value
        parts.append(
            "<h2>How alike the items are</h2>"
            + _histogram(
                {"a random other": chance, "the most similar other": nearest},
                limit,
                "cosine of an item to",
            )
        )
    if found.rule.reranker and len(found.near):
        parts.append(
            "<h2>What the reranker says of near pairs</h2>"
            + _histogram(
                {f"the {len(found.near):,} pairs it was asked about": found.near.scores},
                found.rule.threshold.value,
                "probability of",
            )
        )
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


def _histogram(series: dict[str, NDArray[np.float32]], limit: float | None, what: str) -> str:
    """An SVG with a histogram a series, each scaled to its own share, and the threshold."""
    low = min(0.0, *(float(values.min()) for values in series.values()))
    edges = np.linspace(low, 1.0, BINS + 1)
    shares = [np.histogram(np.clip(v, low, 1), edges)[0] / len(v) for v in series.values()]
    top = max(share.max() for share in shares)
    step = WIDTH / BINS
    bars = []
    for share, colour in zip(shares, COLOURS[-len(shares) :], strict=True):
        for at, value in enumerate(share):
            tall = value / top * HEIGHT
            bars.append(
                f'<rect x="{at * step:.1f}" y="{HEIGHT - tall:.1f}" width="{step - 1:.1f}"'
                f' height="{tall:.1f}" fill="{colour}" fill-opacity=".6"/>'
            )
    ticks = "".join(
        f'<text x="{(t - low) / (1 - low) * WIDTH:.0f}" y="{HEIGHT + 16}" text-anchor="middle">'
        f"{round(t, 1) + 0.0:.1f}</text>"  # + 0.0: no "-0.0"
        for t in np.arange(np.ceil(low * 5) / 5, 1.01, 0.2)
    )
    mark = ""
    if limit is not None:
        x = (limit - low) / (1 - low) * WIDTH
        mark = (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="-14" y2="{HEIGHT}" stroke="#d1242f"'
            f' stroke-dasharray="4 3"/><text x="{x - 4:.1f}" y="-4" text-anchor="end"'
            f' fill="#d1242f">threshold {limit:.3f}</text>'
        )
    legend = "".join(
        f'<tspan x="0" dy="18" fill="{colour}">■ {what} {name}</tspan>'
        for name, colour in zip(series, COLOURS[-len(series) :], strict=True)
    )
    under = HEIGHT + 22
    return (
        f'<svg viewBox="-20 -20 {WIDTH + 40} {under + 20 + 18 * len(series)}" width="{WIDTH}"'
        f' font-size="12" font-family="sans-serif" role="img"><line x2="{WIDTH}" y1="{HEIGHT}"'
        f' y2="{HEIGHT}" stroke="#888"/>{"".join(bars)}{ticks}{mark}'
        f'<text y="{under}">{legend}</text></svg>'
    )


def _groups(deduped: Deduped) -> str:
    out = []
    for number, members in groupby(deduped.members, key=lambda member: member.group):
        if number > GROUPS:
            out.append(f"<tr class=first><td colspan=4>… and {deduped.groups - GROUPS:,} more")
            break
        for m in members:
            style = " class=first" if m.canonical else ""
            text = escape.escape(m.item.shown[:500])
            shown = f"<span class=canonical>{text}</span>" if m.canonical else text
            out.append(
                f"<tr{style}><td class=n>{number if m.canonical else ''}<td class=n>{m.score:.3f}"
                f"<td>{escape.escape(m.item.id)}<td>{shown}"
            )
    head = "<tr><th>group<th>cosine<th>id<th>item"
    note = "<p><small>The first of each group, in bold, stands for it.</small>"
    return f"<h2>Groups</h2>{note}<table>{head}{''.join(out)}</table>" if out else ""
