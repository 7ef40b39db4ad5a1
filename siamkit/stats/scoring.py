"""How a probe is scored against an identity, which may own several samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from siamkit.types import Ids, Vectors

Fusion: TypeAlias = Literal["best", "mean"]
BLOCK = 512  # probes at once


def fusion_of(modality: Any) -> Fusion:
    """How a modality scores an identity with several samples: `best` unless it says otherwise."""
    own: Fusion = getattr(modality, "fusion", "best")
    return own


def uses_snorm(modality: Any) -> bool:
    """True if a modality's galleries are calibrated with adaptive S-norm, see stats.snorm."""
    return bool(getattr(modality, "snorm", False))


def mated_cosine_of(encoder: Any) -> float | None:
    """The mean cosine of mated pairs that an encoder states; strangers' need not."""
    mated: float | None = getattr(encoder, "mated", None)
    return mated


def mean_score(enrolled: Vectors, probe: Vectors, mated: float | None = None) -> float:
    """Cosine of a (dim,) probe to the mean of (n, dim) unit templates, times its usual length.

    The mean of n unit vectors is √(1/n + (1 − 1/n) c) long, if c is the mean cosine of each two. A
    cosine divides by that length, so it rises with n, and a threshold for one template would let
    more through. The length at c = `mated`, the encoder's mean cosine of mated pairs, undoes that:
    what remains is that alike templates ask for more. None leaves the cosine as it is.
    """
    import numpy as np

    mean = enrolled.mean(axis=0)
    usual = float(expected_mean_length(len(enrolled), mated))
    return usual * float(mean @ probe / max(float(np.linalg.norm(mean)), 1e-12))


def expected_mean_length(counts: ArrayLike, mated: float | None) -> NDArray[np.float64]:
    """How long the mean of so many unit templates of one identity is, see `mean_score`; or 1."""
    import numpy as np

    share = 1 / np.maximum(np.asarray(counts, np.float64), 1)
    return np.ones_like(share) if mated is None else np.sqrt(share + (1 - share) * mated)


def leave_one_out(
    vectors: Vectors,
    labels: Ids,
    probes: Ids,
    fusion: Fusion = "best",
    mated: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[Ids, NDArray[np.float32]]]:
    """Each probe against each identity, as if the probe itself were not enrolled.

    (n, dim) unit vectors, (n,) labels that number the identities from 0, (p,) rows that are
    probes. Yields rows of probes and their (rows, identities) scores, a block at a time; -inf is
    that of a probe's own identity if it owns nothing else. `progress` is told how many are done.
    """
    import numpy as np

    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.append(0, np.cumsum(counts)[:-1])
    place = np.empty(len(labels), np.int64)
    place[order] = np.arange(len(labels))
    ordered = vectors[order]
    sums = np.add.reduceat(ordered, starts, axis=0)
    lengths = np.maximum(np.linalg.norm(sums, axis=1), 1e-12)
    usual = expected_mean_length(counts, mated).astype(np.float32)
    for start in range(0, len(probes), BLOCK):
        rows = probes[start : start + BLOCK]
        at, own = np.arange(len(rows)), labels[rows]
        if fusion == "mean":
            scores = vectors[rows] @ sums.T / lengths * usual
            scores[at, own] = [
                _without(sums[label], vectors[row], int(counts[label]), mated)
                for row, label in zip(rows, own, strict=True)
            ]
        else:
            single = vectors[rows] @ ordered.T
            single[at, place[rows]] = -np.inf
            scores = np.maximum.reduceat(single, starts, axis=1)
        yield rows, scores
        progress(start + len(rows))


def _without(total: Vectors, probe: Vectors, count: int, mated: float | None) -> float:
    """The mean score of a probe that is one of the templates behind the sum."""
    if count < 2:
        return -math.inf
    rest: Vectors = (total - probe)[None]
    return mean_score(rest, probe) * float(expected_mean_length(count - 1, mated))
