"""Find each row's nearest rows of other groups, over a whole set at once.

In small sets all rows are compared, which is exact. Larger ones are divided into parts as in
`mining`, and searched twice. First all rows of a part together, among the few adjoining parts: one
matrix product whose masks hide the row's own group and rows that are too near, which an inverted
file cannot do query by query. Then each row among the parts nearest to itself, where only rows that
beat the k of the first search are kept, so that little must be sorted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk import threads
from siamkit.types import Hits
from siamkit_faiss.parts import nearest_parts

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

    RowPairs: TypeAlias = tuple[Ids, Ids, NDArray[np.float32]]  # rows, their hits, the cosines

EXACT = 20_000  # rows, which take about 2 s on two cores
ADJOINING = 4  # parts, its own included, in which all rows of a part search first
ANYWHERE = 256  # random rows searched in addition: all nearby rows may be too near
CROWD = 16  # times the mean part size; a larger part, as in a collapsed space, is thinned out
SAMPLE = 256  # rows that recall is measured on
TILE = 1 << 21  # scores that a thread holds at once
ROUNDING = 1e-6  # by which a cosine may differ between two matrix products
FOLD = 16  # scores folded to their maximum before the best are chosen, since partitioning is slower


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The set to search: vectors, their groups, and a limit per row."""

    vectors: Vectors  # (n, dim)
    groups: Ids  # (n,)
    below: NDArray[np.float32]  # (n,) only smaller cosines count


