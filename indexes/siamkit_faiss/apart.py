"""Each row's nearest rows of other groups, over a whole set at once.

Small sets are compared row by row, which is exact. In larger ones the rows are parted as in
`mining`, and searched twice. First all rows of a part together, among the few parts next to it:
one matrix product whose masks can hide the own group and what is too near, as an inverted file
cannot for each query by itself. Then each row among the parts that are nearest to the row itself,
where only what beats the k found already is kept, so that hardly anything must be sorted.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from siamkit.types import Hits
from siamkit_faiss.mining import nearest_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

    Found: TypeAlias = tuple[Ids, Ids, NDArray[np.float32]]  # rows, the others, their cosines

EXACT = 20_000  # rows; so many take some 2 s on two cores
ADJOINING = 4  # parts, its own included, that all rows of a part look into first
ANYWHERE = 256  # random rows looked at beside them: rows near by may all be too near
CROWD = 16  # times the mean size of a part; a larger part, as in a collapsed space, is thinned out
SAMPLE = 256  # rows that recall is measured on
TILE = 1 << 21  # scores held at once by a thread
ROUNDING = 1e-6  # a cosine may differ by so much between two matrix products
FOLD = 16  # scores folded to their maximum before the best are sought: partitioning is slower


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is searched."""

    vectors: Vectors  # (n, dim)
    groups: Ids  # (n,)
    below: NDArray[np.float32]  # (n,)


