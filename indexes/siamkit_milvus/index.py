"""One gallery's index: a collection as it was last saved plus, in memory, the changes since."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import IndexUnavailable
from siamkit.sdk.nearest import best_hits, merge_hits, no_hits
from siamkit.sdk.unsaved_rows import UnsavedRows
from siamkit.types import Cursor, Hits
from siamkit_milvus.collection import SCANNED_ROWS, Collection, create, find, name_of
from siamkit_milvus.records import Record, State, new_record
from siamkit_milvus.server import Server

if TYPE_CHECKING:
    from siamkit.types import Ids, Progress, Vectors

SAVE_AFTER = 1_000  # changes, or 5 % of what is saved if that is more
OF_ANOTHER = "is of another history: of a restored backup, or of a copy of this store's folder"
REFILL = "the next command fills another one"
CHECK_SECONDS = 60.0  # from one count of the saved rows to the next, of an index that stays open
SPARE_HITS = 32  # asked for besides k, for those that turn out to be removed or replaced


@dataclass(frozen=True, slots=True)
class Saved:
    """A collection, and the record of what it holds."""

    collection: Collection
    record: Record
    time: int  # of the server, that searches have to have seen
    # On record, too, and unknown to the store so far. If it does not know them at the first search
    # either, they are of another store.
    doubtful: tuple[Cursor, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A key on a server, and what an index needs to save there."""

    server: Server
    key: str
    dim: int
    folder: Path  # for temporary files
    known: Callable[[Cursor], bool]  # whether the store's log has a change
    refused: frozenset[str] = frozenset()  # collections of no use, which a save replaces


