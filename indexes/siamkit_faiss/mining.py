"""Find all near pairs of a set: in every tile of the score matrix, or in those that may have some.

Up to EXACT rows, all rows are compared with each other. Above, rows are divided into parts by their
nearest centroid (k-means), as in an inverted file, and each row is compared with the rows of the
few parts whose centroids are nearest to it. The comparisons are matrix products between a part and
all rows that probe it, which on a CPU is several times faster than searching row by row. The number
of parts that a row probes is chosen by measurement: see `_parts_to_probe`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.sdk import threads
from siamkit.types import Mined
from siamkit_faiss.openmp import bound_threads

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

EXACT = 50_000  # rows, which take about 10 s on two cores; embedding them takes minutes
TARGET = 0.995  # recall of pairs on a sample; a little above the documented 0.99
PROBED = 32  # parts that a row probes, at most
SAMPLE = 1_024  # rows that recall is measured on
FEW, NEARLY = 100, 0.1  # pairs in the sample; cosine below the floor
POINTS_PER_PART = 32  # training rows per centroid; more gave no better recall
TILE = 1 << 22  # scores that a thread holds at once
TILE_BYTES = 64  # per score: itself, its mask and, for a pair, both row numbers, twice


def mine(
    vectors: Vectors, floor: float, *, memory: int, exact_up_to: int = EXACT
) -> tuple[Mapping[str, str | int | float | bool], Iterator[Mined]]:
    """Find all pairs with a cosine of at least `floor`, see siamkit.protocols.Mines."""
    count, dim = vectors.shape
    exact = count <= exact_up_to
    parts = 1 if exact else round(4 * count**0.5)
    needed = _needed(count, dim, parts)
    if needed > memory:
        raise BadInput(
            f"mining {count:,} x {dim} takes {needed / 1e9:.1f} GB,"
            f" but only {max(memory, 0) / 1e9:.1f} GB are allowed",
            hint="raise the limit with `--max-memory`",
        )
    if exact:
        return {"structure": "all pairs", "exact": True, "recall": 1.0}, _tiles(vectors, floor)
    nearest = nearest_parts(vectors, parts)
    probed, recall = _parts_to_probe(vectors, nearest, floor)
    facts: dict[str, str | int | float | bool]
    facts = {"structure": f"{parts} parts", "exact": False, "recall": recall, "probed": probed}
    return facts, _by_part(vectors, floor, nearest[:, :probed].copy(), parts)


def _needed(count: int, dim: int, parts: int) -> int:
    """Estimate the bytes needed: a tile with mask and operands, and the division into parts."""
    tile = threads.workers() * (TILE * TILE_BYTES + 2 * 4 * dim * TILE // 1024)
    parting = 0 if parts == 1 else count * PROBED * 8 + parts * (POINTS_PER_PART + 1) * dim * 4
    return tile + parting + SAMPLE * min(count, 100_000) * 4


def _tiles(vectors: Vectors, floor: float) -> Iterator[Mined]:
    """Compare every row with every later row."""
    side = int(TILE**0.5)
    for top in range(0, len(vectors), side):
        rows = np.arange(top, min(top + side, len(vectors)))
        for start in range(top, len(vectors), side):
            columns = np.arange(start, min(start + side, len(vectors)))
            last = start + side >= len(vectors)
            yield _compared(vectors, floor, rows, columns, int(rows[-1]) + 1 if last else top)


def _by_part(
    vectors: Vectors, floor: float, near: NDArray[np.int32], parts: int
) -> Iterator[Mined]:
    """Compare each part's rows with all rows that probe it.

    The products are small: running several at once, each on one core, measured faster than one
    after the other on all cores, and hardly slower on a machine that others use as well.
    """
    probed = near.shape[1]
    members = np.argsort(near[:, 0], kind="stable")
    member_ends = np.searchsorted(near[members, 0], np.arange(parts + 1))
    visits = np.argsort(near.ravel(), kind="stable")
    visit_ends = np.searchsorted(near.ravel()[visits], np.arange(parts + 1))

    def compared(part: int) -> list[Mined]:
        columns = members[member_ends[part] : member_ends[part + 1]]
        rows = visits[visit_ends[part] : visit_ends[part + 1]] // probed
        step = max(1, TILE // max(1, len(columns)))
        return [
            _compared(
                vectors, floor, rows[start : start + step], columns, int(member_ends[part + 1])
            )
            for start in range(0, len(rows), step)
        ]

    with threads.single_threaded(), ThreadPoolExecutor(threads.workers()) as pool:
        try:
            for blocks in pool.map(compared, range(parts)):
                yield from blocks
        finally:
            pool.shutdown(cancel_futures=True)


def _compared(vectors: Vectors, floor: float, rows: Ids, columns: Ids, done: int) -> Mined:
    """Return the near pairs between two lists of rows."""
    scores = vectors[rows] @ vectors[columns].T
    a, b = np.nonzero(scores >= np.float32(floor))
    itself = rows[a] == columns[b]
    a, b = a[~itself], b[~itself]
    left, right = rows[a], columns[b]
    return Mined(np.minimum(left, right), np.maximum(left, right), scores[a, b], done)


def nearest_parts(vectors: Vectors, parts: int) -> NDArray[np.int32]:
    """Return (n, PROBED) parts: those whose centroids are nearest to each row, nearest first."""
    bound_threads()
    count, dim = vectors.shape
    rng = np.random.default_rng(0)
    trained = np.sort(rng.choice(count, min(count, parts * POINTS_PER_PART), replace=False))
    means = faiss.Kmeans(
        dim,
        parts,
        niter=6,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=POINTS_PER_PART,
        seed=1,
    )
    means.train(np.ascontiguousarray(vectors[trained]))
    near = np.empty((count, PROBED), np.int32)
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 1  # use matrix products for any number of rows
    try:
        for start in range(0, count, 16_384):
            block = np.ascontiguousarray(vectors[start : start + 16_384])
            _, near[start : start + len(block)] = faiss.knn(
                block, means.centroids, PROBED, metric=faiss.METRIC_INNER_PRODUCT
            )
    finally:
        faiss.cvar.distance_compute_blas_threshold = before
    return near


def _parts_to_probe(vectors: Vectors, near: NDArray[np.int32], floor: float) -> tuple[int, float]:
    """Return the number of parts that a row must probe, and the recall of pairs that it gives.

    Measured on a sample of rows against all rows. A pair is found if either row probes the
    other's part, so the parts alone give the answer, without a search. If the sample has few
    pairs, nearest neighbours just below the floor count too; they are harder to find.
    """
    rng = np.random.default_rng(1)
    sample = np.sort(rng.choice(len(vectors), min(SAMPLE, len(vectors)), replace=False))
    queries, left, right = vectors[sample], [], []
    best = np.full(len(sample), -np.inf, np.float32)
    neighbour = np.zeros(len(sample), np.int64)
    for start in range(0, len(vectors), 100_000):
        scores = queries @ vectors[start : start + 100_000].T
        inside = (sample >= start) & (sample < start + scores.shape[1])
        scores[np.flatnonzero(inside), sample[inside] - start] = -np.inf  # itself
        a, b = np.nonzero(scores >= np.float32(floor))
        left.append(sample[a])
        right.append(b + start)
        top = scores.argmax(axis=1)
        better = scores[np.arange(len(sample)), top] > best
        best[better] = scores[np.arange(len(sample)), top][better]
        neighbour[better] = top[better] + start
    a, b = np.concatenate(left), np.concatenate(right)
    if len(a) < FEW:
        nearly = best >= floor - NEARLY
        a, b = np.concatenate([a, sample[nearly]]), np.concatenate([b, neighbour[nearly]])
    if not len(a):
        return PROBED, 1.0
    recall = np.logical_or.accumulate(
        (near[a] == near[b, :1]) | (near[b] == near[a, :1]), axis=1
    ).mean(axis=0)  # (PROBED,) by number of parts
    probed = int(np.argmax(recall >= TARGET)) + 1 if (recall >= TARGET).any() else PROBED
    return probed, round(float(recall[probed - 1]), 4)
