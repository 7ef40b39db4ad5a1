"""Score a probe against an identity, which may own several samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from siamkit.protocols import Encoder, Modality, Streams
    from siamkit.types import Ids, Vectors

Fusion: TypeAlias = Literal["best", "mean"]
PROBES_PER_BLOCK = 512  # probes at once


def fusion_of(modality: Modality[Any] | Streams[Any]) -> Fusion:
    """Return how a modality scores an identity with several samples; `best` by default."""
    fusion: Fusion = getattr(modality, "fusion", "best")
    return fusion


def uses_snorm(modality: Modality[Any]) -> bool:
    """True if a modality's galleries are calibrated with adaptive S-norm, see stats.snorm."""
    return bool(getattr(modality, "snorm", False))


def mated_cosine_of(encoder: Encoder[Any]) -> float | None:
    """Return the mean cosine of mated pairs that an encoder states; third-party ones need not."""
    cosine: float | None = getattr(encoder, "mated", None)
    return cosine


def mean_score(enrolled: Vectors, probe: Vectors, mated_cosine: float | None = None) -> float:
    """Return the cosine of a (dim,) probe to the mean of (n, dim) unit templates, corrected for n.

    The mean of n unit vectors has length √(1/n + (1 − 1/n) c), where c is the mean cosine of each
    two. A cosine divides by that length, so it rises with n, and a threshold for one template would
    let more through. Multiplying by the length at c = `mated_cosine`, the encoder's mean cosine of
    mated pairs, undoes that: what remains is that templates closer to each other demand more of a
    probe. None leaves the cosine as it is.
    """
    import numpy as np

    mean = enrolled.mean(axis=0)
    length = float(expected_mean_length(len(enrolled), mated_cosine))
    return length * float(mean @ probe / max(float(np.linalg.norm(mean)), 1e-12))


def expected_mean_length(counts: ArrayLike, mated_cosine: float | None) -> NDArray[np.float64]:
    """Return the expected length of the mean of so many unit templates, see `mean_score`; or 1."""
    import numpy as np

    share = 1 / np.maximum(np.asarray(counts, np.float64), 1)
    if mated_cosine is None:
        return np.ones_like(share)
    return np.sqrt(share + (1 - share) * mated_cosine)


def leave_one_out(
    vectors: Vectors,
    labels: Ids,
    probes: Ids,
    fusion: Fusion = "best",
    mated_cosine: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[Ids, NDArray[np.float32]]]:
    """Score each probe against each identity as if the probe itself were not enrolled.

    (n, dim) unit vectors, (n,) labels that number the identities from 0, (p,) rows that are
    probes. Yields rows of probes and their (rows, identities) scores, a block at a time; a probe
    scores -inf with its own identity if that has no other sample. `progress` receives the number of
    probes done.
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
    expected_lengths = expected_mean_length(counts, mated_cosine).astype(np.float32)
    for start in range(0, len(probes), PROBES_PER_BLOCK):
        rows = probes[start : start + PROBES_PER_BLOCK]
        at, own = np.arange(len(rows)), labels[rows]
        if fusion == "mean":
            scores = vectors[rows] @ sums.T / lengths * expected_lengths
            scores[at, own] = [
                _score_without(sums[label], vectors[row], int(counts[label]), mated_cosine)
                for row, label in zip(rows, own, strict=True)
            ]
        else:
            cosines = vectors[rows] @ ordered.T
            cosines[at, place[rows]] = -np.inf
            scores = np.maximum.reduceat(cosines, starts, axis=1)
        yield rows, scores
        progress(start + len(rows))


def _score_without(total: Vectors, probe: Vectors, count: int, mated_cosine: float | None) -> float:
    """Return the mean score of a probe that is itself one of the `count` templates summed."""
    if count < 2:
        return -math.inf
    others: Vectors = (total - probe)[None]
    return mean_score(others, probe) * float(expected_mean_length(count - 1, mated_cosine))