def nearest(rows: Rows, k: int, *, recall: float, exact_up_to: int = EXACT) -> Hits:
    """See siamkit.protocols.Contrasts.

    At most `mining.PROBED` parts are looked into, so rows without any structure (random ones) are
    found less often than `recall` asks for.
    """
    count = len(rows.vectors)
    if not count or not k:
        return Hits(np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32))
    everything = np.arange(count)
    if count <= exact_up_to:
        blocks = np.array_split(everything, max(1, count // 1024))
        return _side_by_side(rows, [(block, everything) for block in blocks], k)
    parts = round(2 * count**0.5)
    near = nearest_parts(rows.vectors, parts)
    near = near[:, : _parts_to_probe(rows, near, k, recall)]
    order = np.argsort(near[:, 0], kind="stable")
    members = np.split(order, np.searchsorted(near[order, 0], np.arange(1, parts)))
    inside = [part[:: 1 + len(part) * parts // (CROWD * count)] for part in members]
    first = _adjoining(rows, near, members, inside, k)
    found = [_unseen(near, inside, first), *_beating(rows, near, inside, first)]
    return _merged(found, count, k)


def _parts_to_probe(rows: Rows, near: NDArray[np.int32], k: int, recall: float) -> int:
    """How many of its nearest parts a row must look into, measured on a sample of rows."""
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(len(near), min(SAMPLE, len(near)), replace=False))
    best = _best(rows, sample, np.arange(len(near)), k).ids
    at, column = np.nonzero(best >= 0)
    seen = near[sample[at]] == near[best[at, column], :1]
    enough = np.cumsum(seen.sum(axis=0)) >= recall * len(at)
    return int(np.argmax(enough)) + 1 if enough.any() else near.shape[1]


def _adjoining(
    rows: Rows, near: NDArray[np.int32], members: list[Ids], inside: list[Ids], k: int
) -> Hits:
    """The best that all rows of a part find in the parts next to it, and anywhere."""
    rng = np.random.default_rng(1)
    anywhere = rng.choice(len(near), min(ANYWHERE, len(near)), replace=False)
    tasks = []
    for part in members:
        others, often = np.unique(near[part, :ADJOINING], return_counts=True)
        chosen = others[np.argsort(-often, kind="stable")[:ADJOINING]].tolist()
        columns = np.unique(np.concatenate([anywhere, *(inside[other] for other in chosen)]))
        tasks.append((part, columns))
    return _side_by_side(rows, tasks, k)


def _side_by_side(rows: Rows, tasks: list[tuple[Ids, Ids]], k: int) -> Hits:
    """The best for lists of rows, each among a list of others.

    Small products: several at once, each on one core, beat one after the other on all cores.
    """
    count = len(rows.vectors)
    ids, scores = np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32)

    def search(task: tuple[Ids, Ids]) -> None:
        if len(task[0]):
            best = _best(rows, *task, k)
            ids[task[0]], scores[task[0]] = best.ids, best.scores

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(search, tasks))
    return Hits(ids, scores)


def _beating(rows: Rows, near: NDArray[np.int32], inside: list[Ids], first: Hits) -> list[Found]:
    """Cosines of at least the row's k-th yet, among the parts that the row itself probes."""
    floor = np.where(first.ids[:, -1] >= 0, first.scores[:, -1] - ROUNDING, np.inf)
    floor, probed = floor.astype(np.float32), near.shape[1]
    visits = np.argsort(near.ravel(), kind="stable")
    ends = np.searchsorted(near.ravel()[visits], np.arange(len(inside) + 1))

    def search(part: int) -> list[Found]:
        which, columns = visits[ends[part] : ends[part + 1]] // probed, inside[part]
        step, found = max(1, TILE // max(1, len(columns))), []
        for start in range(0, len(which), step):
            some = which[start : start + step]
            scores = rows.vectors[some] @ rows.vectors[columns].T
            better = (scores >= floor[some, None]) & (scores < rows.below[some, None])
            a, b = np.nonzero(better)
            left, right = some[a], columns[b]
            apart = rows.groups[left] != rows.groups[right]
            found.append((left[apart], right[apart], scores[a[apart], b[apart]]))
        return found

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return [found for part in pool.map(search, range(len(inside))) for found in part]


def _unseen(near: NDArray[np.int32], inside: list[Ids], first: Hits) -> Found:
    """What was found first, except where the second search looks again."""
    a, b = np.nonzero(first.ids >= 0)
    others = first.ids[a, b]
    again = np.zeros(len(a), bool)
    for probe in range(near.shape[1]):
        again |= near[a, probe] == near[others, 0]
    again &= (first.ids[a, -1] >= 0) & np.isin(others, np.concatenate(inside))
    a, b = a[~again], b[~again]
    return a, first.ids[a, b], first.scores[a, b]


def _merged(found: list[Found], count: int, k: int) -> Hits:
    """The k best of each row."""
    left, right = (np.concatenate([some[i] for some in found]) for i in (0, 1))
    scores = np.concatenate([some[2] for some in found])
    order = np.argsort(4.0 * left - scores)  # by row, then best first: cosines span less than 4
    left, right, scores = left[order], right[order], scores[order]
    place = np.arange(len(left)) - np.searchsorted(left, np.arange(count))[left]
    left, right, scores, place = (some[place < k] for some in (left, right, scores, place))
    ids, best = np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32)
    ids[left, place], best[left, place] = right, scores
    order = np.lexsort((ids, -best), axis=1)  # equal scores by id
    return Hits(np.take_along_axis(ids, order, 1), np.take_along_axis(best, order, 1))


def _best(rows: Rows, which: Ids, columns: Ids, k: int) -> Hits:
    """The k best for some rows among others."""
    padding = -len(columns) % FOLD
    others = np.pad(rows.vectors[columns], ((0, padding), (0, 0)))
    groups, step = rows.groups[columns], max(1, TILE // len(others))
    blocks = []
    for start in range(0, len(which), step):
        part = which[start : start + step]
        scores = rows.vectors[part] @ others.T
        real = scores[:, : len(columns)]
        scores[:, len(columns) :] = -np.inf
        np.copyto(real, -np.inf, where=rows.groups[part, None] == groups)
        np.copyto(real, -np.inf, where=real >= rows.below[part, None])
        blocks.append(_top(scores, columns, k))
    return Hits(np.concatenate([b.ids for b in blocks]), np.concatenate([b.scores for b in blocks]))


def _top(scores: NDArray[np.float32], columns: Ids, k: int) -> Hits:
    """(r, k) of (r, c) scores, c a multiple of FOLD, that are -inf where they do not count."""
    count, width = len(scores), scores.shape[1] // FOLD
    places = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    if width > k:  # the k best are among the k folds with the highest maxima
        folds = np.argpartition(scores.reshape(count, FOLD, width).max(axis=1), -k, axis=1)[:, -k:]
        places = (folds[:, None, :] + width * np.arange(FOLD)[:, None]).reshape(count, -1)
        scores = np.take_along_axis(scores, places, 1)
    if scores.shape[1] > k:
        kept = np.argpartition(scores, -k, axis=1)[:, -k:]
        places, scores = np.take_along_axis(places, kept, 1), np.take_along_axis(scores, kept, 1)
    ids = np.where(np.isfinite(scores), columns[np.minimum(places, len(columns) - 1)], -1)
    order = np.lexsort((ids, -scores), axis=1)
    missing = ((0, 0), (0, k - scores.shape[1]))
    return Hits(
        np.pad(np.take_along_axis(ids, order, 1), missing, constant_values=-1),
        np.pad(np.take_along_axis(scores, order, 1), missing, constant_values=-np.inf),
    )