def nearest(rows: Rows, k: int, *, recall: float, exact_up_to: int = EXACT) -> Hits:
    """Find the k nearest rows of other groups, see siamkit.protocols.Contrasts.

    A row probes at most `parts.PROBED` parts, so that in vectors without structure (random ones)
    the recall may be less than asked for.
    """
    count = len(rows.vectors)
    if not count or not k:
        return Hits(np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32))
    all_rows = np.arange(count)
    if count <= exact_up_to:
        blocks = np.array_split(all_rows, max(1, count // 1024))
        return _search_in_parallel(rows, [(block, all_rows) for block in blocks], k)
    parts = round(2 * count**0.5)
    near = nearest_parts(rows.vectors, parts)
    near = near[:, : _parts_to_probe(rows, near, k, recall)]
    order = np.argsort(near[:, 0], kind="stable")
    members = np.split(order, np.searchsorted(near[order, 0], np.arange(1, parts)))
    inside = [part[:: 1 + len(part) * parts // (CROWD * count)] for part in members]
    first = _search_adjoining(rows, near, members, inside, k)
    pairs = [_pairs_outside(near, inside, first), *_search_nearest(rows, near, inside, first)]
    return _merge(pairs, count, k)


def _parts_to_probe(rows: Rows, near: NDArray[np.int32], k: int, recall: float) -> int:
    """Return the number of nearest parts that a row must probe, measured on a sample of rows."""
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(len(near), min(SAMPLE, len(near)), replace=False))
    best = _best(rows, sample, np.arange(len(near)), k).ids
    row, place = np.nonzero(best >= 0)
    probed = near[sample[row]] == near[best[row, place], :1]
    enough = np.cumsum(probed.sum(axis=0)) >= recall * len(row)
    return int(np.argmax(enough)) + 1 if enough.any() else near.shape[1]


def _search_adjoining(
    rows: Rows, near: NDArray[np.int32], members: list[Ids], inside: list[Ids], k: int
) -> Hits:
    """Search the rows of each part in the adjoining parts and in random rows."""
    rng = np.random.default_rng(1)
    anywhere = rng.choice(len(near), min(ANYWHERE, len(near)), replace=False)
    tasks = []
    for part in members:
        neighbours, counts = np.unique(near[part, :ADJOINING], return_counts=True)
        adjoining = neighbours[np.argsort(-counts, kind="stable")[:ADJOINING]].tolist()
        columns = np.unique(np.concatenate([anywhere, *(inside[number] for number in adjoining)]))
        tasks.append((part, columns))
    return _search_in_parallel(rows, tasks, k)


def _search_in_parallel(rows: Rows, tasks: list[tuple[Ids, Ids]], k: int) -> Hits:
    """Find the k best for each list of rows among its list of candidates.

    The products are small: several at once, each on one core, beat one after the other on all
    cores.
    """
    count = len(rows.vectors)
    ids, scores = np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32)

    def search(task: tuple[Ids, Ids]) -> None:
        if len(task[0]):
            best = _best(rows, *task, k)
            ids[task[0]], scores[task[0]] = best.ids, best.scores

    with threads.single_threaded(), ThreadPoolExecutor(threads.workers()) as pool:
        list(pool.map(search, tasks))
    return Hits(ids, scores)


def _search_nearest(
    rows: Rows, near: NDArray[np.int32], inside: list[Ids], first: Hits
) -> list[RowPairs]:
    """Search the parts that each row probes for hits at least as near as its k-th so far."""
    floor = np.where(first.ids[:, -1] >= 0, first.scores[:, -1] - ROUNDING, np.inf)
    floor, probed = floor.astype(np.float32), near.shape[1]
    visits = np.argsort(near.ravel(), kind="stable")
    ends = np.searchsorted(near.ravel()[visits], np.arange(len(inside) + 1))

    def search(part: int) -> list[RowPairs]:
        visitors, columns = visits[ends[part] : ends[part + 1]] // probed, inside[part]
        step, pairs = max(1, TILE // max(1, len(columns))), []
        for start in range(0, len(visitors), step):
            block = visitors[start : start + step]
            scores = rows.vectors[block] @ rows.vectors[columns].T
            better = (scores >= floor[block, None]) & (scores < rows.below[block, None])
            a, b = np.nonzero(better)
            left, right = block[a], columns[b]
            differ = rows.groups[left] != rows.groups[right]
            pairs.append((left[differ], right[differ], scores[a[differ], b[differ]]))
        return pairs

    with threads.single_threaded(), ThreadPoolExecutor(threads.workers()) as pool:
        return [pairs for part in pool.map(search, range(len(inside))) for pairs in part]


def _pairs_outside(near: NDArray[np.int32], inside: list[Ids], first: Hits) -> RowPairs:
    """Return the pairs of the first search that the second does not search again."""
    a, b = np.nonzero(first.ids >= 0)
    hits = first.ids[a, b]
    repeated = np.zeros(len(a), bool)
    for probe in range(near.shape[1]):
        repeated |= near[a, probe] == near[hits, 0]
    repeated &= (first.ids[a, -1] >= 0) & np.isin(hits, np.concatenate(inside))
    a, b = a[~repeated], b[~repeated]
    return a, first.ids[a, b], first.scores[a, b]


def _merge(pairs: list[RowPairs], count: int, k: int) -> Hits:
    """Keep the k best of each row."""
    left, right = (np.concatenate([block[i] for block in pairs]) for i in (0, 1))
    scores = np.concatenate([block[2] for block in pairs])
    order = np.argsort(4.0 * left - scores)  # by row, then best first: cosines span less than 4
    left, right, scores = left[order], right[order], scores[order]
    place = np.arange(len(left)) - np.searchsorted(left, np.arange(count))[left]
    left, right, scores, place = (values[place < k] for values in (left, right, scores, place))
    ids, best = np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32)
    ids[left, place], best[left, place] = right, scores
    order = np.lexsort((ids, -best), axis=1)  # equal scores by id
    return Hits(np.take_along_axis(ids, order, 1), np.take_along_axis(best, order, 1))


def _best(rows: Rows, queries: Ids, columns: Ids, k: int) -> Hits:
    """Find the k best for the rows `queries` among the rows `columns`."""
    padding = -len(columns) % FOLD
    candidates = np.pad(rows.vectors[columns], ((0, padding), (0, 0)))
    groups, step = rows.groups[columns], max(1, TILE // len(candidates))
    blocks = []
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        scores = rows.vectors[part] @ candidates.T
        real = scores[:, : len(columns)]
        scores[:, len(columns) :] = -np.inf
        np.copyto(real, -np.inf, where=rows.groups[part, None] == groups)
        np.copyto(real, -np.inf, where=real >= rows.below[part, None])
        blocks.append(_top(scores, columns, k))
    return Hits(np.concatenate([b.ids for b in blocks]), np.concatenate([b.scores for b in blocks]))


def _top(scores: NDArray[np.float32], columns: Ids, k: int) -> Hits:
    """Return the (r, k) best of (r, c) scores, c a multiple of FOLD; -inf does not count."""
    count, width = len(scores), scores.shape[1] // FOLD
    places = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    if width > k:  # the k best are among the k folds with the highest maxima
        folds = np.argpartition(scores.reshape(count, FOLD, width).max(axis=1), -k, axis=1)[:, -k:]
        places = (folds[:, None, :] + width * np.arange(FOLD)[:, None]).reshape(count, -1)
        scores = np.take_along_axis(scores, places, 1)
    if scores.shape[1] > k:
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        places, scores = np.take_along_axis(places, best, 1), np.take_along_axis(scores, best, 1)
    ids = np.where(np.isfinite(scores), columns[np.minimum(places, len(columns) - 1)], -1)
    order = np.lexsort((ids, -scores), axis=1)
    missing = ((0, 0), (0, k - scores.shape[1]))
    return Hits(
        np.pad(np.take_along_axis(ids, order, 1), missing, constant_values=-1),
        np.pad(np.take_along_axis(scores, order, 1), missing, constant_values=-np.inf),
    )
