"""What in a labelled set of vectors looks wrong: the arithmetic of `siamkit audit`.

`n` samples with (n, dim) unit vectors belong to `m` identities, numbered from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from siamkit.types import Hits, Ids, Vectors

Floats: TypeAlias = NDArray[np.floating[Any]]
BLOCK = 1024  # samples of one identity that are compared with the others at once
TUKEY = 1.5  # interquartile ranges below the lower quartile (Tukey 1977, "Exploratory data …")
MIN_VALUES = 10  # values that quartiles are taken of, at least


@dataclass(frozen=True, slots=True, eq=False)
class Cohesion:
    """How alike the samples of each identity are. NaN and -1 where there is one sample only."""

    nearest: Floats  # (n,) cosine of the nearest other sample of the same identity
    partner: Ids  # (n,) that sample
    mean: Floats  # (m,) mean cosine of two different samples


def measure_cohesion(vectors: Vectors, identity: Ids) -> Cohesion:
    """(n, dim) and (n,) in 0 … m - 1, of which each occurs."""
    count = np.bincount(identity)
    order = np.argsort(identity, kind="stable")
    nearest, partner = np.full(len(vectors), np.nan), np.full(len(vectors), -1, np.int64)
    mean = np.full(len(count), np.nan)
    for number, rows in enumerate(np.split(order, np.cumsum(count)[:-1])):
        if len(rows) < 2:
            continue
        mine, total = vectors[rows], 0.0
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            scores = vectors[block] @ mine.T
            self_at = (np.arange(len(block)), start + np.arange(len(block)))
            total += float(scores.sum()) - float(scores[self_at].sum())
            scores[self_at] = -np.inf
            best = scores.argmax(axis=1)
            nearest[block], partner[block] = scores.max(axis=1), rows[best]
        mean[number] = total / (len(rows) * (len(rows) - 1))
    return Cohesion(nearest, partner, mean)


def mean_cosines(vectors: Vectors, identity: Ids, pairs: Ids) -> Floats:
    """(k,) mean cosine of a sample of one and a sample of the other, of (k, 2) identities."""
    count = np.bincount(identity)
    sums = np.zeros((len(count), vectors.shape[1]), np.float64)
    np.add.at(sums, identity, vectors)
    means = sums / count[:, None]
    out: Floats = np.concatenate(
        [np.empty(0)]
        + [
            np.einsum("kd,kd->k", means[part[:, 0]], means[part[:, 1]])
            for part in np.array_split(pairs, len(pairs) // 10_000 + 1)
        ]
    )
    return out


def tukey_fence(values: Floats) -> float | None:
    """Below it a value stands out from the others: Tukey's. None if they are too few."""
    known = values[np.isfinite(values)]
    if len(known) < MIN_VALUES:
        return None
    low, high = np.quantile(known, [0.25, 0.75])
    return float(low - TUKEY * (high - low))


def nearest_of_other_identity(
    hits: Hits, rows: Ids, identity: Ids, barred: frozenset[tuple[int, int]]
) -> Ids:
    """(b,) the place of the nearest sample of another identity among each row's hits, or -1.

    hits.ids are sample numbers here. barred: pairs of identities that count as one.
    """
    out = np.full(len(rows), -1, np.int64)
    for at, (row, found) in enumerate(zip(rows.tolist(), hits.ids, strict=True)):
        mine = int(identity[row])
        for place, other in enumerate(found.tolist()):
            theirs = int(identity[other]) if other >= 0 else mine
            if theirs != mine and (min(mine, theirs), max(mine, theirs)) not in barred:
                out[at] = place
                break
    return out
