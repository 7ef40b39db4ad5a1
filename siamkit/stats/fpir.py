"""The threshold for a false positive identification rate (FPIR) at any gallery size.

A stranger's probe is compared with N identities and its highest score counts, so the threshold
must rise with N. 1 - (1 - FMR)^N would give the FPIR if all probes were alike; but some resemble
many people, others nobody. So each probe of the calibration is searched among its own comparisons:
if m of its n comparisons reach a threshold, N of them drawn at random include one that does with
probability 1 - C(n-m, N) / C(n, N). The mean over probes is the FPIR, for every N up to n. Beyond,
galleries are blocks of n identities: the tail of the highest of n scores is a generalised Pareto
distribution (Pickands 1975; Coles, "An Introduction to Statistical Modeling of Extreme Values",
2001, chapter 4), and blocks count as much as the FPIR was observed to grow with them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import Uncalibrated
from siamkit.types import FpirModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

RULE_OF_THREE = 3.0  # a rate needs 3 / rate probe identities to show: the rule of three
TAIL, MIN_PROBES = 0.1, 20  # share of probes whose highest scores form the tail; probes at least
GRID = 400  # thresholds tried
RATES = 12  # per power of ten


def fit_fpir_model(
    blocks: Iterable[NDArray[np.float32]], probe_identities: int
) -> FpirModel | None:
    """Fit the model to strangers' scores; None for too few probes or comparisons.

    blocks: (probes, n) scores of probes against n identities other than their own.
    probe_identities: the identities that the probes belong to; they limit how low a rate the probes
    can show.
    """
    blocks = list(blocks)
    if not blocks or sum(map(len, blocks)) < MIN_PROBES or blocks[0].shape[1] < 2:
        return None
    scores = np.sort(np.concatenate(blocks), axis=1)
    probes, count = scores.shape
    highest = np.sort(scores[:, -1]).astype(np.float64)
    shares = np.geomspace(0.5, 1 / scores.size, GRID)
    grid = np.unique(np.append(np.quantile(scores, 1 - shares), highest[-GRID:]))
    # (probes, thresholds): how many of a probe's comparisons reach each threshold
    matched = np.stack([count - np.searchsorted(row, grid.astype(row.dtype)) for row in scores])
    lowest_rate = min(0.5, RULE_OF_THREE / probe_identities)
    steps = int(np.ceil(np.log10(1 / lowest_rate) * RATES))
    rates = np.geomspace(0.5, lowest_rate, max(2, steps)) if lowest_rate < 0.5 else np.array([0.5])
    sizes = np.unique(np.geomspace(1, count, 2 + int(4 * np.log10(count))).round().astype(int))
    table = []
    for size in sizes.tolist():
        fpir = _draw_probabilities(count, size)[matched].mean(axis=0)  # falls along the grid
        at = np.searchsorted(-fpir, -rates)
        limits = np.append(grid, np.nextafter(highest[-1], np.inf))[at]
        table.append(tuple((np.ceil(limits * 1e6) / 1e6).tolist()))  # never down to a score
    tail = max(MIN_PROBES // 2, round(TAIL * probes))
    level = highest[-tail - 1]
    shape, scale = _fit_tail(highest[-tail:] - level)
    return FpirModel(
        persons=probe_identities,
        sizes=tuple(sizes.tolist()),
        rates=tuple(rates.tolist()),
        thresholds=tuple(table),
        level=float(level),
        share=tail / probes,
        scale=scale,
        shape=shape,
        growth=_growth(matched, count),
    )


def _growth(matched: NDArray[np.int64], count: int) -> float:
    """Return the power at which the FPIR grows from a quarter of the comparisons to all of them.

    Measured where a tenth of the probes is matched. It is 1 if all probes are alike; less if the
    same few probes are matched again and again.
    """
    whole, quarter = (
        _draw_probabilities(count, size)[matched].mean(axis=0)
        for size in (count, max(1, count // 4))
    )
    at = int(np.argmin(np.abs(whole - TAIL)))
    if not whole[at] or not quarter[at]:
        return 1.0
    ratio = np.log(whole[at] / quarter[at]) / np.log(count / max(1, count // 4))
    return float(np.clip(ratio, 0.0, 1.0))


def _draw_probabilities(count: int, size: int) -> NDArray[np.float64]:
    """Return (count + 1,) probabilities that `size` of `count` include one of 0 … count marked."""
    from scipy.special import gammaln

    unmarked = count - np.arange(count + 1)
    with np.errstate(invalid="ignore"):
        log_none = gammaln(unmarked + 1) - gammaln(np.maximum(unmarked - size, 0) + 1)
        log_none = log_none - gammaln(count + 1) + gammaln(count - size + 1)
    probabilities: NDArray[np.float64] = np.where(unmarked < size, 1.0, -np.expm1(log_none))
    return probabilities


def _fit_tail(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Return shape and scale; an exponential tail for scores that tie or seem heavy-tailed.

    Scores are bounded, so their tail cannot be heavy: it only looks so where a wrong label, or a
    copy, lies far above all others.
    """
    from scipy.stats import genpareto

    mean = float(excess.mean())
    if mean <= 0 or len(np.unique(excess)) < MIN_PROBES // 4:
        return 0.0, max(mean, 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # from steps of the search
        shape, _, scale = genpareto.fit(excess, floc=0, scale=mean)
    return (float(shape), float(scale)) if shape < 0 else (0.0, mean)


def threshold_for_fpir(model: FpirModel, fpir: float, size: int) -> float:
    """Return the threshold for an FPIR in (0, 1) in a gallery of `size` >= 1 identities.

    Raises Uncalibrated for a rate lower than the probes of the calibration can show.
    """
    if fpir < model.rates[-1] * (1 - 1e-9):
        raise Uncalibrated(
            f"a false positive identification rate of {fpir:g} cannot be shown by"
            f" probes of {model.persons:,} identities: they support {model.rates[-1]:.2g}",
            hint=f"use `--fpir {_round_up(model.rates[-1]):g}`, or calibrate with more identities",
        )
    log_rates, log_fpir = np.log(model.rates), max(np.log(fpir), np.log(model.rates[-1]))
    if size <= model.sizes[-1]:
        by_size = [np.interp(-log_fpir, -log_rates, row) for row in model.thresholds]
        return float(np.interp(np.log(size), np.log(model.sizes), by_size))
    # Blocks of as many identities as the calibration had: 1 - (1 - x)^blocks = fpir.
    blocks = (size / model.sizes[-1]) ** model.growth
    block_rate = -np.expm1(np.log1p(-fpir) / blocks)
    threshold = float(np.interp(-np.log(block_rate), -log_rates, model.thresholds[-1]))
    if np.log(block_rate) >= log_rates[-1]:
        return threshold
    # The tail continues from the last observed threshold, so that there is no step.
    start = tail_quantile(model, model.rates[-1])
    return threshold + tail_quantile(model, float(block_rate)) - start


def _round_up(rate: float) -> float:
    """Return a rate with one significant digit, not below it."""
    step = 10.0 ** np.floor(np.log10(rate))
    return float(min(0.5, np.ceil(rate / step - 1e-9) * step))


def tail_quantile(model: FpirModel, rate: float) -> float:
    """Return what the highest score of a block exceeds at that rate, by the tail alone."""
    odds = model.share / rate
    if abs(model.shape) < 1e-6:
        return model.level + model.scale * float(np.log(odds))
    return model.level + model.scale * float(odds**model.shape - 1) / model.shape


def tail_rate(model: FpirModel, score: float) -> float:
    """Return the rate at which the highest score of a block exceeds this one, by the tail alone."""
    excess = (score - model.level) / model.scale
    if abs(model.shape) < 1e-6:
        return model.share * float(np.exp(-excess))
    return model.share * float(max(0.0, 1 + model.shape * excess) ** (-1 / model.shape))
