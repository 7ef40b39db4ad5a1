"""Trials: pairs of samples to compare, labelled as mated (one identity) or non-mated (two)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.stats.comparisons import Comparisons
from siamkit.types import Fault, Ids

MOST_PAIRS = 1_000_000  # of a folder or gallery
MOST_SAMPLES = 1_000  # of one identity that are compared with each other
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """n pairs of m samples."""

    samples: list[Path | str]  # (m,) files, or texts; of scored trials only their names
    identities: Ids  # (m,) a number each, from 0
    left: Ids  # (n,) indices into samples
    right: Ids  # (n,)
    mated: NDArray[np.bool_]  # (n,)
    scores: NDArray[np.float64] | None = None  # (n,) if the file has scores
    groups: list[str] | None = None  # (n,) if a column of them was named
    folds: list[int] | None = None  # (n,) if there is a column fold
    digests: list[bytes] | None = None  # (m,) SHA-256 of each sample's content, if enrolled
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for people, one line each

    def __len__(self) -> int:
        return len(self.mated)

    def select(self, mask: NDArray[np.bool_]) -> Trials:
        """Return the trials of an (n,) mask, with all samples."""
        rows = np.flatnonzero(mask)
        return replace(
            self,
            left=self.left[rows],
            right=self.right[rows],
            mated=self.mated[rows],
            scores=None if self.scores is None else self.scores[rows],
            groups=None if self.groups is None else [self.groups[i] for i in rows],
            folds=None if self.folds is None else [self.folds[i] for i in rows],
        )

    def to_comparisons(self, scores: NDArray[np.float64]) -> Comparisons:
        """Return the trials with their (n,) scores."""
        left, right = self.identities[self.left], self.identities[self.right]
        return Comparisons(scores, self.mated, left, right)


def number_distinct(values: Sequence[T]) -> tuple[list[T], Ids]:
    """Return the distinct values in order, and the (n,) number of each value among them."""
    numbers: dict[T, int] = {}
    of_each = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), np.array(of_each, np.int64)


def pair_samples(
    samples: Iterable[Path | str], identities: Ids, *, pairs: int = MOST_PAIRS, seed: int = 0
) -> Trials:
    """Pair each of (m,) samples with each other; if that exceeds `pairs`, draw so many by a seed.

    Mated pairs come first: they are up to half of what is drawn. Raises BadInput for fewer than
    two identities, or if none has two samples.
    """
    count, distinct = len(identities), len(np.unique(identities))
    if distinct < 2 or distinct == count:
        raise BadInput(
            f"{count:,} samples of {distinct:,} identities cannot form trials",
            hint="enrol at least two identities, one of them with two samples",
        )
    rng = np.random.default_rng(seed)
    mated = _mated_pairs(identities)
    total = count * (count - 1) // 2
    if total > pairs:
        if mated.shape[1] > pairs // 2:
            drawn = np.sort(rng.choice(mated.shape[1], pairs // 2, replace=False))
            mated = mated[:, drawn]
        non_mated = _draw_non_mated(rng, identities, pairs - mated.shape[1])
    else:
        left, right = np.triu_indices(count, 1)
        differs = identities[left] != identities[right]
        non_mated = np.stack([left[differs], right[differs]])
    left, right = np.concatenate([mated, non_mated], axis=1).astype(np.int64)
    is_mated = np.arange(len(left)) < mated.shape[1]
    notes = []
    if len(left) < total:
        notes.append(f"{len(left):,} of {total:,} pairs, drawn by seed {seed}")
    return Trials(list(samples), identities, left, right, is_mated, notes=notes)


def _mated_pairs(identities: Ids) -> Ids:
    """Return (2, k) pairs within each identity, of up to MOST_SAMPLES of its samples."""
    order = np.argsort(identities, kind="stable")
    ordered = identities[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sizes = np.diff(np.append(starts, len(ordered)))
    parts = [
        np.stack(np.triu_indices(min(size, MOST_SAMPLES), 1)) + start
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)
    ]
    pairs: Ids = order[np.concatenate(parts, axis=1)]
    return pairs


def _draw_non_mated(rng: np.random.Generator, identities: Ids, count: int) -> Ids:
    """Draw (2, k) different non-mated pairs, k at most `count`."""
    samples = len(identities)
    left = rng.integers(samples, size=2 * count)
    right = rng.integers(samples, size=2 * count)
    differs = identities[left] != identities[right]
    low, high = np.minimum(left, right)[differs], np.maximum(left, right)[differs]
    keys = rng.permutation(np.unique(low * samples + high))[:count]
    keys.sort()
    pairs: Ids = np.stack([keys // samples, keys % samples])
    return pairs
