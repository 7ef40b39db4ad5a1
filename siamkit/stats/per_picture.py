"""The threshold of a search for enrolled things in pictures, for a false positive rate per picture.

Hundreds of regions are tried in a picture, and they overlap: a rate of single comparisons says
nothing about how often a picture without any enrolled thing gets a box. So whole pictures are
counted. The score of a picture is the highest of any of its regions with any identity.

Of n such pictures and one more like them, each is as likely to have the k-th highest score, so the
new one exceeds the k-th highest of the n with probability k / (n + 1) at most, whatever the scores'
distribution (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, chapter
2). Given the n pictures, the rate itself is distributed as Beta(k, n + 1 - k).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from siamkit.errors import Uncalibrated
from siamkit.stats.calibration import require_rate

FPIR = 0.05  # per picture, unless the caller chooses another: 1 in 20
FEWEST = 10  # pictures that a threshold is measured on: they support a rate of 1 in 11
CONFIDENCE = 0.95  # of the upper bound of a rate
STEP = 1e-6  # a threshold lies this far above a score, at least: rounding must not reach it


def lowest_rate(pictures: int) -> float:
    """Return the lowest false positive rate that so many pictures can show."""
    return 1 / (pictures + 1)


def pictures_for(rate: float) -> int:
    """Return the fewest pictures that can show a false positive rate."""
    return max(FEWEST, math.ceil(1 / rate - 1 - 1e-9))


def default_rate(pictures: int) -> float:
    """Return FPIR, or the lowest rate that so many pictures show, rounded up to 3 decimals."""
    return max(FPIR, math.ceil(lowest_rate(pictures) * 1000 - 1e-9) / 1000)


def require_pictures(pictures: int, rate: float | None) -> None:
    """Raise Uncalibrated if pictures are too few, for any threshold or for this rate."""
    if rate is not None:
        require_rate("a false positive rate per picture", rate)
    if pictures < FEWEST:
        raise Uncalibrated(
            f"{pictures:,} pictures without an enrolled thing are too few for a false positive"
            f" rate: at least {FEWEST} are needed",
            hint=f"{pictures_for(FPIR)} support the usual rate of {FPIR:g}",
        )
    if rate is not None and rate < lowest_rate(pictures) * (1 - 1e-9):
        raise Uncalibrated(
            f"{pictures:,} pictures without an enrolled thing support a false positive rate of"
            f" {lowest_rate(pictures):.2g} per picture, not {rate:g}",
            hint=f"choose that, or calibrate with {pictures_for(rate):,} pictures or more",
        )


def exceeded(pictures: int, rate: float) -> int:
    """Return k, the rank of the highest score that a threshold for `rate` lies above."""
    return max(1, math.floor(rate * (pictures + 1) + 1e-9))


def threshold_for_rate(highest: Sequence[float], rate: float) -> float:
    """Return the threshold that a picture without any enrolled thing reaches at `rate` at most.

    highest: the highest score of each of n such pictures. The threshold is the lowest above the
    k-th highest of them, where k / (n + 1) is at most `rate`. Raises BadInput for a rate outside
    (0, 1), Uncalibrated for one that n pictures cannot show.
    """
    require_pictures(len(highest), rate)
    ranked = sorted(highest, reverse=True)
    return (math.floor(ranked[exceeded(len(ranked), rate) - 1] / STEP) + 2) * STEP


def rate_at(highest: Sequence[float], score: float) -> float:
    """Return the rate, at most, at which pictures without an enrolled thing have so high a score.

    It is never below what n pictures can show.
    """
    reached = sum(value >= score for value in highest)
    return (reached + 1) / (len(highest) + 1)


def upper_bound(pictures: int, rate: float) -> float:
    """Return the rate that a threshold for `rate` does not exceed with CONFIDENCE."""
    from scipy.special import betaincinv

    rank = exceeded(pictures, rate)
    return float(betaincinv(rank, pictures + 1 - rank, CONFIDENCE))
