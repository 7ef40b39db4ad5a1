"""One gallery's index: an immutable snapshot plus, in memory, the changes since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

from siamkit.types import Cursor, Hits
from siamkit_faiss import snapshot, structure
from siamkit_faiss.openmp import bound_threads
from siamkit_faiss.snapshot import Snapshot, SnapshotInfo

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

BLAS_FROM = 8  # queries from which to use matrix products; FAISS itself does from 20, late for flat
SAVE_AFTER = 1_000  # changes, or 5 % of the snapshot if that is more


class FaissIndex:
    """An index: exact up to `structure.FLAT_FLOATS`; above, inverted lists with measured recall.

    A removed id is masked in the snapshot; an added one is searched separately and exactly.
    `save` folds both into a new snapshot.
    """

    def __init__(
        self,
        key: str,
        dim: int,
        folder: Path,
        saved: Snapshot | None = None,
        card: SnapshotInfo | None = None,
        base: faiss.Index | None = None,
    ) -> None:
        self._key, self._dim, self._folder = key, dim, folder
        self._saved, self._card, self._base = saved, card, base
        self._masked = np.empty(0, np.int64)  # removed ids that the base still holds
        self._ids = np.empty(0, np.int64)  # added since, in rising order
        self._vectors = np.empty((0, dim), np.float32)
        if isinstance(base, faiss.IndexIVF):
            base.nprobe = (card and card.nprobe) or base.nlist

    @property
    def exact(self) -> bool:
        """True if searches find the true nearest."""
        return not isinstance(self._base, faiss.IndexIVF)

    def __len__(self) -> int:
        return self._base_size() - len(self._masked) + len(self._ids)

    def cursor(self) -> Cursor:
        """Return the last change that the snapshot holds."""
        return self._saved.cursor if self._saved else Cursor()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n, dim) unit vectors under (n,) ids; an id that is there is replaced."""
        if not len(ids):
            return
        self.remove(ids)
        merged, rows = np.concatenate([self._ids, ids]), np.concatenate([self._vectors, vectors])
        if (np.diff(merged) < 0).any():  # FAISS keeps the first of equal scores
            order = np.argsort(merged, kind="stable")
            merged, rows = merged[order], rows[order]
        self._ids, self._vectors = merged, rows

    def remove(self, ids: Ids) -> None:
        """Remove (n,) ids; unknown ones are ignored."""
        if not len(ids):
            return
        if self._base is not None:
            inside = np.intersect1d(ids, structure.ids_of(self._base))
            self._masked = np.union1d(self._masked, inside)
        keep = ~np.isin(self._ids, ids)
        if not keep.all():
            self._ids, self._vectors = self._ids[keep], self._vectors[keep]

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        """Find the k nearest of each of (n, dim) unit vectors, best first; ids are -1 at the end.

        within: (m,) ids to search among.
        """
        bound_threads()
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        parts = [self._search_base(vectors, k, within), self._search_added(vectors, k, within)]
        hits = [part for part in parts if part is not None]
        if len(hits) == 1 and hits[0][1].shape[1] == k:  # nothing to merge: as fast as bare FAISS
            return _ordered(*hits[0])
        shape = (len(vectors), k)
        hits.append((np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64)))
        scores, ids = (np.concatenate(columns, axis=1) for columns in zip(*hits, strict=True))
        best = _ordered(scores, ids)
        return Hits(best.ids[:, :k], best.scores[:, :k])

    def due(self) -> bool:
        """Return True if saving now makes the next opening cheaper."""
        changed = len(self._ids) + len(self._masked)
        return changed > max(SAVE_AFTER, self._base_size() // 20) or (
            self._saved is None and changed > 0
        )

    def save(self, cursor: Cursor) -> None:
        """Write a snapshot named after the last change it holds. Raises OSError, RuntimeError."""
        base, card = self._appended() or structure.build(*self._survivors())
        self._saved, self._card = snapshot.write(self._folder, self._key, cursor, base, card)
        self._base = base
        self._masked, self._ids = self._masked[:0], self._ids[:0]
        self._vectors = self._vectors[:0]

    def describe(self) -> Mapping[str, str | int | float | bool]:
        """Return the structure, size and measured recall."""
        card = self._card or SnapshotInfo("not saved yet", 0, 1.0)
        return {
            "structure": card.structure,
            "exact": self.exact,
            "recall": card.recall,
            **({"nprobe": card.nprobe} if card.nprobe else {}),
            "templates": len(self),
            "since_saved": len(self._ids) + len(self._masked),
            "bytes": card.bytes,
        }

    def close(self) -> None:
        """Release the mapped snapshot."""
        self._base = None

    def _base_size(self) -> int:
        return 0 if self._base is None else int(self._base.ntotal)

    def _search_base(
        self, vectors: Vectors, k: int, within: Ids | None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        if self._base is None:
            return None
        params = self._parameters(within)
        faiss.cvar.distance_compute_blas_threshold = 1 if len(vectors) >= BLAS_FROM else 20
        # faiss.contrib.torch_utils, which pytorch-metric-learning imports, replaces the method in
        # the whole process by one that takes no parameters.
        search = getattr(self._base, "search_numpy", self._base.search)
        scores, ids = search(vectors, k, params=params)
        scores[ids < 0] = -np.inf
        return scores, ids

    def _parameters(self, within: Ids | None) -> faiss.SearchParameters | None:
        if within is None and not len(self._masked):
            return None
        if within is None:
            selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(self._masked))
        else:
            selector = faiss.IDSelectorBatch(np.setdiff1d(within, self._masked))
        if isinstance(self._base, faiss.IndexIVF):  # all lists, since `within` may lie anywhere
            lists = self._base.nprobe if within is None else self._base.nlist
            return faiss.SearchParametersIVF(sel=selector, nprobe=lists)
        return faiss.SearchParameters(sel=selector)

    def _search_added(
        self, vectors: Vectors, k: int, within: Ids | None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        ids, rows = self._ids, self._vectors
        if within is not None:
            keep = np.isin(ids, within)
            ids, rows = ids[keep], rows[keep]
        if not len(ids):
            return None
        scores, near = faiss.knn(vectors, rows, min(k, len(ids)), metric=faiss.METRIC_INNER_PRODUCT)
        return scores, ids[near]

    def _appended(self) -> tuple[faiss.Index, SnapshotInfo] | None:
        """Return the saved lists with the changes added; None if they are due to be rebuilt."""
        if self._saved is None or self._card is None or not isinstance(self._base, faiss.IndexIVF):
            return None
        outgrown = len(self) > structure.RETRAIN * (self._card.trained_on or 0)
        if outgrown or not structure.wants_lists(2 * len(self), self._dim):
            return None
        try:
            _, card, base = snapshot.read(self._saved, self._dim, mapped=False)
        except snapshot.Refused:  # another process has saved; the mapped file is still valid
            return None
        base.nprobe = self._base.nprobe
        base.remove_ids(faiss.IDSelectorBatch(self._masked))
        base.add_with_ids(self._vectors, self._ids)
        return base, replace(card, count=len(self))

    def _survivors(self) -> tuple[Ids, Vectors]:
        """Return all current ids and vectors, by id, so that equal scores come smaller id first."""
        ids, vectors = self._ids, self._vectors
        if self._base is not None:
            old_ids, old = structure.contents(self._base)
            keep = ~np.isin(old_ids, self._masked)
            ids = np.concatenate([old_ids[keep], ids])
            vectors = np.concatenate([old[keep], vectors])
        order = np.argsort(ids, kind="stable")
        return np.ascontiguousarray(ids[order]), np.ascontiguousarray(vectors[order])


def _ordered(scores: np.ndarray, ids: np.ndarray) -> Hits:
    """Sort best first, equal scores by id, padding last."""
    if (scores[:, :-1] > scores[:, 1:]).all():  # already strictly falling, the usual case
        return Hits(ids, scores)
    by_id = np.where(ids < 0, np.iinfo(np.int64).max, ids)
    order = np.lexsort((by_id, -scores), axis=1)
    return Hits(np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1))
