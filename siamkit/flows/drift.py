"""Drift: a gallery's recent queries against its calibration, and the words for what was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from siamkit.errors import Uncalibrated
from siamkit.store import Gallery, Store, observations

if TYPE_CHECKING:
    from siamkit.stats.drift import Drift

MANY = 0.5  # share of strangers from which it is worth a line


def drift(store: Store, gallery: Gallery) -> Drift:
    """Compare. Raises Uncalibrated if there is nothing to compare with."""
    from siamkit.stats.drift import QUERIES, compare

    rows = observations.reference(store, gallery)
    if not rows:
        raise Uncalibrated(
            f"gallery {gallery.name!r} has no calibration that its queries could be compared with",
            hint=f"siamkit calibrate {gallery.name}",
        )
    return compare(rows, observations.recent(store, gallery, QUERIES))


def sentences(gallery: str, found: Drift) -> Iterator[str]:
    """What a comparison means, a line each."""
    if found.missing:
        yield (
            f"{gallery}: {found.queries} queries since calibration; {found.missing} more are"
            " needed to compare"
        )
        return
    chance = (
        "" if found.probability is None else f" (probability by chance {found.probability:.3f})"
    )
    yield (
        f"{gallery}: the scores of the last {found.queries} queries"
        f" {'have moved' if found.alarm else 'are as at calibration'}{chance}"
    )
    for move in found.moves:
        way = "lower" if move.recent < move.expected else "higher"
        what = "best score" if move.statistic == "best" else "score of the nearest others"
        yield (
            f"{what}: {move.recent:.3f} in the mean, expected {move.expected:.3f}:"
            f" {abs(move.recent - move.expected):.3f} {way}, {abs(move.sigmas):.1f} of its spread"
        )
    share = found.strangers or 0.0
    yield f"strangers: about {100 * share:.0f}% of the queries fits best"
    if found.alarm:
        yield (
            f"Warning: no share of strangers explains the {found.by} scores. Another microphone,"
            " camera or encoder, other light or noise, or one person asking many times would."
            " Check what has changed; then re-enrol with it, or calibrate anew."
        )
    elif share >= MANY:
        yield (
            "Note: most queries look like people who are not enrolled. If they should be known,"
            " something has changed so much that nobody is recognised."
        )
