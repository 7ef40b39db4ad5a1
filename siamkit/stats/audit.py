"""Find suspicious samples in a labelled set of vectors: the arithmetic of `siamkit audit`.

`n` samples with (n, dim) unit vectors belong to `m` identities, numbered from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

Floats: TypeAlias = NDArray[np.floating[Any]]
SAMPLES_PER_BLOCK = 1024  # samples of one identity compared with the identity's others at once
TUKEY = 1.5  # interquartile ranges below the lower quartile (Tukey 1977, "Exploratory data …")
MIN_VALUES = 10  # fewer values have no quartiles worth using


@dataclass(frozen=True, slots=True, eq=False)
class Cohesion:
    """The similarity of each identity's samples; NaN and -1 for an identity with one sample."""

    nearest: Floats  # (n,) cosine of the nearest other sample of the same identity
    partner: Ids  # (n,) that sample
    mean: Floats  # (m,) mean cosine of two different samples


def measure_cohesion(vectors: Vectors, identity: Ids) -> Cohesion:
    """Compare the samples of each identity with each other.

    vectors: (n, dim). identity: (n,) in 0 … m - 1, each of which occurs.
    """
    counts = np.bincount(identity)
    order = np.argsort(identity, kind="stable")
    nearest, partner = np.full(len(vectors), np.nan), np.full(len(vectors), -1, np.int64)
    mean = np.full(len(counts), np.nan)
    for number, rows in enumerate(np.split(order, np.cumsum(counts)[:-1])):
        if len(rows) < 2:
            continue
        samples, total = vectors[rows], 0.0
        for start in range(0, len(rows), SAMPLES_PER_BLOCK):
            block = rows[start : start + SAMPLES_PER_BLOCK]
            scores = vectors[block] @ samples.T
            diagonal = (np.arange(len(block)), start + np.arange(len(block)))
            total += float(scores.sum()) - float(scores[diagonal].sum())
            scores[diagonal] = -np.inf
            nearest[block], partner[block] = scores.max(axis=1), rows[scores.argmax(axis=1)]
        mean[number] = total / (len(rows) * (len(rows) - 1))
    return Cohesion(nearest, partner, mean)


def mean_cosines(vectors: Vectors, identity: Ids, pairs: Ids, identities: int = 0) -> Floats:
    """Return (k,) mean cosines between the samples of two identities, for (k, 2) identities.

    identities: m, where the last may have no sample; a mean of none is NaN.
    """
    counts = np.bincount(identity, minlength=identities)
    sums = np.zeros((len(counts), vectors.shape[1]), np.float64)
    np.add.at(sums, identity, vectors)
    with np.errstate(invalid="ignore"):
        means = sums / counts[:, None]
    parts = np.array_split(pairs, len(pairs) // 10_000 + 1)
    cosines = [np.einsum("kd,kd->k", means[part[:, 0]], means[part[:, 1]]) for part in parts]
    return np.concatenate(cosines)


def tukey_fence(values: Floats) -> float | None:
    """Return Tukey's lower fence: values below it are outliers. None for fewer than MIN_VALUES."""
    finite = values[np.isfinite(values)]
    if len(finite) < MIN_VALUES:
        return None
    low, high = np.quantile(finite, [0.25, 0.75])
    return float(low - TUKEY * (high - low))
