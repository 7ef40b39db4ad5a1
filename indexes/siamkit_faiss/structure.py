"""Choose, train and tune the structure of n vectors of d dimensions.

    n x d                structure                              recall@10
    up to 8 million      the rows alone, scanned                exact
    above, n < 300 000   IVF1,PQ(d/4)x4fs, rows rescored        measured, see TARGET
    above                IVF(sqrt n),PQ(d/4)x4fs, the same      measured, see TARGET

A scan of the rows runs at memory bandwidth: 8 million floats are 32 MB, 2 ms per query on a core.
Codes of four bits for every four dimensions are 32 times as small, and are looked up in registers
(André et al., Quicker ADC, arXiv:1812.09162). They give candidates, whose exact rows decide.
Inverted lists support removal, which HNSW does not (facebookresearch/faiss#3339).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray

from siamkit.types import ignore_progress
from siamkit_faiss.codes import Encoding
from siamkit_faiss.openmp import bound_threads
from siamkit_faiss.segment import Segment

if TYPE_CHECKING:
    from siamkit.types import Progress, Vectors

SCANNED_FLOATS = 8_000_000  # up to which the rows alone are scanned
ONE_LIST = 300_000  # rows up to which one list is as fast as many
SAME_CODE = 4  # dimensions per code of four bits
TARGET = 0.99  # recall@10, measured on the gallery's own rows
AIM = 0.994  # what is tuned for: the measurement has an error of 0.002
HELD_OUT = 300  # rows that parameters are chosen with, and as many that recall is measured on
TRAINED_PER_LIST = 40  # rows per centroid, about FAISS's minimum of 39
TRAINED_LEAST = 20_000  # rows that codes are trained on, if there are so many
ROUNDS = 6  # of k-means
RETRAIN = 2  # growth of the index after which it is built again
ENCODED = 1 << 16  # rows that are encoded at once
K = 10
# Exact scores per query: up to MOST_CANDIDATES, or a share of the rows if that is more, below
# MOST_OF_LARGE. The larger a gallery, the more rows share a code: of 10 million faces, 1 000
# candidates have 0.97 of the nearest, whatever lists are scanned, and 10 000 have 0.998.
LEAST_CANDIDATES, MOST_CANDIDATES = 2 * K, 1_000
MOST_SHARE, MOST_OF_LARGE = 0.01, 10_000
EXACT_COST = 200  # codes that are scanned in the time of one exact score, of a row out of cache
# A product of matrices, for so many queries or more, takes in so many floats in the time that
# a code is scanned in: 128 in 4.2 ns, and a code in 1.4 to 2.6 ns.
PRODUCT_FROM, FLOATS_PER_CODE = 128, 64
LADDER, LADDER_STEPS = 1.25, 20  # from 1/87 of the lists on


@dataclass(frozen=True, slots=True)
class Tuning:
    """Parameters of a search, and the recall that was measured with them."""

    nprobe: int
    candidates: int
    recall: float


def wants_codes(count: int, dim: int) -> bool:
    """Return True above the size up to which scanning the rows is better."""
    return count * dim > SCANNED_FLOATS


def describe(count: int, dim: int) -> str:
    """Return the structure of some rows, by the grammar of faiss.index_factory."""
    lists = 1 if count <= ONE_LIST else round(count**0.5)
    parts = next(m for m in range(-(-dim // SAME_CODE), dim + 1) if dim % m == 0)
    return f"IVF{lists},PQ{parts}x4fs"


def encode(rows: Segment, structure: str, progress: Progress) -> Encoding:
    """Train a structure on a sample of rows, and encode all that are not masked."""
    bound_threads()
    numbers, rng = rows.live_rows(), np.random.default_rng(0)
    progress("training the index", 0, 1)
    index = faiss.index_factory(rows.vectors.shape[1], structure, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = ROUNDS
    index.cp.min_points_per_centroid = 1  # otherwise FAISS writes warnings to stderr
    index.pq.cp.min_points_per_centroid = 1
    size = min(len(numbers), max(TRAINED_LEAST, TRAINED_PER_LIST * index.nlist))
    index.train(rows.vectors[np.sort(rng.choice(numbers, size, replace=False))])
    progress("training the index", 1, 1)
    encoding = Encoding.of(index)
    add(index, rows.vectors, numbers, progress)
    return encoding


def add(
    index: faiss.IndexIVF,
    vectors: Vectors,
    numbers: NDArray[np.int64],
    progress: Progress = ignore_progress,
) -> None:
    """Encode some of (n, dim) rows, by their numbers."""
    for start in range(0, len(numbers), ENCODED):
        progress("encoding", start, len(numbers))
        part = numbers[start : start + ENCODED]
        index.add_with_ids(vectors[part], part)
    progress("encoding", len(numbers), len(numbers))


def tune(rows: Segment, index: faiss.IndexIVF, progress: Progress) -> Tuning:
    """Find parameters that reach AIM on held-out rows, at the least cost; others measure recall.

    A row is left out of its own answer: that it finds itself proves nothing. If all lists and
    MOST_CANDIDATES do not reach AIM, they are taken, and the recall tells.
    """
    progress("measuring recall", 0, 2)
    numbers = np.random.default_rng(1).permutation(rows.live_rows())[: 2 * HELD_OUT]
    half = -(-len(numbers) // 2)
    trial = _Trial.of(rows, index, numbers[:half])
    progress("measuring recall", 1, 2)
    nprobe, candidates, least = index.nlist, trial.most, np.inf
    for lists in _ladder(index.nlist):
        scanned = len(rows) * lists / index.nlist
        if scanned >= least:
            break
        needed = trial.candidates_for(AIM, lists)
        if needed and scanned + EXACT_COST * needed < least:
            nprobe, candidates, least = lists, needed, scanned + EXACT_COST * needed
    recall = _Trial.of(rows, index, numbers[half:]).recall(nprobe, candidates)
    progress("measuring recall", 2, 2)
    return Tuning(nprobe, candidates, round(recall, 4))


def _ladder(lists: int) -> list[int]:
    """Return numbers of lists to try, from a few to all."""
    fewer = [round(lists / LADDER**step) for step in range(LADDER_STEPS, 0, -1)]
    return [*dict.fromkeys(n for n in fewer if 1 <= n < lists), lists]


@dataclass(frozen=True, slots=True)
class _Trial:
    """Held-out rows, and the other rows that a search should find for each."""

    rows: Segment
    index: faiss.IndexIVF
    queries: Vectors
    expected: NDArray[np.int64]  # (n, K)

    @classmethod
    def of(cls, rows: Segment, index: faiss.IndexIVF, numbers: NDArray[np.int64]) -> _Trial:
        queries = rows.vectors[numbers]
        _, nearest = rows.search(queries, K + 1)
        own = nearest == numbers[:, None]
        own[~own.any(axis=1), -1] = True  # an equal row took its place
        return cls(rows, index, queries, nearest[~own].reshape(-1, K))

    @property
    def most(self) -> int:
        """The most candidates to try."""
        return max(MOST_CANDIDATES, min(MOST_OF_LARGE, int(MOST_SHARE * len(self.rows))))

    def ranks(self, nprobe: int) -> NDArray[np.int64]:
        """Return the place of each expected row among the candidates, from 1 on; sorted.

        Those that are not among them come last.
        """
        candidates_of = find_candidates(self.index, self.queries, self.most, nprobe, self.rows)
        places = [
            np.flatnonzero(np.isin(candidates, expected)) + 1
            for candidates, expected in zip(candidates_of, self.expected, strict=True)
        ]
        present = np.sort(np.concatenate(places))
        missing = self.expected.size - len(present)
        return np.pad(present, (0, missing), constant_values=self.most + 1)

    def candidates_for(self, recall: float, nprobe: int) -> int | None:
        """Return the number of candidates that reach a recall; None if none does."""
        ranks = self.ranks(nprobe)
        needed = int(ranks[math.ceil(recall * len(ranks)) - 1])
        return max(needed, LEAST_CANDIDATES) if needed <= self.most else None

    def recall(self, nprobe: int, candidates: int) -> float:
        """Return the share of the expected rows among the candidates."""
        return float((self.ranks(nprobe) <= candidates).mean())


def products_are_cheaper(queries: int, rows: Segment, share: float, candidates: int) -> bool:
    """Return True if a product of matrices answers a batch for less than codes would.

    share: of the codes that are scanned; candidates: exact scores per query.
    """
    if queries < PRODUCT_FROM:
        return False
    by_codes = share * len(rows.ids) + EXACT_COST * candidates
    return rows.vectors.size / FLOATS_PER_CODE < by_codes


def find_candidates(
    index: faiss.IndexIVF, queries: Vectors, count: int, nprobe: int, rows: Segment
) -> NDArray[np.int64]:
    """Return (n, count) rows that the codes put first, unordered; -1 where there are fewer."""
    selector = rows.selector()
    params = faiss.SearchParametersIVF(sel=selector, nprobe=nprobe)
    # faiss.contrib.torch_utils, which pytorch-metric-learning imports, replaces the method in
    # the whole process by one that takes no parameters.
    search = getattr(index, "search_numpy", index.search)
    numbers: NDArray[np.int64] = search(queries, count, params=params)[1]
    return numbers
