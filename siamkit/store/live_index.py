"""A gallery's index, kept in step with the store: the newest sound snapshot plus changes since."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from threading import RLock

from siamkit.errors import BadInput, PluginError, StoreError
from siamkit.host import registry
from siamkit.protocols import Index, IndexBackend
from siamkit.store import Gallery, Store, erasures, galleries, templates
from siamkit.store.galleries import DEFAULT_INDEX, index_prefix
from siamkit.types import Cursor, Hits, Vectors

WORTH_A_LINE = 1_000  # templates; rebuilding a smaller index takes less time than reading about it
log = logging.getLogger("siamkit")


def load_backend(name: str) -> IndexBackend:
    """Load an index backend by name. Raises BadInput, naming those that are installed."""
    if name not in (names := _installed()):
        hint = f"use one that is installed: {', '.join(names) or 'none'}"
        raise BadInput(f"no index named {name!r}", hint=hint)
    return registry.load("siamkit.indexes", name)


def _installed() -> list[str]:
    return sorted({plugin.name for plugin in registry.installed("siamkit.indexes")})


def backend_of(gallery: Gallery) -> IndexBackend:
    """Load the backend of a gallery. Raises PluginError, with a cure, if it is not installed."""
    if gallery.index not in _installed():
        raise PluginError(
            f"gallery {gallery.name!r} uses index {gallery.index!r}, which is not installed",
            hint="install its package again, or change to another index:"
            f" `siamkit index rebuild {gallery.name} --index {DEFAULT_INDEX}`",
        )
    return load_backend(gallery.index)


class _State:
    """The index that all threads share, and the last change that it holds."""

    def __init__(self, index: Index) -> None:
        self.lock = RLock()  # held by the one thread that searches or changes the index
        self.index = index
        self.applied = index.cursor()
        self.closed = False


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
        self.save_if_due()
        if rebuilt and (refused or count >= WORTH_A_LINE):
            why = f" ({'; '.join(refused)})" if refused else ""
            spent = time.perf_counter() - started
            log.warning(
                f"index of gallery {gallery.name} rebuilt from {count:,} templates"
                f" in {spent:.1f} s{why}"
            )

    def of(self, gallery: Gallery) -> LiveIndex:
        """Return the same index for a gallery as it stands now, perhaps calibrated since."""
        other = copy(self)
        other.gallery = gallery
        return other

    def _open(self) -> tuple[Index, list[str]]:
        """Open the newest snapshot in the store's history; also say which were refused, and why."""
        store, gallery = self.store, self.gallery
        if store.writable:
            _drop_forgotten(store, gallery)
        with store.read():
            return backend_of(gallery).open(
                gallery.index_key,
                gallery.space.dim,
                root=store.index_root,
                known=lambda cursor: templates.has_change(store, gallery, cursor),
            )

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

    def save(self) -> None:
        """Write a snapshot. Raises OSError, or RuntimeError (FAISS)."""
        with self._state.lock:
            self._state.index.save(self._state.applied)
        _drop_forgotten(self.store, self.gallery)  # forgotten while it was being saved

    def save_if_due(self) -> None:
        """Save if that makes the next opening cheaper and the disk allows it.

        Not within a transaction, which would hide deletions by others.
        """
        with self.store.using() as db:
            if db.in_transaction or not (self._save and self.store.writable):
                return
        try:
            with self._state.lock:
                if not self._state.closed and self._state.index.due():
                    self.save()
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError on a full disk
            log.warning(f"the index could not be saved, so it is rebuilt each time: {error}")

    def close(self) -> None:
        """Release the index. It is opened again if a thread still searches it."""
        with self._state.lock:
            self._state.index.close()
            self._state.closed = True

    def _catch_up(self) -> None:
        """Apply the changes that this view of the store has, and the index does not."""
        store, gallery, state = self.store, self.gallery, self._state
        head = templates.last_change(store, gallery)
        if head == state.applied and not state.closed:
            return
        if state.closed or not self._is_known(state.applied):  # a backup was restored
            state.index, _ = self._open()
            state.applied, state.closed = state.index.cursor(), False
        if not state.applied.seq:
            state.index.add(*templates.load_all(store, gallery))
        else:
            ids, vectors, removed = templates.changed_since(store, gallery, state.applied)
            state.index.remove(removed)
            state.index.add(ids, vectors)
        state.applied = head

    def _is_known(self, cursor: Cursor) -> bool:
        return not cursor.seq or templates.has_change(self.store, self.gallery, cursor)


def rebuild(store: Store, gallery: Gallery) -> LiveIndex:
    """Rebuild the index from the store. Raises StoreError if it cannot be saved."""
    backend_of(gallery).drop(index_prefix(gallery.id), root=store.index_root)
    live = LiveIndex(store, gallery, save=False)
    try:
        live.save()
    except (OSError, RuntimeError) as error:
        raise StoreError(f"the index of {gallery.name} cannot be saved: {error}") from error
    return live


def change(store: Store, gallery: Gallery, index: str) -> Gallery:
    """Switch a gallery to another index backend, and delete the old one's files.

    Raises BadInput if the new one is not installed. If the old one is not, its files stay, and a
    line is logged.
    """
    load_backend(index)
    if gallery.index in _installed():
        drop(store, gallery.id, gallery.index)
    else:
        log.warning(
            f"index {gallery.index} is not installed: its files in {store.index_root}"
            f" of gallery {gallery.name} stays there; delete it by hand"
        )
    galleries.set_index(store, gallery, index)
    return galleries.get(store, gallery.name)


def drop(store: Store, gallery_id: int, index: str) -> None:
    """Delete all indexes of a gallery that a backend has saved; the next query rebuilds one."""
    load_backend(index).drop(index_prefix(gallery_id), root=store.index_root)


def _drop_forgotten(store: Store, gallery: Gallery) -> None:
    """Delete snapshots from before the last deletion, whoever has written them since."""
    below = erasures.floor(store, gallery.id, gallery.index)
    try:
        prefix = index_prefix(gallery.id)
        backend_of(gallery).drop(prefix, root=store.index_root, below=below)
    except OSError as error:
        log.warning(f"an old index of gallery {gallery.name} could not be deleted: {error}")
