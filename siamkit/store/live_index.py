"""A gallery's index, kept in step with the store: the newest sound snapshot plus changes since."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from threading import RLock

from siamkit.errors import StoreError
from siamkit.protocols import Index
from siamkit.store import Gallery, Store, templates
from siamkit.store.galleries import index_prefix
from siamkit.store.saved_indexes import backend_of, drop_forgotten
from siamkit.store.templates import Owner
from siamkit.types import Cursor, Hits, Vectors

# How far the score of an index may lie from that of the stored templates: in rounding, and with
# vectors that an approximate one has compressed.
EXACT_WITHIN, NEAR_WITHIN = 1e-3, 0.05
WORTH_A_LINE = 1_000  # templates; rebuilding a smaller index takes less time than reading about it
log = logging.getLogger("siamkit")


class _State:
    """The index that all threads share, and the last change that it holds."""

    def __init__(self, index: Index) -> None:
        self.lock = RLock()  # held by the one thread that searches or changes the index
        self.index = index
        self.applied = index.cursor()
        self.is_closed = False
        self.is_trusted = True  # until it has been rebuilt for the sake of its scores

    def replace(self, index: Index) -> None:
        """Take another index, as it was saved."""
        self.index, self.applied, self.is_closed = index, index.cursor(), False


class LiveIndex:
    """An index that answers from what the store holds now, however long it stays open.

    If its file is missing, stale or damaged, it is rebuilt from the store, and a line is logged.
    Threads may share it. They search one after the other, each what its view of the store holds.
    """

    def __init__(self, store: Store, gallery: Gallery, *, save: bool = True) -> None:
        self.store, self.gallery, self._save = store, gallery, save
        started = time.perf_counter()
        index, refused = self._open()
        self._state = _State(index)
        rebuilt = not self._state.applied.seq
        with self.current():
            count = len(index)
            absent = templates.count(store, gallery) - count
        self.save_if_due()
        if absent and not rebuilt:  # else they have been named
            log.warning(
                f"gallery {gallery.name}: {absent} of its templates are damaged and left out;"
                " `siamkit doctor` says how to mend them"
            )
        if rebuilt and (refused or count >= WORTH_A_LINE):
            why = f" ({'; '.join(refused)})" if refused else ""
            spent = time.perf_counter() - started
            log.warning(
                f"index of gallery {gallery.name} rebuilt from {count:,} templates"
                f" in {spent:.1f} s{why}"
            )

    def of(self, gallery: Gallery) -> LiveIndex:
        """Return the same index for a gallery as it stands now, perhaps calibrated since."""
        live = copy(self)
        live.gallery = gallery
        return live

    def _open(self) -> tuple[Index, list[str]]:
        """Open the newest snapshot in the store's history; also say which were refused, and why."""
        store, gallery = self.store, self.gallery
        if store.writable:
            drop_forgotten(store, gallery)
        with store.read():
            return self._open_known(lambda cursor: templates.has_change(store, gallery.id, cursor))

    def _open_known(self, known: Callable[[Cursor], bool]) -> tuple[Index, list[str]]:
        key, dim, root = self.gallery.index_key, self.gallery.space.dim, self.store.index_root
        return backend_of(self.gallery).open(key, dim, root=root, known=known)

    @property
    def index(self) -> Index:
        """The index as it stands, for `describe`; to search it, use `current`."""
        return self._state.index

    def __len__(self) -> int:
        """Return the number of templates, as of now."""
        with self.current() as index:
            return len(index)

    @contextmanager
    def current(self) -> Iterator[Index]:
        """Open one view of the store, and the index that holds just what this view holds.

        Other threads that search the gallery wait until the block ends. Nests.
        """
        with self._state.lock, self.store.read():
            self._catch_up()
            yield self._state.index

    def search(self, vectors: Vectors, k: int) -> Hits:
        """Find the k nearest templates of each of (n, dim) unit vectors, as of now."""
        with self.current() as index:
            hits = index.search(vectors, k)
        self.save_if_due()
        return hits

    def search_owned(self, vectors: Vectors, k: int) -> tuple[Hits, dict[int, Owner]]:
        """Find the k nearest templates, and their owners by template id.

        The index proposes, the store decides: scores are those of the stored templates, and ids of
        templates that are damaged or gone are -1, last. An index whose own scores are others is
        rebuilt, once.
        """
        state = self._state
        with self.current() as index:
            hits, owners, deviation = self._score_by_store(vectors, index.search(vectors, k))
            if state.is_trusted and deviation > (EXACT_WITHIN if index.exact else NEAR_WITHIN):
                state.is_trusted = False
                log.warning(
                    f"the index of gallery {self.gallery.name} holds other vectors than the store:"
                    " it is damaged, and is rebuilt"
                )
                index.close()
                empty, _ = self._open_known(lambda cursor: False)  # a save replaces the file
                state.replace(empty)
                self._catch_up()
                proposed = state.index.search(vectors, k)
                hits, owners, _ = self._score_by_store(vectors, proposed)
        return hits, owners

    def _score_by_store(self, vectors: Vectors, hits: Hits) -> tuple[Hits, dict[int, Owner], float]:
        """Return hits with the scores of their stored templates, and how far the scores were off.

        Best first, equal scores by id, gaps last.
        """
        import numpy as np

        # Not np.unique: it loads numpy.ma, a tenth of a cold query.
        proposed = sorted(set(hits.ids[hits.ids >= 0].tolist()))
        owners, ids, stored = templates.owners(self.store, self.gallery, proposed)
        if not len(ids):
            return Hits(np.full_like(hits.ids, -1), np.full_like(hits.scores, -np.inf)), {}, 0.0
        columns = np.searchsorted(ids, hits.ids).clip(0, len(ids) - 1)
        is_stored = ids[columns] == hits.ids
        scores = np.where(
            is_stored, np.take_along_axis(vectors @ stored.T, columns, axis=1), -np.inf
        )
        by_id = np.where(is_stored, hits.ids, np.iinfo(np.int64).max)
        order = np.lexsort((by_id, -scores), axis=1)
        with np.errstate(invalid="ignore"):
            off = np.abs(hits.scores - scores)[is_stored]
        deviation = float(np.nan_to_num(off, nan=np.inf).max(initial=0))
        best = np.take_along_axis(np.where(is_stored, hits.ids, -1), order, axis=1)
        return Hits(best, np.take_along_axis(scores, order, axis=1)), owners, deviation

    def save(self) -> None:
        """Write a snapshot. Raises OSError, or RuntimeError (FAISS)."""
        self.store.create_index_root()
        with self._state.lock:
            self._state.index.save(self._state.applied)
        drop_forgotten(self.store, self.gallery)  # forgotten while it was being saved

    def save_if_due(self) -> None:
        """Save if that makes the next opening cheaper and the disk allows it.

        Not within a transaction, which would hide deletions by others.
        """
        with self.store.using() as db:
            if db.in_transaction or not (self._save and self.store.writable):
                return
        try:
            with self._state.lock:
                if not self._state.is_closed and self._state.index.due():
                    self.save()
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError on a full disk
            log.warning(f"the index could not be saved, so it is rebuilt each time: {error}")

    def close(self) -> None:
        """Release the index. It is opened again if a thread still searches it."""
        with self._state.lock:
            self._state.index.close()
            self._state.is_closed = True

    def _catch_up(self) -> None:
        """Apply the changes that this view of the store has, and the index does not."""
        store, gallery, state = self.store, self.gallery, self._state
        head = templates.last_change(store, gallery)
        if head == state.applied and not state.is_closed:
            return
        if state.is_closed or not self._is_known(state.applied):  # a backup was restored
            state.replace(self._open()[0])
        if not state.applied.seq:
            for ids, vectors in templates.blocks(store, gallery):
                state.index.add(ids, vectors)
        else:
            changed = templates.changed_since(store, gallery, state.applied)
            for ids, vectors, removed in changed:
                state.index.remove(removed)
                state.index.add(ids, vectors)
        state.applied = head

    def _is_known(self, cursor: Cursor) -> bool:
        return not cursor.seq or templates.has_change(self.store, self.gallery.id, cursor)


def rebuild(store: Store, gallery: Gallery) -> LiveIndex:
    """Rebuild the index from the store. Raises StoreError if it cannot be saved."""
    backend_of(gallery).drop(index_prefix(gallery.id), root=store.index_root)
    live = LiveIndex(store, gallery, save=False)
    try:
        live.save()
    except (OSError, RuntimeError) as error:
        raise StoreError(f"the index of {gallery.name} cannot be saved: {error}") from error
    return live
