"""The outcome of a drift comparison as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siamkit.stats.drift import Drift

MANY_STRANGERS = 0.5  # share of the queries from which they are worth a note


def describe_drift(gallery: str, drift: Drift) -> Iterator[str]:
    """Yield what a comparison means, one line at a time."""
    if drift.missing:
        yield (
            f"{gallery}: {drift.queries} queries since calibration; {drift.missing} more are"
            " needed to compare"
        )
        return
    outcome = "have moved" if drift.alarm else "are as at calibration"
    chance = ""
    if drift.probability is not None:
        chance = f" (probability by chance {drift.probability:.3f})"
    yield f"{gallery}: the scores of the last {drift.queries} queries {outcome}{chance}"
    for move in drift.moves:
        difference = move.recent - move.expected
        direction = "lower" if difference < 0 else "higher"
        score = "best score" if move.statistic == "best" else "score of the nearest others"
        yield (
            f"{score}: mean {move.recent:.3f}, expected {move.expected:.3f}:"
            f" {abs(difference):.3f} {direction}, {abs(move.sigmas):.1f} standard deviations"
        )
    strangers = drift.strangers or 0.0
    yield f"strangers: the best fit is about {100 * strangers:.0f}% of the queries"
    if drift.alarm:
        yield (
            f"Warning: no share of strangers explains the {drift.by} scores. Possible causes:"
            " another microphone, camera or encoder, different light or noise, or one person"
            " asking many times. Check what has changed; then re-enrol under the new conditions,"
            " or calibrate again."
        )
    elif strangers >= MANY_STRANGERS:
        yield (
            "Note: most queries look like people who are not enrolled. If they should be known,"
            " something has changed so much that nobody is recognised."
        )
