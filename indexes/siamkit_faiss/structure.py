"""Choose, build and read back the FAISS structure for n vectors of d dimensions.

    n x d                structure              recall
    up to 64 million     IDMap,Flat             exact
    above, d < 256       IVF,Flat               nprobe chosen by measurement, see TARGET
    above, d >= 256      IVF,SQfp16             the same, at half the memory traffic

A flat scan runs at memory bandwidth: 64 million floats are 256 MB, 10 to 25 ms per query on one
core. Inverted lists support removal and fast additions, which HNSW does not (facebookresearch/faiss
#3339). Half precision loses at most 5e-4 of a component and, unlike product quantisation, can be
read back and written again without further loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np
from faiss.contrib.inspect_tools import get_invlist, get_invlist_sizes
from numpy.typing import NDArray

from siamkit_faiss.openmp import bound_threads
from siamkit_faiss.snapshot import SnapshotInfo

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

FLAT_FLOATS = 64_000_000
TARGET = 0.99  # recall@10 of inverted lists, measured on held-out rows
HELD_OUT = 256  # rows that recall is measured on
POINTS_PER_LIST = 39  # training points per centroid, below which FAISS warns
RETRAIN = 4  # growth of the index after which centroids are trained again


def wants_lists(count: int, dim: int) -> bool:
    """Return True above the size up to which a flat scan is better."""
    return count * dim > FLAT_FLOATS


def build(ids: Ids, vectors: Vectors) -> tuple[faiss.Index, SnapshotInfo]:
    """Build the structure for (n,) ids and (n, dim) vectors; return it with its card."""
    bound_threads()
    count, dim = vectors.shape
    if not wants_lists(count, dim):
        flat = faiss.IndexIDMap(faiss.IndexFlatIP(dim))
        flat.add_with_ids(vectors, ids)
        return flat, SnapshotInfo("Flat", count, 1.0)
    lists = round(4 * count**0.5)
    codes = "Flat" if dim < 256 else "SQfp16"
    index = faiss.index_factory(dim, f"IVF{lists},{codes}", faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(0)
    sample = rng.choice(count, min(count, lists * POINTS_PER_LIST), replace=False)
    if codes != "Flat":
        index.by_residual = False  # store the vectors themselves, which can be read back
    index.cp.niter = 10
    index.cp.min_points_per_centroid = 1  # otherwise FAISS writes warnings to stderr
    index.train(vectors[np.sort(sample)])
    index.add_with_ids(vectors, ids)
    recall = _tune(index, ids, vectors, rng)
    card = SnapshotInfo(f"IVF{lists},{codes}", count, round(recall, 4), index.nprobe, count)
    return index, card


def _tune(
    index: faiss.IndexIVF, ids: Ids, vectors: Vectors, rng: np.random.Generator, k: int = 10
) -> float:
    """Set the smallest nprobe (a power of two) that reaches TARGET; return its recall."""
    rows = rng.choice(len(ids), min(HELD_OUT, len(ids)), replace=False)
    queries = vectors[rows]
    _, exact = faiss.knn(queries, vectors, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    # A row always finds itself, which proves nothing: leave it out on both sides.
    true_ids = [
        set(ids[near].tolist()) - {int(ids[row])} for near, row in zip(exact, rows, strict=True)
    ]
    recall, index.nprobe = 0.0, 1
    while True:
        _, hit_ids = index.search(queries, k + 1)
        hits = sum(
            len(true & set(near.tolist())) for true, near in zip(true_ids, hit_ids, strict=True)
        )
        recall = hits / sum(map(len, true_ids))
        if recall >= TARGET or index.nprobe >= index.nlist:
            return recall
        index.nprobe = min(index.nprobe * 2, index.nlist)


def contents(index: faiss.Index) -> tuple[Ids, Vectors]:
    """Read all (n,) ids and (n, dim) float32 vectors, in the structure's own order."""
    if isinstance(index, faiss.IndexIDMap):
        return ids_of(index), index.index.reconstruct_n(0, index.ntotal)
    dtype = np.float32 if isinstance(index, faiss.IndexIVFFlat) else np.float16
    codes = [get_invlist(index.invlists, number)[1] for number in range(index.nlist)]
    return ids_of(index), np.concatenate(codes).view(dtype).astype(np.float32, copy=False)


def ids_of(index: faiss.Index) -> NDArray[np.int64]:
    """Return (n,) ids in the order of `contents`."""
    if isinstance(index, faiss.IndexIDMap):
        ids: NDArray[np.int64] = faiss.vector_to_array(index.id_map)
        return ids
    lists, sizes = index.invlists, get_invlist_sizes(index.invlists)
    filled = np.flatnonzero(sizes).tolist()
    parts = [faiss.rev_swig_ptr(lists.get_ids(n), int(sizes[n])) for n in filled]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
