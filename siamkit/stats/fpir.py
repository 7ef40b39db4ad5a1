"""The threshold for a false positive identification rate, whatever the size of the gallery.

A stranger's probe is compared with N identities and its highest score counts, so the threshold
must rise with N. 1 - (1 - FMR)^N would give it if all probes were alike; but some resemble many
people, others nobody. So each probe of the calibration is asked itself: if m of its n comparisons
reach a threshold, N of them drawn at random hold one that does with 1 - C(n-m, N) / C(n, N). The
mean over probes is the FPIR, for every N up to n. Beyond, galleries are blocks of n identities: the
tail of the highest of n scores is a generalised Pareto distribution (Pickands 1975; Coles, "An
Introduction to Statistical Modeling of Extreme Values", 2001, chapter 4), and blocks count as much
as the FPIR was seen to grow with them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import Uncalibrated
from siamkit.types import Crowds

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST = 3.0  # a rate needs 3 / rate persons to show itself: the rule of three
TAIL, FEWEST = 0.1, 20  # of the probes whose highest scores are the tail; how many at least
GRID = 400  # thresholds that are tried
RATES = 12  # kept for each power of ten


def crowds_of(others: Iterable[NDArray[np.float32]], persons: int) -> Crowds | None:
    """What strangers score in crowds; None if there are too few probes or others to tell.

    others: blocks of (probes, n) scores of probes against n identities that are not theirs.
    persons: of how many the probes are, which says how low a rate they can show.
    """
    blocks = list(others)
    if not blocks or sum(map(len, blocks)) < FEWEST or blocks[0].shape[1] < 2:
        return None
    scores = np.sort(np.concatenate(blocks), axis=1)
    probes, count = scores.shape
    highest = np.sort(scores[:, -1]).astype(np.float64)
    shares = np.geomspace(0.5, 1 / scores.size, GRID)
    grid = np.unique(np.append(np.quantile(scores, 1 - shares), highest[-GRID:]))
    reach = np.stack([count - np.searchsorted(row, grid.astype(row.dtype)) for row in scores])
    least = min(0.5, LOWEST / persons)
    steps = int(np.ceil(np.log10(1 / least) * RATES))
    rates = np.geomspace(0.5, least, max(2, steps)) if least < 0.5 else np.array([0.5])
    sizes = np.unique(np.geomspace(1, count, 2 + int(4 * np.log10(count))).round().astype(int))
    table = []
    for size in sizes.tolist():
        fpir = _drawn(count, size)[reach].mean(axis=0)  # falls along the grid
        at = np.searchsorted(-fpir, -rates)
        limits = np.append(grid, np.nextafter(highest[-1], np.inf))[at]
        table.append(tuple((np.ceil(limits * 1e6) / 1e6).tolist()))  # never down to a score
    kept = max(FEWEST // 2, round(TAIL * probes))
    level = highest[-kept - 1]
    shape, scale = _fit(highest[-kept:] - level)
    return Crowds(
        persons, tuple(sizes.tolist()), tuple(rates.tolist()), tuple(table),
        float(level), kept / probes, scale, shape, _growth(reach, count),
    )  # fmt: skip


def _growth(reach: NDArray[np.int64], count: int) -> float:
    """How the FPIR grows from a quarter of the crowd to all of it, where a tenth is matched.

    1 if all probes are alike; less if the same few probes are matched again and again.
    """
    every, quarter = (
        _drawn(count, size)[reach].mean(axis=0) for size in (count, max(1, count // 4))
    )
    at = int(np.argmin(np.abs(every - TAIL)))
    if not every[at] or not quarter[at]:
        return 1.0
    ratio = np.log(every[at] / quarter[at]) / np.log(count / max(1, count // 4))
    return float(np.clip(ratio, 0.0, 1.0))


def _drawn(count: int, size: int) -> NDArray[np.float64]:
    """(count + 1,) probabilities that `size` of `count` hold a marked one, if 0 … count are."""
    from scipy.special import gammaln

    marked = np.arange(count + 1)
    rest = count - marked
    with np.errstate(invalid="ignore"):
        none = (
            gammaln(rest + 1) - gammaln(np.maximum(rest - size, 0) + 1)
            - gammaln(count + 1) + gammaln(count - size + 1)
        )  # fmt: skip
    held: NDArray[np.float64] = np.where(rest < size, 1.0, -np.expm1(none))
    return held


def _fit(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Shape and scale. Of scores that tie, or seem to have a heavy tail, an exponential one.

    Scores end somewhere, so their tail cannot be heavy: it only looks so where a wrong label, or a
    copy, stands far apart from all others.
    """
    from scipy.stats import genpareto

    mean = float(excess.mean())
    if mean <= 0 or len(np.unique(excess)) < FEWEST // 4:
        return 0.0, max(mean, 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of steps that the search tries
        shape, _, scale = genpareto.fit(excess, floc=0, scale=mean)
    return (float(shape), float(scale)) if shape < 0 else (0.0, mean)


def threshold_for(crowds: Crowds, fpir: float, size: int) -> float:
    """The threshold at which strangers are matched at that rate, in (0, 1), among `size` >= 1.

    Raises Uncalibrated for a rate lower than so few probes could show.
    """
    if fpir < crowds.rates[-1] * (1 - 1e-9):
        raise Uncalibrated(
            f"a false positive identification rate of {fpir:g} cannot be shown by"
            f" probes of {crowds.persons:,} identities: they support {crowds.rates[-1]:.2g}",
            hint="ask for that, or calibrate with more identities",
        )
    rates, wanted = np.log(crowds.rates), max(np.log(fpir), np.log(crowds.rates[-1]))
    if size <= crowds.sizes[-1]:
        each = [np.interp(-wanted, -rates, row) for row in crowds.thresholds]
        return float(np.interp(np.log(size), np.log(crowds.sizes), each))
    # Blocks of as many identities as the calibration had: 1 - (1 - x)^blocks = fpir.
    blocks = (size / crowds.sizes[-1]) ** crowds.growth
    block = -np.expm1(np.log1p(-fpir) / blocks)
    found = float(np.interp(-np.log(block), -rates, crowds.thresholds[-1]))
    if np.log(block) >= rates[-1]:
        return found
    # The tail goes on from the last threshold that was seen, so that there is no step.
    return found + _exceeded(crowds, float(block)) - _exceeded(crowds, crowds.rates[-1])


def _exceeded(crowds: Crowds, rate: float) -> float:
    """What the highest score of a block exceeds at that rate, by the tail alone."""
    odds = crowds.share / rate
    if abs(crowds.shape) < 1e-6:
        return crowds.level + crowds.scale * float(np.log(odds))
    return crowds.level + crowds.scale * float(odds**crowds.shape - 1) / crowds.shape
