"""Choose, train and tune the structure of n vectors of d dimensions.

    n x d                structure                              recall@10
    up to 16 million     the rows alone, scanned                exact
    above, n < 300 000   IVF1,PQ(d/4)x4fs, rows rescored        measured, see TARGET
    above                IVF(sqrt n),PQ(d/4)x4fs, the same      measured, see TARGET

A scan of the rows runs at memory bandwidth: 16 million floats are 64 MB, 4 ms per query on a core.
Codes of four bits for every four dimensions are 32 times as small, and are looked up in registers
(André et al., Quicker ADC, arXiv:1812.09162). They give candidates, whose exact rows decide.
Inverted lists support removal, which HNSW does not (facebookresearch/faiss#3339).
"""

from __future__ import annotations

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

SCANNED_FLOATS = 16_000_000  # up to which the rows alone are scanned
ONE_LIST = 300_000  # rows up to which one list is as fast as many
SAME_CODE = 4  # dimensions per code of four bits
TARGET = 0.99  # recall@10, measured on the gallery's own rows
AIM = 0.993  # what is tuned for, since the measurement has an error of 0.002
HELD_OUT = 256  # rows that recall is measured on
TRAINED_PER_LIST = 40  # rows per centroid, about FAISS's minimum of 39
TRAINED_LEAST = 20_000  # rows that codes are trained on, if there are so many
ROUNDS = 6  # of k-means
RETRAIN = 2  # growth of the index after which it is built again
ENCODED = 1 << 16  # rows that are encoded at once
K = 10
MOST_CANDIDATES = 2_560  # exact scores per query


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
    """Find parameters that reach TARGET on held-out rows, at the least cost.

    A row is left out of its own answer: that it finds itself proves nothing. If all lists and
    MOST_CANDIDATES do not reach it, the recall tells.
    """
    rng, live = np.random.default_rng(1), rows.live_rows()
    held_out = np.sort(rng.choice(live, min(HELD_OUT, len(live)), replace=False))
    queries = rows.vectors[held_out]
    progress("measuring recall", 0, 1)
    _, exact = rows.search(queries, K + 1)
    trial = _Trial(rows, index, queries, held_out, _others(exact, held_out))
    nprobe, most = max(1, index.nlist // 64), min(MOST_CANDIDATES, len(live))
    while nprobe < index.nlist and trial.recall(nprobe, most) < AIM:
        nprobe = min(index.nlist, max(nprobe + 1, nprobe * 3 // 2))
    candidates = 2 * K
    while candidates < most and trial.recall(nprobe, candidates) < AIM:
        candidates = min(most, candidates * 3 // 2)
    recall = trial.recall(nprobe, candidates)
    progress("measuring recall", 1, 1)
    return Tuning(nprobe, candidates, round(recall, 4))


@dataclass(frozen=True, slots=True)
class _Trial:
    """Held-out rows, and the answers that a search should give."""

    rows: Segment
    index: faiss.IndexIVF
    queries: Vectors
    held_out: NDArray[np.int64]
    expected: list[set[int]]

    def recall(self, nprobe: int, candidates: int) -> float:
        """Return the share of the nearest rows that a search finds."""
        rows = find_candidates(self.index, self.queries, candidates, nprobe, self.rows)
        scores = self.rows.score(self.queries, rows)
        best = np.take_along_axis(rows, np.argsort(-scores, axis=1)[:, : K + 1], axis=1)
        hits = _others(best, self.held_out)
        common = sum(len(a & b) for a, b in zip(hits, self.expected, strict=True))
        return common / max(1, sum(map(len, self.expected)))


def _others(rows: NDArray[np.int64], own: NDArray[np.int64]) -> list[set[int]]:
    """Return the first K rows of each query besides its own."""
    return [
        {*[row for row in best if row not in (number, -1)][:K]}
        for best, number in zip(rows.tolist(), own.tolist(), strict=True)
    ]


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
