"""Scored pairs of samples, and resampling of their identities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput
from siamkit.stats.metrics import ErrorRates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids

LEVELS = 10_000  # thresholds of a resampled curve: so many ranks of either kind of score


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """n scored pairs. Identities are numbered from 0; the two of a mated pair are equal."""

    scores: NDArray[np.float64]  # (n,) finite; higher is more similar
    mated: NDArray[np.bool_]  # (n,)
    left: Ids  # (n,) the identity of the first sample
    right: Ids  # (n,) the identity of the second sample
    sampled_share: float = 1.0  # share of all non-mated comparisons that are here, in (0, 1]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, at: Any) -> Comparisons:
        return Comparisons(
            self.scores[at], self.mated[at], self.left[at], self.right[at], self.sampled_share
        )

    @property
    def mated_scores(self) -> NDArray[np.float64]:
        return self.scores[self.mated]

    @property
    def non_mated_scores(self) -> NDArray[np.float64]:
        return self.scores[~self.mated]

    @property
    def identities(self) -> int:
        """The number of identities that take part."""
        return len(np.unique(np.concatenate([self.left, self.right])))

    @property
    def mated_identities(self) -> int:
        """The number of identities with a mated comparison."""
        return len(np.unique(self.left[self.mated]))

    @property
    def non_mated_identity_pairs(self) -> int:
        """The number of pairs of identities behind the non-mated comparisons.

        Comparisons of the same two identities vary together, so this number, not that of the
        comparisons, says how low a false match rate the data can show.
        """
        left, right = self.left[~self.mated], self.right[~self.mated]
        low, high = np.minimum(left, right), np.maximum(left, right)
        return len(np.unique(low * (1 + int(high.max(initial=0))) + high))

    def numbered(self) -> tuple[int, Ids, Ids]:
        """Return the number of identities, and (n,) left and right numbered without gaps."""
        names, numbers = np.unique(np.concatenate([self.left, self.right]), return_inverse=True)
        return len(names), numbers[: len(self)], numbers[len(self) :]


def require_both_kinds(comparisons: Comparisons) -> None:
    """Raise BadInput unless there are mated and non-mated pairs."""
    mated = int(comparisons.mated.sum())
    if not mated or mated == len(comparisons):
        present, missing = ("mated", "non-mated") if mated else ("non-mated", "mated")
        raise BadInput(
            f"all {len(comparisons):,} comparisons are {present}, and none is {missing}",
            hint="error rates need pairs of one identity and pairs of two",
        )


def resample(comparisons: Comparisons, draws: int, seed: int = 0) -> Iterator[ErrorRates]:
    """Yield the error rates of `draws` resamplings, all at the same thresholds.

    Identities are drawn with replacement. A mated pair counts as often as its identity was drawn,
    a non-mated one as often as its first times its second: the vertex bootstrap (Fogliato, Patil
    and Perona, "Confidence intervals for error rates in 1:1 matching tasks", IJCV 132, 2024).
    Drawing pairs instead would make intervals too narrow, since pairs of one identity vary
    together. A draw without a mated or a non-mated pair is repeated. Of more than LEVELS different
    scores of a kind, only so many serve as thresholds; the 1 000 that matter most, which are the
    highest non-mated and the lowest mated ones, always do.
    """
    require_both_kinds(comparisons)
    identities, left, right = comparisons.numbered()
    scores = comparisons.scores
    order = np.argsort(scores, kind="stable")
    is_mated = comparisons.mated[order]
    mated_rows, non_mated_rows = order[is_mated], order[~is_mated]
    thresholds = np.union1d(
        _levels(scores[mated_rows], tail=slice(None, 1000)),
        _levels(scores[non_mated_rows], tail=slice(-1000, None)),
    )
    mated_bins = _bin(scores[mated_rows], thresholds)
    non_mated_bins = _bin(scores[non_mated_rows], thresholds)
    mated_left = left[mated_rows]
    non_mated_left, non_mated_right = left[non_mated_rows], right[non_mated_rows]
    rng = np.random.default_rng(seed)
    while draws:
        drawn = rng.integers(identities, size=identities)
        weights = np.bincount(drawn, minlength=identities).astype(np.int16)
        missed, mated_total = _weight_below(weights[mated_left], *mated_bins)
        rejected, non_mated_total = _weight_below(
            weights[non_mated_left] * weights[non_mated_right], *non_mated_bins
        )
        if not mated_total or not non_mated_total:
            continue
        draws -= 1
        yield ErrorRates(
            np.append(thresholds, np.inf),
            np.append(1 - rejected / non_mated_total, 0.0),
            np.append(missed / mated_total, 1.0),
        )


def _levels(ordered: NDArray[np.float64], tail: slice) -> NDArray[np.float64]:
    """Return the distinct scores; of more than LEVELS, evenly spaced ranks and the tail."""
    distinct = np.unique(ordered)
    if len(distinct) <= LEVELS:
        return distinct
    ranks = np.linspace(0, len(ordered) - 1, LEVELS).round().astype(np.int64)
    return np.union1d(ordered[ranks], distinct[tail])


def _bin(ordered: NDArray[np.float64], thresholds: NDArray[np.float64]) -> tuple[Ids, Ids]:
    """Return where the bins between thresholds start, and each threshold's bin."""
    places = np.append(0, np.searchsorted(ordered, thresholds))
    starts, bins = np.unique(places, return_inverse=True)
    return starts[starts < len(ordered)], bins[1:]


def _weight_below(
    weights: NDArray[np.int16], starts: Ids, bins: Ids
) -> tuple[NDArray[np.float64], float]:
    """Return the weight below each threshold, and the total weight."""
    sums = np.add.reduceat(weights.astype(np.float32), starts)  # sums of integers: exact
    total = np.append(0.0, np.cumsum(sums, dtype=np.float64))
    return total[bins], float(total[-1])
