"""Divide rows into parts, and find the parts in which a row's near rows lie.

Rows are divided by their nearest centroid, in a space of their first principal axes. A row probes
each part whose centroid is nearly as near as that of its own. How much farther it may be, the
reach, is measured: near pairs of a sample of rows against all rows are known, and a pair is found
if either row probes the other's part. The reach is chosen on one half of the sample, and the recall
that it gives is measured on the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Progress
from siamkit_faiss.in_order import in_order
from siamkit_faiss.parts import train_centroids, training_rows

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors
    from siamkit_faiss.screen import RowPairs, Rows, Screen

    Parts: TypeAlias = NDArray[np.unsignedinteger[Any]]  # (n,) numbers of parts
    SamplePairs: TypeAlias = tuple[Rows, Rows]  # sampled rows, and rows near to them

TARGET = 0.995  # recall of pairs on one half of the sample; a little above the documented 0.99
AXES = 64  # principal axes in which parts are formed; more cost more time than they save
SAMPLE = 2_048  # rows that the reach is chosen and recall is measured on
FEW, NEARLY = 100, 0.1  # pairs in the sample; cosine below the floor
MOST_PAIRS = 8_192  # of the sample, enough for a share of 0.005
BLOCK = 512  # rows compared with the sample at once: their cosines stay in the cache
TILE = 1 << 21  # cosines of rows to centroids that a thread holds at once
CHUNK = 1 << 17  # rows whose probes are sorted at once
MOST_PROBED = 256  # parts per row on average, at most: of rows without structure, at a low floor
ROUNDING = 1e-6  # by which a cosine may differ between two matrix products


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """Centroids of parts, and how much farther than the nearest the centroid of a probed part is.

    Rows are compared with centroids by the cosine of their projections on the axes.
    """

    axes: Vectors  # (dim, k)
    centroids: Vectors  # (k, parts), a column each
    reach: float = 0.0  # cosine

    def project(self, rows: Vectors) -> Vectors:
        """Return (n, k) projections of (n, dim) rows, of norm 1."""
        projected = rows @ self.axes
        norms = np.linalg.norm(projected, axis=1, keepdims=True)
        unit: Vectors = projected / np.maximum(norms, np.finfo(np.float32).tiny)
        return unit


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """The part of each of n rows, and the rows of other parts that probe each part."""

    order: Rows  # (n,) row numbers, sorted by part
    ends: Ids  # (parts + 1,) where each part's rows begin in `order`, and the end
    chunks: list[tuple[Rows, Ids]]  # likewise, the visitors of each part

    def members(self, part: int) -> Rows:
        """Return the rows of a part, sorted."""
        return self.order[self.ends[part] : self.ends[part + 1]]

    def visitors(self, part: int) -> Rows:
        """Return the rows of other parts that probe a part, sorted."""
        visitors = [rows[ends[part] : ends[part + 1]] for rows, ends in self.chunks]
        return np.concatenate([self.order[:0], *visitors])


def undivided(count: int) -> Visits:
    """Return one part of all rows."""
    return Visits(np.arange(count, dtype=np.int32), np.array([0, count]), [])


def sample_rows(count: int) -> Ids:
    """Return the sorted numbers of SAMPLE random rows of `count`."""
    rng = np.random.default_rng(1)
    return np.sort(rng.choice(count, min(SAMPLE, count), replace=False))


def sample_pairs(vectors: Vectors, sample: Ids, screen: Screen, progress: Progress) -> SamplePairs:
    """Find the rows near to those of a sample, up to MOST_PAIRS or a little more.

    If there are few, the nearest neighbours just below the floor count too; they are harder to
    find.
    """
    left, right, _ = _compare(vectors, sample, screen, progress)
    if len(left) < FEW:
        nearly = replace(screen, floor=screen.floor - NEARLY)
        a, b, scores = _compare(vectors, sample, nearly, progress)
        best = np.lexsort((-scores, a))
        a, b, scores = a[best], b[best], scores[best]
        extra = np.concatenate([[True], a[1:] != a[:-1]])[: len(a)] | (scores >= screen.floor)
        left, right = a[extra], b[extra]
    return left, right


def _compare(vectors: Vectors, sample: Ids, screen: Screen, progress: Progress) -> RowPairs:
    short = screen.shorten(vectors[sample])
    count = len(vectors)

    def compare(start: int) -> RowPairs:
        block = vectors[start : start + BLOCK]
        columns = np.arange(start, start + len(block))
        left, right, scores = screen.near_pairs(
            vectors, sample, columns, short @ screen.shorten(block).T
        )
        others = left != right
        return left[others], right[others], scores[others]

    starts = np.random.default_rng(2).permutation(np.arange(0, count, BLOCK))
    pairs, done, size = [], 0, 0
    for near in in_order(compare, starts.tolist()):
        pairs.append(near)
        size += len(near[0])
        done = min(done + BLOCK, count)
        progress("sampling", done, count)
        if size >= MOST_PAIRS:
            break
    left, right, scores = (np.concatenate([block[i] for block in pairs]) for i in range(3))
    return left, right, scores


def divide(
    vectors: Vectors, axes: Vectors, parts: int, sample: Ids, pairs: SamplePairs
) -> tuple[Division, float, float]:
    """Train the centroids and choose the reach.

    Returns the recall of pairs that the reach gives too, and the mean number of parts that a row
    probes, its own included.
    """
    axes = np.ascontiguousarray(axes[:, :AXES])
    division = Division(axes, np.empty((axes.shape[1], 0), np.float32))
    training = division.project(vectors[training_rows(len(vectors), parts)])
    centroids = train_centroids(training, parts)
    division = replace(division, centroids=np.ascontiguousarray(centroids.T))
    gaps = _gaps(vectors, division, pairs)
    is_chosen_on = np.searchsorted(sample, pairs[0]) % 2 == 0
    cosines = division.project(vectors[sample]) @ division.centroids
    all_gaps = np.sort((cosines.max(axis=1, keepdims=True) - cosines).ravel())
    reach = float(all_gaps[min(MOST_PROBED * len(sample), len(all_gaps)) - 1])
    if is_chosen_on.any():
        chosen_on = np.sort(gaps[is_chosen_on])
        reach = min(reach, float(chosen_on[int(np.ceil(TARGET * len(chosen_on))) - 1]) + ROUNDING)
    measured_on = gaps if is_chosen_on.all() else gaps[~is_chosen_on]
    recall = float((measured_on <= reach).mean()) if len(gaps) else 1.0
    probed = float(np.searchsorted(all_gaps, reach, "right") / len(sample))
    return replace(division, reach=reach), round(recall, 4), round(probed, 2)


def _gaps(vectors: Vectors, division: Division, pairs: SamplePairs) -> NDArray[np.float32]:
    """Return (n,) by how much the cosine to the partner's centroid is below that to the own.

    Of the two rows of a pair, the one with the smaller difference counts.
    """
    rows, numbers = np.unique(np.concatenate(pairs), return_inverse=True)
    projected = division.project(vectors[rows])
    own, best = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
    for start in range(0, len(rows), SAMPLE):
        cosines = projected[start : start + SAMPLE] @ division.centroids
        own[start : start + SAMPLE] = cosines.argmax(axis=1)
        best[start : start + SAMPLE] = cosines.max(axis=1)
    left, right = np.split(numbers.ravel(), 2)

    def gap(a: Ids, b: Ids) -> NDArray[np.float32]:
        centroids = division.centroids.T[own[b]]
        difference: NDArray[np.float32] = best[a] - np.einsum("ij,ij->i", projected[a], centroids)
        return difference

    gaps = np.minimum(gap(left, right), gap(right, left))
    gaps[own[left] == own[right]] = 0
    return gaps


def visit(vectors: Vectors, division: Division, progress: Progress) -> Visits:
    """Find the part of each row, and the other parts that it probes."""
    count, parts = len(vectors), division.centroids.shape[1]
    kind: type[np.unsignedinteger[Any]]
    kind = np.uint16 if parts <= 1 << 16 else np.uint32  # numpy sorts 16 bits in linear time
    own = np.empty(count, kind)
    step = max(1, TILE // parts)

    def probe(start: int) -> tuple[Rows, Parts]:
        cosines = division.project(vectors[start : start + step]) @ division.centroids
        rows = np.arange(len(cosines))
        nearest = cosines.argmax(axis=1)
        own[start : start + len(rows)] = nearest
        least = cosines[rows, nearest] - np.float32(division.reach)
        cosines[rows, nearest] = -np.inf
        row, part = np.divmod(np.flatnonzero(cosines >= least[:, None]), parts)
        return (row + start).astype(np.int32), part.astype(kind)

    chunks, blocks, done = [], [], 0
    for block in in_order(probe, range(0, count, step)):
        blocks.append(block)
        done = min(done + step, count)
        if len(blocks) * step >= CHUNK or done == count:
            rows, probed = (np.concatenate([b[i] for b in blocks]) for i in range(2))
            chunks.append(_sort_by_part(rows, probed, parts))
            blocks = []
        progress("dividing", done, count)
    return Visits(*_sort_by_part(np.arange(count, dtype=np.int32), own, parts), chunks)


def _sort_by_part(rows: Rows, part: Parts, parts: int) -> tuple[Rows, Ids]:
    ends = np.concatenate([[0], np.cumsum(np.bincount(part, minlength=parts))])
    return rows[np.argsort(part, kind="stable")], ends
