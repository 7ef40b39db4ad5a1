"""Rules of a backend that `Purges`: rows are erased from what is saved, for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np

from siamkit.protocols import Builds, Purges
from siamkit.testing.fresh_process import purged_before_kill
from siamkit.testing.index import finds_itself
from siamkit.testing.index_fixtures import COUNT, cursor, ids, ids_found, rows
from siamkit.testing.rule import NotRun, attempt, require, rule
from siamkit.testing.saving import drop_below_keeps_newer, save_reopen_equal
from siamkit.testing.subjects import IndexSubject
from siamkit.types import ignore_progress

if TYPE_CHECKING:
    from siamkit.protocols import Index
    from siamkit.types import Ids

GONE = ids(5)  # the ids that are purged
REST = {*range(6, COUNT + 1)}
PART = 16  # bytes; no part of a purged row's float32 numbers may remain that is so long
NEW = np.array([500], np.int64)  # an id that is added after the others are saved


@rule("delete their rows from every file of the key", save_reopen_equal)
def purged_are_not_found(subject: IndexSubject) -> None:
    """Purged ids are not found when the index is opened again, and all others are."""
    _purge(subject, GONE, saved_at=5, seq=7)
    index = subject.open()
    require(ids_found(index) == REST, f"ids {_few(ids_found(index))}, not 6 to {COUNT}")
    require(len(index) == len(REST), f"len {len(index)}, not {len(REST)}")
    index.remove(GONE)  # as the change log says, too
    index.add(NEW, rows(1, seed=3))
    present = ids_found(index)
    require(
        present == REST | {*NEW.tolist()}, f"ids {_few(present)}, after an addition of {NEW[0]}"
    )


@rule("overwrite the row where it lies, in every file", purged_are_not_found)
def purged_leave_no_bytes(subject: IndexSubject) -> None:
    """No file holds any part of a purged row's float32 numbers."""
    for saved_at, is_built in ((5, False), (15, True)):
        _purge(subject, GONE, saved_at=saved_at, seq=saved_at + 2, build=is_built)
        _require_no_bytes(subject, len(GONE))


@rule("glob for the prefix, not for one key", purged_are_not_found)
def purge_reaches_every_key(subject: IndexSubject) -> None:
    """purge erases from the states of all keys with that prefix, and of no others."""
    for key in ("g1-s1", "g1-s2", "g11-s1"):
        subject.saved(key=key)
    _backend(subject).purge(subject.key("g1-"), GONE, root=subject.folder, seq=7)
    counts = [len(ids_found(subject.open(key))) for key in ("g1-s1", "g1-s2", "g11-s1")]
    wanted = [len(REST), len(REST), COUNT]
    require(counts == wanted, f"{counts} rows of g1-s1, g1-s2 and g11-s1, not {wanted}")


@rule("ignore ids that are not there, and keys of which nothing is saved", purged_are_not_found)
def purge_may_be_repeated(subject: IndexSubject) -> None:
    """A purge may be repeated, and be of ids that are not there, or of no saved index."""
    backend = _backend(subject)
    with attempt("a purge where nothing is saved"):
        backend.purge(subject.key("g1-"), GONE, root=subject.folder, seq=1)
    _purge(subject, GONE, saved_at=5, seq=7)
    with attempt("a purge that was done before"):
        for gone in (GONE, ids(0), np.array([COUNT + 7], np.int64)):
            backend.purge(subject.key("g1-"), gone, root=subject.folder, seq=7)
    present = ids_found(subject.open())
    require(present == REST, f"ids {_few(present)}, not 6 to {COUNT}")


@rule("store max(seq, saved at) with what is saved", purged_are_not_found, drop_below_keeps_newer)
def purged_count_as_saved_then(subject: IndexSubject) -> None:
    """drop keeps what was purged at or after `below`, whenever it was saved."""
    _purge(subject, GONE, saved_at=5, seq=7)
    counts = []
    for below in (7, 8):
        subject.drop("g1-", below=below)
        counts.append(len(ids_found(subject.open())))
    require(counts == [len(REST), 0], f"{counts} rows after below=7 and 8, purged at change 7")


