"""The entry point of group `siamkit.indexes`: open, purge and drop collections by key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.sdk.server_address import read_address
from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Ids
    from siamkit_milvus.collection import Collection
    from siamkit_milvus.index import MilvusIndex, Place, Saved
    from siamkit_milvus.server import Server

REMAINS = (
    "the Milvus server at {server} keeps deleted vectors in its files until it compacts them, which"
    " for a few may be never, and in its message queue for up to 3 days; `siamkit index rebuild"
    " GALLERY` has the files deleted within hours"
)


class Milvus:
    """The Milvus backend. Each key has a collection on the server, `siamkit_KEY_NONCE`."""

    name = "milvus"
    shared = True
    unreachable = "http://127.0.0.1:1"  # an address where no server listens, for the checks

    def open(
        self, key: str, dim: int, *, root: Path, known: Callable[[Cursor], bool]
    ) -> tuple[MilvusIndex, list[str]]:
        """Open the newest collection in the store's history, else an empty index."""
        from siamkit_milvus.collection import find, name_of
        from siamkit_milvus.index import MilvusIndex, Place

        server, newest = _server(root), None
        place, refused = Place(server, key, dim, root, known), {}
        for collection in find(server, f"{name_of(key)}_"):
            saved, reason = _read(collection, place)
            if reason:
                refused[collection.name] = reason
            if saved and (newest is None or saved.record.seq > newest.record.seq):
                newest = saved
        lines = [f"{name} {reason}" for name, reason in refused.items()]
        return MilvusIndex(replace(place, refused=frozenset(refused)), newest), lines

    def purge(self, prefix: str, ids: Ids, *, root: Path, seq: int) -> None:
        """Delete the rows of ids, see siamkit.protocols.Purges. Raises IndexUnavailable."""
        from siamkit_milvus.records import new_record

        for collection in _find(prefix, root):
            state = collection.state()
            if state is not None and state.has_push_before(seq):
                collection.drop()
            elif state is not None:
                begun = new_record("purge", seq)
                collection.add(begun)
                collection.delete(ids)
                time, last = collection.now(), max((r.last for r in state.of("saved")), default=0)
                count = collection.count(last, time)
                collection.add(replace(begun, time=time, count=count, last=last))
                collection.withdraw([begun, *(r for r in state.of("purge") if r.seq <= seq)])

    def remains(self, prefix: str, *, root: Path) -> str:
        """Return where the server still has purged vectors, and until when."""
        states = [collection.state() for collection in _find(prefix, root)]
        if not any(state and state.of("purge") for state in states):
            return ""
        return REMAINS.format(server=_server(root))

    def drop(self, prefix: str, *, root: Path, below: int | None = None) -> None:
        """Drop the collections of all keys that begin with a prefix, see IndexBackend."""
        for collection in _find(prefix, root):
            state = collection.state()
            if state is not None and (below is None or state.is_from_before(below)):
                collection.drop()


def _server(root: Path) -> Server:
    """Return the server of a store's indexes. Raises IndexUnavailable without an address."""
    from siamkit_milvus.server import Server

    return Server(read_address(Milvus.name, root))


def _find(prefix: str, root: Path) -> list[Collection]:
    from siamkit_milvus.collection import find, name_of

    return find(_server(root), name_of(prefix))


def _read(collection: Collection, place: Place) -> tuple[Saved | None, str]:
    """Return what a collection holds, None if nothing of use; and why, if that is a fault."""
    from siamkit_milvus.index import OF_ANOTHER, Saved

    state = collection.state(place.dim)
    records = state.of("saved") if state else []
    if state is None or state.fault or not records:  # without one, it is being filled
        return None, state.fault if state else ""
    known = [record for record in records if place.known(record.cursor)]
    if not known or any(r.seq < known[-1].seq for r in records if r not in known):
        return None, OF_ANOTHER
    saved = known[-1]
    if damage := collection.damage(state, place.dim):
        return None, damage
    doubtful = tuple(record.cursor for record in records if record not in known)
    return Saved(collection, saved, state.time, doubtful), ""