class MilvusIndex:
    """An index whose saved rows lie on a server, in one collection.

    What was added or removed since is searched here, exactly, and merged: a search depends on the
    server for what was saved, and for nothing else.
    """

    exact = False

    def __init__(self, place: Place, saved: Saved | None) -> None:
        """Begin with what is saved, and no changes."""
        self._place, self._saved = place, saved
        self._changes = UnsavedRows(place.folder)
        self._pushes: list[Record] = []  # of saves that failed
        self._checked = time.monotonic()  # that the server has the rows that were saved

    def __len__(self) -> int:
        changes, saved = self._changes, self._saved
        if saved is None:
            return changes.added_count
        hidden = changes.ids(saved.record.last)
        shown = saved.collection.count(saved.record.last, saved.time, hidden)
        return shown + changes.added_count

    def cursor(self) -> Cursor:
        """Return the last change that the collection holds."""
        return self._saved.record.cursor if self._saved else Cursor()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n, dim) unit vectors under (n,) ids; an id that is there is replaced."""
        if len(ids):
            self._changes.add(ids, vectors)

    def remove(self, ids: Ids) -> None:
        """Remove (n,) ids; unknown ones are ignored."""
        if len(ids):
            self._changes.remove(ids)

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        """Find the k nearest of each of (n, dim) unit vectors, best first; ids are -1 at the end.

        within: (m,) ids to search among; their rows are fetched and compared here, exactly.
        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        if within is not None:
            within = np.unique(within)
        added = self._changes.search(vectors, k, within)
        return merge_hits([added, self._search_saved(vectors, k, within)], k)

    def due(self) -> bool:
        """Return True if saving now makes the next opening cheaper."""
        if self._saved is None:
            return bool(len(self._changes))
        return len(self._changes) > max(SAVE_AFTER, self._saved.record.count // 20)

    def save(self, cursor: Cursor) -> None:
        """Push the changes, then record that the collection is at `cursor`.

        Nothing is written where a later change is saved already, or has deleted something. Raises
        IndexUnavailable, also if the collection is not there any more, or others save to it.
        """
        others: list[Collection] = []
        before: list[Record] = []
        if self._saved is None:
            others = find(self._place.server, f"{name_of(self._place.key)}_")
            if any(self._is_at(other, cursor) for other in others):
                return
            collection = create(self._place.server, self._place.key, self._place.dim)
        else:
            collection = self._saved.collection
            state = self._own_state(collection)
            if state.newest > cursor.seq:
                return
            before = state.of("saved")
        record = self._push(collection, cursor)
        self._saved = Saved(collection, record, record.time)
        self._changes.clear()
        collection.withdraw([*self._pushes, *before[:-1]])  # one is for those who open it now
        self._pushes.clear()
        for other in others:
            other.drop()

    def wants_build(self) -> bool:
        """Return True if the server has so many rows without an index that it may miss some."""
        saved = self._saved
        return saved is not None and (
            self._count(saved) - saved.collection.indexed() > SCANNED_ROWS
        )

    def build(self, progress: Progress) -> None:
        """Have the server index what is saved, and wait for it."""
        if self._saved is not None and self.wants_build():
            self._saved.collection.build(progress)

    def describe(self) -> Mapping[str, str | int | float | bool]:
        """Return structure and size, and where the collection is."""
        facts: dict[str, str | int | float | bool] = {
            "structure": "HNSW of Milvus",
            "exact": False,
            "templates": len(self),
            "since_saved": len(self._changes),
            "server": str(self._place.server),
        }
        if self._saved is not None:
            facts["collection"] = self._saved.collection.name
            facts["indexed"] = self._saved.collection.indexed()
        return facts

    def close(self) -> None:
        """Release memory and temporary files. The connection stays for the next index."""
        self._changes.clear()

    def _count(self, saved: Saved) -> int:
        return saved.collection.count(saved.record.last, saved.time)

    def _search_saved(self, vectors: Vectors, k: int, within: Ids | None) -> Hits:
        """Find the best of the collection: the k of each vector are among these (n, m) hits."""
        saved, nothing = self._saved, no_hits(len(vectors))
        if saved is None or not saved.record.last or not len(vectors):
            return nothing
        self._require_sound(saved)
        last = saved.record.last
        hidden = self._changes.ids(last)
        if within is not None:
            wanted = np.setdiff1d(within[within <= last], hidden)
            ids, rows = saved.collection.rows(wanted, saved.time)
            return best_hits(ids, vectors @ rows.T, k) if len(ids) else nothing
        spare = min(len(hidden), SPARE_HITS)
        hits, hidden_hits = self._visible(saved, vectors, k + spare, hidden, up_to=0)
        if hidden_hits > spare:  # ask for more, and not for what came after the save
            hits, _ = self._visible(saved, vectors, k + len(hidden), hidden, up_to=last)
        return hits

    def _visible(
        self, saved: Saved, vectors: Vectors, k: int, hidden: Ids, *, up_to: int
    ) -> tuple[Hits, int]:
        """Search the collection, and mask hidden hits; also return the most that one query had."""
        hits = saved.collection.search(vectors, k, up_to, saved.time)
        is_hidden = (hits.ids > saved.record.last) | np.isin(hits.ids, hidden)
        hits.scores[is_hidden], hits.ids[is_hidden] = -np.inf, -1
        return hits, int(is_hidden.sum(axis=1).max())

    def _push(self, collection: Collection, cursor: Cursor) -> Record:
        """Write all changes to a collection, and a record of them last."""
        changes, saved = self._changes, self._saved
        push = new_record("push", cursor.seq)
        self._pushes.append(push)
        collection.add(push)
        try:
            for ids, vectors in changes.blocks():
                collection.upsert(ids, vectors)
            if saved is not None:
                collection.delete(changes.removed)
        except IndexUnavailable:
            self._own_state(collection)  # which says so if a deletion has dropped it meanwhile
            raise
        last = max(int(changes.added.max(initial=0)), saved.record.last if saved else 0)
        now = collection.now()
        count = collection.count(last, now)
        if self._own_state(collection).newest > cursor.seq:
            collection.drop()
            raise IndexUnavailable(
                f"{collection} was dropped: samples were forgotten while it was being saved",
                hint="the next command fills another one",
            )
        record = Record("saved", cursor.seq, cursor.nonce, now, count, last)
        collection.add(record)
        return record

    def _is_at(self, other: Collection, cursor: Cursor) -> bool:
        """True if another collection of the key holds this store's rows at a change, or later."""
        state = None if other.name in self._place.refused else other.state(self._place.dim)
        records = state.of("saved") if state is not None and not state.fault else []
        return any(r.seq >= cursor.seq and self._place.known(r.cursor) for r in records)

    def _own_state(self, collection: Collection) -> State:
        """Read the state of the own collection. Raises IndexUnavailable if it is of no use."""
        state = collection.state(self._place.dim)
        if state is None:
            hint = (
                "it was rebuilt or deleted by another process; the next command opens the new one"
            )
            raise IndexUnavailable(f"{collection} is not there any more", hint=hint)
        is_own = all(self._place.known(r.cursor) for r in state.of("saved"))
        if state.fault or not is_own:
            collection.drop()
            raise IndexUnavailable(f"{collection} {state.fault or OF_ANOTHER}", hint=REFILL)
        return state

    def _require_sound(self, saved: Saved) -> None:
        """Raise IndexUnavailable if another store saves to the collection, or rows are missing."""
        if saved.doubtful:
            if not all(self._place.known(cursor) for cursor in saved.doubtful):
                raise IndexUnavailable(f"{saved.collection} {OF_ANOTHER}", hint=REFILL)
            self._saved = replace(saved, doubtful=())
        if time.monotonic() - self._checked > CHECK_SECONDS:
            self._checked = time.monotonic()
            state = saved.collection.state(self._place.dim)
            if state is not None and (damage := saved.collection.damage(state, self._place.dim)):
                raise IndexUnavailable(f"{saved.collection} {damage}", hint=REFILL)
