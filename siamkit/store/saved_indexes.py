"""Index backends, and the files that they have saved, of galleries that may be gone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass

from siamkit.errors import BadInput, IndexUnavailable, PluginError, SiamkitError
from siamkit.host import registry
from siamkit.protocols import IndexBackend, Purges
from siamkit.store import change_log, erasures, galleries, templates
from siamkit.store.database import Store
from siamkit.store.erasures import Erasure
from siamkit.store.galleries import DEFAULT_INDEX, Gallery, index_prefix
from siamkit.store.index_servers import has_server
from siamkit.types import Cursor

_NAME = re.compile(  # of a saved file, see index_prefix
    r"(?P<half>\.?)g(?P<gallery>\d{1,18})-(s\d+-(?P<seq>\d{1,18})-(?P<nonce>[0-9a-f]{16})\b)?"
)
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


def key_of(store: Store, gallery: Gallery, backend: IndexBackend) -> str:
    """Return the name of a gallery's index. On a server, it begins with the store's own id."""
    return _own(store, backend) + gallery.index_key


def prefix_of(store: Store, gallery_id: int, backend: IndexBackend) -> str:
    """Return the beginning of the names of all indexes that a gallery ever had in a backend."""
    return _own(store, backend) + index_prefix(gallery_id)


def _own(store: Store, backend: IndexBackend) -> str:
    return f"{store.own_id}-" if has_server(backend) else ""


def change(store: Store, gallery: Gallery, index: str) -> Gallery:
    """Switch a gallery to another index backend, and delete the old one's files.

    Raises BadInput if the new one is not installed. If the old one is not, or its server is away,
    what it has saved stays, deleted vectors too, and a line is logged.
    """
    load_backend(index)
    if gallery.index not in _installed():
        log.warning(
            f"index {gallery.index} is not installed: its files of gallery {gallery.name} stay in"
            f" {store.index_root}; delete them by hand"
        )
    else:
        try:
            drop(store, gallery.id, gallery.index)
        except IndexUnavailable as error:
            prefix = prefix_of(store, gallery.id, load_backend(gallery.index))
            log.warning(
                f"what index {gallery.index} has saved as {prefix}…, deleted vectors too, stays"
                f" there until you delete it by hand: {error}"
            )
            erasures.give_up(store, gallery.id, index)
    galleries.set_index(store, gallery, index)
    return galleries.get(store, gallery.name)


def drop(store: Store, gallery_id: int, index: str) -> None:
    """Delete all indexes of a gallery that a backend has saved; the next query fills another."""
    backend = load_backend(index)
    backend.drop(prefix_of(store, gallery_id, backend), root=store.index_root)


def erase(store: Store, erasure: Erasure) -> None:
    """Erase what a deletion has removed from what is saved: its rows, or else whole indexes.

    May be repeated. Raises OSError; SiamkitError if a backend is not installed, or its server is
    away.
    """
    current = erasures.floors(store).get(erasure.gallery_id)
    if current:
        _purge(store, erasure, current[0])
    if current is None or current[0] != erasure.index:  # gone, or it uses another index now
        drop(store, erasure.gallery_id, erasure.index)


def _purge(store: Store, erasure: Erasure, index: str) -> None:
    backend = load_backend(index)
    gallery_id, root = erasure.gallery_id, store.index_root
    if not isinstance(backend, Purges) or not templates.has_any(store, gallery_id):
        drop(store, gallery_id, index)
        return
    gone = change_log.removed_between(store, gallery_id, erasure.first, erasure.seq)
    backend.purge(prefix_of(store, gallery_id, backend), gone, root=root, seq=erasure.seq)


def describe_remains(store: Store, gallery_id: int, index: str) -> str:
    """Return what is left of deleted vectors in an index, and until when; '' if nothing is.

    Raises SiamkitError if the backend is not installed, or its server is away.
    """
    backend = load_backend(index)
    if not isinstance(backend, Purges):
        return ""
    return backend.remains(prefix_of(store, gallery_id, backend), root=store.index_root)


@dataclass(frozen=True, slots=True)
class _Saved:
    """A file that a backend has saved, by its name."""

    backend: str
    gallery_id: int
    half_written: bool
    cursor: Cursor | None


def drop_erased(store: Store) -> tuple[list[Erasure], Exception | None]:
    """Erase what pending deletions have removed; drop what may hold what is not in the store.

    The latter is from before a deletion, or from another history: slow or killed processes write
    it, or a backup brings it back. Servers are asked for pending deletions only: there, an old
    state never replaces a newer one.

    Returns the deletions of which no saved index holds anything, and what prevented others.
    """
    saved = _saved(store)  # before the store is read: what they hold was committed first
    floors = erasures.floors(store)  # before the deletions are: each that raised one is among them
    erased, obstacle = _erase_all(store, erasures.pending(store))
    half_written = {file.gallery_id for file in saved if file.half_written}
    for gallery_id, (index, below) in floors.items():
        is_suspect = below or gallery_id in half_written
        if is_suspect and index in _installed() and not has_server(load_backend(index)):
            _drop(store, gallery_id, index, below)
    for file in saved:
        is_of_gallery = file.gallery_id in floors and floors[file.gallery_id][0] == file.backend
        if not is_of_gallery or (
            file.cursor and not change_log.has_change(store, file.gallery_id, file.cursor)
        ):
            _drop(store, file.gallery_id, file.backend, None)
    return erased, obstacle


def _erase_all(store: Store, pending: Iterable[Erasure]) -> tuple[list[Erasure], Exception | None]:
    erased: list[Erasure] = []
    obstacle: Exception | None = None
    away: set[str] = set()  # each attempt to reach a server that is away takes seconds
    for erasure in pending:
        if erasure.index in away:
            continue
        try:
            erase(store, erasure)
            erased.append(erasure)
        except IndexUnavailable as error:
            obstacle = error
            away.add(erasure.index)
        except (OSError, SiamkitError) as error:  # SiamkitError: not installed
            obstacle = obstacle if isinstance(obstacle, IndexUnavailable) else error
    return erased, obstacle


def _saved(store: Store) -> list[_Saved]:
    """Read the names of all saved files.

    As for FAISS: a folder per backend, and in it names that begin with the index's key, and go on
    with its last change.
    """
    saved = []
    for path in store.index_root.glob("*/*"):
        if match := _NAME.match(path.name):
            half_written = bool(match["half"])
            is_whole = match["seq"] and not half_written
            cursor = Cursor(int(match["seq"]), match["nonce"]) if is_whole else None
            saved.append(_Saved(path.parent.name, int(match["gallery"]), half_written, cursor))
    return saved


def drop_forgotten(store: Store, gallery: Gallery, saved: Cursor | None = None) -> None:
    """Delete snapshots from before the last deletion, whoever has written them since.

    saved: the change that the caller has just saved at. A server is asked only if that is before
    the last deletion.
    """
    below = erasures.floor(store, gallery.id, gallery.index)
    is_old = saved is not None and (below is None or saved.seq < below)
    if is_old or not has_server(backend_of(gallery)):
        pending = erasures.pending(store)  # what is purged counts as saved after the deletion
        _erase_all(store, [erasure for erasure in pending if erasure.gallery_id == gallery.id])
        _drop(store, gallery.id, gallery.index, below)


def _drop(store: Store, gallery_id: int, index: str, below: int | None) -> None:
    """Delete what was saved before a change, None for all. An obstacle is logged."""
    if index not in _installed():
        return
    backend = load_backend(index)
    try:
        prefix = prefix_of(store, gallery_id, backend)
        backend.drop(prefix, root=store.index_root, below=below)
    except (OSError, IndexUnavailable) as error:
        log.warning(f"an old index of gallery {gallery_id} could not be deleted: {error}")