@rule(
    "a save at a change before the purge is refused, or counts as saved at its own change",
    purge_may_be_repeated,
    purged_count_as_saved_then,
    purged_leave_no_bytes,
)
def late_save_brings_nothing_back(subject: IndexSubject) -> None:
    """An index that was open before a purge, and is saved at an older change, brings nothing back.

    Its rows must be gone at the latest when what is older than the purge is dropped.
    """
    index = subject.saved(5)
    index.add(NEW, rows(1, seed=3))
    gone = np.concatenate([GONE, NEW])
    _backend(subject).purge(subject.key("g1-"), gone, root=subject.folder, seq=9)
    index.save(cursor(6))
    subject.drop("g1-", below=9)
    present = ids_found(subject.open())
    require(
        present in (REST, set()), f"ids {_few(present)}, of which 1 to 5 and {NEW[0]} were purged"
    )
    _require_no_bytes(subject, len(GONE))


@rule("keep what is mapped valid: overwrite in place, or replace the file", purged_are_not_found)
def open_index_survives_purge(subject: IndexSubject) -> None:
    """An index that is open while another process purges goes on, and can be saved."""
    index = subject.saved(5)
    other = subject.open()
    _backend(subject).purge(subject.key("g1-"), GONE, root=subject.folder, seq=7)
    for opened in (index, other):
        opened.remove(GONE)  # as the change log says
        require(ids_found(opened) == REST, f"ids {_few(ids_found(opened))}, not 6 to {COUNT}")
    other.add(NEW, rows(1, seed=3))
    other.save(cursor(8))
    present = ids_found(subject.open())
    require(
        present == REST | {*NEW.tolist()}, f"ids {_few(present)}, after a save that added {NEW[0]}"
    )


@rule("return '' if nothing remains", purged_are_not_found)
def remains_is_a_sentence(subject: IndexSubject) -> None:
    """remains is a text, before and after a purge."""
    backend = _backend(subject)
    prefix = subject.key("g1-")
    before = backend.remains(prefix, root=subject.folder)
    _purge(subject, GONE, saved_at=5, seq=7)
    after = backend.remains(prefix, root=subject.folder)
    require(isinstance(before, str) and isinstance(after, str), f"{before!r}, then {after!r}")


@rule(
    "overwrite, sync, then change the checksums; repeat it whole",
    finds_itself,
    purge_may_be_repeated,
    purged_leave_no_bytes,
)
def kill_during_purge(subject: IndexSubject) -> None:
    """A process killed while it purges leaves what the same purge, done again, completes."""
    _backend(subject)
    last = purged_before_kill(subject)
    gone = ids(last + 1)  # it was at work on the last of them
    _backend(subject).purge(subject.key("g1-"), gone, root=subject.folder, seq=2 + last)
    index, refused = subject.load()
    present = ids_found(index)
    is_refused = not present and bool(refused)
    got = f"ids {_few(present)} after 1 to {last + 1} were purged, refused {refused}"
    require(is_refused or present == {*range(last + 2, COUNT + 1)}, got)
    _require_no_bytes(subject, last + 1)


def _backend(subject: IndexSubject) -> Purges:
    """The same backend. Raises NotRun if it does not purge."""
    if not isinstance(subject.plugin, Purges):
        raise NotRun("it does not purge")
    return cast("Purges", subject.plugin)


def _purge(
    subject: IndexSubject, gone: Ids, *, saved_at: int, seq: int, build: bool = False
) -> None:
    """Save an index, perhaps build it, and purge ids from what is saved."""
    backend = _backend(subject)
    index: Index = subject.saved(saved_at)
    if build and isinstance(index, Builds):
        index.build(ignore_progress)
    index.close()
    backend.purge(subject.key("g1-"), gone, root=subject.folder, seq=seq)


def _require_no_bytes(subject: IndexSubject, count: int) -> None:
    """Raise Failure if a file holds a part of the first `count` rows, or of NEW's."""
    for path in subject.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        is_clean = not any(part in content for part in _parts(count))
        require(is_clean, f"{path.name} still holds numbers of a purged row")


def _parts(count: int) -> Iterator[bytes]:
    for row in (*rows(count), rows(1, seed=3)[0]):
        stored = row.astype("<f4").tobytes()
        yield from (stored[start : start + PART] for start in range(0, len(stored), PART))


def _few(present: set[int]) -> list[int]:
    """The first and the last of some ids, for a message."""
    ordered = sorted(present)
    return ordered if len(ordered) <= 8 else [*ordered[:6], *ordered[-2:]]
