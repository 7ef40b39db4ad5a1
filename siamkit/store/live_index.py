"""A gallery's index, kept in step with the store: the newest sound snapshot plus changes since."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from copy import copy
from typing import TypeVar

from siamkit.errors import IndexUnavailable
from siamkit.protocols import Index
from siamkit.store import Gallery, Store, change_log, erasures, templates
from siamkit.store.exact_scan import ExactScan
from siamkit.store.open_index import OpenIndex
from siamkit.store.rescore import StoredScores, score_by_store
from siamkit.store.saved_indexes import backend_of, drop_forgotten, key_of
from siamkit.store.templates import Owner
from siamkit.types import Cursor, Hits, Progress, Vectors, ignore_progress

# How far the score of an index may lie from that of the stored templates: in rounding, and with
# vectors that an approximate one has compressed.
EXACT_WITHIN, NEAR_WITHIN = 1e-3, 0.05
WORTH_A_LINE = 1_000  # templates; rebuilding a smaller index takes less time than reading about it
RETRY_SECONDS = 30.0  # from one attempt to reach a server that is away to the next
UNSAVED = (OSError, RuntimeError, IndexUnavailable)  # FAISS raises RuntimeError on a full disk
T = TypeVar("T")
log = logging.getLogger("siamkit")


class LiveIndex:
    """An index that answers from what the store holds now, however long it stays open.

    If its file is missing, stale or damaged, it is filled from the store again, and a line is
    logged; if its server is away, a small gallery is scanned instead. A search never builds.
    Threads may share it. They search one after the other, each what its view of the store holds.
    """

    def __init__(
        self, store: Store, gallery: Gallery, *, save: bool = True, announce: bool = True
    ) -> None:
        """Open it and catch up. announce: log a line if it had to be filled from the store.

        Raises IndexUnavailable if its server is away, and the gallery is too large to be scanned.
        """
        self.store, self.gallery, self._save = store, gallery, save
        started = time.perf_counter()
        refused: list[str] = []
        self._state = OpenIndex(ExactScan(store, gallery))
        try:
            index, refused = self._open()
            self._state.replace(index)
        except IndexUnavailable as error:
            self._scan_instead(error)
        is_new = not (self._state.applied.seq or self._state.scans)
        with self.current() as index:
            count = len(index)
            absent = templates.count(store, gallery) - count
        self.save_if_due()
        if absent and not is_new:  # else they have been named
            log.warning(
                f"gallery {gallery.name}: {absent} of its templates are damaged and left out;"
                " `siamkit doctor` says how to mend them"
            )
        if is_new and (refused or (announce and count >= WORTH_A_LINE)):
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
            return self._open_known(lambda cursor: change_log.has_change(store, gallery.id, cursor))

    def _open_known(self, known: Callable[[Cursor], bool]) -> tuple[Index, list[str]]:
        backend = backend_of(self.gallery)
        key, dim = key_of(self.store, self.gallery, backend), self.gallery.space.dim
        return backend.open(key, dim, root=self.store.index_root, known=known)

    def _scan_instead(self, error: IndexUnavailable) -> None:
        """Search the store itself for a while. Raises the error if the gallery is too large."""
        gallery, state = self.gallery, self._state
        if not ExactScan.suits(self.store, gallery):
            change = f"`siamkit index rebuild {gallery.name} --index faiss`"
            hint = error.hint or f"start its server, or use another index: {change}"
            state.is_closed = True  # the next search opens it again: it may have been replaced
            raise IndexUnavailable(str(error), hint=hint) from error
        if not state.scans_until:
            cure = f" ({error.hint})" if error.hint else ""
            log.warning(
                f"{error}; until that is mended, gallery {gallery.name} is searched in the store"
                f"{cure}"
            )
        if not state.scans:
            with suppress(IndexUnavailable):
                state.index.close()
            state.replace(ExactScan(self.store, gallery))
        state.scans_until = time.monotonic() + RETRY_SECONDS

    @property
    def applied(self) -> Cursor:
        """The last change that the index holds."""
        return self._state.applied

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
            try:
                self._catch_up()
            except IndexUnavailable as error:
                self._scan_instead(error)
            yield self._state.index

    def search(self, vectors: Vectors, k: int) -> Hits:
        """Find the k nearest templates of each of (n, dim) unit vectors, as of now."""
        with self.current():
            hits = self._search(vectors, k)
        self.save_if_due()
        return hits

    def _search(self, vectors: Vectors, k: int) -> Hits:
        state = self._state
        try:
            return state.index.search(vectors, k)
        except IndexUnavailable:
            state.is_closed = True
        try:  # another process may have dropped it, or put another in its place
            self._catch_up()
            return state.index.search(vectors, k)
        except IndexUnavailable as error:
            self._scan_instead(error)
            return state.index.search(vectors, k)

    def search_owned(self, vectors: Vectors, k: int) -> tuple[Hits, dict[int, Owner]]:
        """Find the k nearest templates, and their owners by template id.

        The index proposes, the store decides: scores are those of the stored templates, and ids of
        templates that are damaged or gone are -1, last. An index whose own scores are others is
        rebuilt, once.
        """
        state = self._state
        with self.current():
            scored = self._score(vectors, k)
            tolerance = EXACT_WITHIN if state.index.exact else NEAR_WITHIN
            wrong = scored.ids_off_by(tolerance) if state.is_trusted else []
            if wrong and self._are_stored(wrong):
                state.is_trusted = False
                log.warning(
                    f"the index of gallery {self.gallery.name} holds other vectors than the store:"
                    " it is damaged, and is rebuilt"
                )
                state.index.close()
                empty, _ = self._open_known(lambda cursor: False)  # a save replaces the file
                state.replace(empty)
                self._catch_up()
                scored = self._score(vectors, k)
        return scored.hits, scored.owners

    def _score(self, vectors: Vectors, k: int) -> StoredScores:
        return score_by_store(self.store, self.gallery, vectors, self._search(vectors, k))

    def _are_stored(self, template_ids: list[int]) -> bool:
        """Return True if the store still has some of these templates, whatever this view holds.

        Another process may have erased them from the saved index while it was searched.
        """
        ids, _ = _elsewhere(lambda: templates.by_id(self.store, self.gallery, template_ids))
        return len(ids) > 0

    def save(self) -> None:
        """Write a snapshot of now. Raises OSError, RuntimeError (FAISS) or IndexUnavailable."""
        self.store.create_index_root()
        with self._state.lock:
            len(self)  # catches up; no view is open while it is written, so that the log can shrink
            applied = self.applied
            self._state.index.save(applied)
        drop_forgotten(self.store, self.gallery, applied)  # forgotten while it was being saved

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
        except UNSAVED as error:
            log.warning(f"the index could not be saved, so it is filled again each time: {error}")

    def wants_build(self) -> bool:
        """Return True if what is saved has no structure that suits its size."""
        return self._state.wants_build()

    def build(self, progress: Progress = ignore_progress) -> bool:
        """Build the structure of what is saved, if its size asks for one; True if that was done.

        Searches go on meanwhile, with what there was. If a thread builds already, nothing is done.
        Raises OSError, RuntimeError (FAISS) or IndexUnavailable; searches then scan.
        """
        return self._state.build(lambda: self._open()[0], progress)

    def settle(self, progress: Progress = ignore_progress, *, build: bool = True) -> bool:
        """Save if due and build if the size asks for it, so that no query has to wait for that.

        Returns True if it was built. An obstacle is logged: the templates are in the store, and
        searches scan.
        """
        try:
            len(self)  # catches up
            self.save_if_due()
            return build and self._save and self.store.writable and self.build(progress)
        except UNSAVED as error:
            log.warning(
                f"the index of gallery {self.gallery.name} could not be built: {error};"
                f" searches scan until `siamkit index rebuild {self.gallery.name}` has built it"
            )
            return False

    def close(self) -> None:
        """Release the index. It is opened again if a thread still searches it."""
        with self._state.lock:
            self._state.index.close()
            self._state.is_closed = True

    def _catch_up(self) -> None:
        """Apply the changes that this view of the store has, and the index does not."""
        store, gallery, state = self.store, self.gallery, self._state
        head = change_log.last_change(store, gallery)
        if state.scans:
            if time.monotonic() < state.scans_until:
                return
            state.replace(self._open()[0])
            log.warning(f"the index of gallery {gallery.name} is back, and used again")
        if head == state.applied and not state.is_closed:
            return
        if state.is_closed or not self._is_known(state.applied):  # a backup was restored, or an
            state.replace(self._open_for_view(head))  # older view is open
        if not state.applied.seq:
            if store.writable:  # an index may move many templates to a file there
                with suppress(OSError):
                    store.create_index_root()
            for ids, vectors in templates.blocks(store, gallery):
                state.index.add(ids, vectors)
        else:
            for ids, vectors, removed in change_log.changed_since(store, gallery, state.applied):
                state.index.remove(removed)
                state.index.add(ids, vectors)
        state.applied = head

    def _open_for_view(self, head: Cursor) -> Index:
        """Open what is saved, unless rows have been erased from it that an older view still holds.

        head: the view's last change.
        """
        gallery = self.gallery
        floor = _elsewhere(lambda: erasures.floor(self.store, gallery.id, gallery.index))
        if floor is None or floor > head.seq:
            return self._open_known(lambda cursor: False)[0]
        return self._open()[0]

    def _is_known(self, cursor: Cursor) -> bool:
        return not cursor.seq or change_log.has_change(self.store, self.gallery.id, cursor)


def _elsewhere(read: Callable[[], T]) -> T:
    """Read the store in another thread, which has a connection and a view of its own: of now."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read).result()
