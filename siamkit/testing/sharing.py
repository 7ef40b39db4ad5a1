"""Rules of a backend that is `Shared`: a server, on which many stores and processes save."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from siamkit.errors import IndexUnavailable
from siamkit.testing.index_fixtures import COUNT, DIM, KEY, cursor, ids, ids_found, rows
from siamkit.testing.rule import NotRun, require, rule
from siamkit.testing.saving import drop_deletes, newest_is_opened, save_reopen_equal
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

NEW = np.array([500], np.int64)  # ids that are added after the others are saved
OTHER = np.array([600], np.int64)


@rule("use the whole key, which begins with the id of the store", drop_deletes)
def stores_are_apart(subject: IndexSubject) -> None:
    """Two stores that save under keys of their own do not see each other's rows."""
    _require_shared(subject)
    subject.saved(3)
    first = subject.owners[-1]
    subject.enter(subject.folder)  # as another store
    count = len(ids_found(subject.open()))
    require(not count, f"{count} rows, though this store has saved none")
    subject.saved(4)
    subject.drop("g1-")
    subject.owners.append(first)
    opened = subject.open()
    count, seq = len(ids_found(opened)), opened.cursor().seq
    require((count, seq) == (COUNT, 3), f"{count} rows at change {seq}, after another store's drop")


@rule("compare and set the cursor in the transaction that writes the rows", newest_is_opened)
def older_save_is_ignored(subject: IndexSubject) -> None:
    """A save at an older change than what is saved writes nothing, and raises nothing."""
    _require_shared(subject)
    first = subject.saved(5)
    late = subject.open()
    first.add(NEW, rows(1, seed=3))
    first.save(cursor(10))
    late.add(OTHER, rows(1, seed=4))
    late.remove(ids(3))
    late.save(cursor(7))
    opened = subject.open()
    found = ids_found(opened)
    nearest = opened.search(rows(1, seed=4), 1).ids[0, 0]
    is_newest = found == {*range(1, COUNT + 1), *NEW.tolist()} and nearest != OTHER[0]
    got = f"{len(found)} rows at change {opened.cursor().seq}, not {COUNT + 1} at 10"
    require(is_newest and opened.cursor() == cursor(10), got)


@rule("write the whole difference from the cursor that was opened", older_save_is_ignored)
def newer_save_completes(subject: IndexSubject) -> None:
    """A process that is further ahead in the same log completes what another has saved."""
    _require_shared(subject)
    subject.saved(5)
    first, second = subject.open(), subject.open()
    for index, seq, gone in ((first, 8, 2), (second, 9, 4)):
        index.add(NEW, rows(1, seed=3))
        index.remove(ids(gone))
        index.save(cursor(seq))
    opened = subject.open()
    wanted = {*range(5, COUNT + 1), *NEW.tolist()}
    found = ids_found(opened)
    got = f"{len(found)} rows at change {opened.cursor().seq}, not {len(wanted)} at 9"
    require(found == wanted and opened.cursor() == cursor(9), got)


@rule(
    "remember the cursor that `known` refused, and replace the rows that it stands for",
    save_reopen_equal,
)
def other_history_is_replaced(subject: IndexSubject) -> None:
    """A state that `known` refused is replaced whole by the next save, though its seq is higher."""
    _require_shared(subject)
    subject.saved(10)
    restored = Cursor(3, "f" * 16)
    index, _ = subject.load(known=lambda _: False)
    index.add(NEW, rows(1, seed=3))
    index.save(restored)
    opened, refused = subject.load(known=lambda saved: saved == restored)
    found = ids_found(opened)
    got = f"{len(found)} rows at {opened.cursor()}, refused {refused}; not 1 at {restored}"
    require(found == {*NEW.tolist()} and opened.cursor() == restored, got)


@rule("connect in open, with a time-out, and translate the library's errors", save_reopen_equal)
def away_is_unavailable(subject: IndexSubject) -> None:
    """open raises IndexUnavailable if no server listens at the address."""
    _require_shared(subject)
    with _unreachable(subject):
        try:
            subject.plugin.open(subject.key(KEY), DIM, root=subject.folder, known=lambda _: True)
        except IndexUnavailable:
            return
    require(False, "no exception")


@contextmanager
def _unreachable(subject: IndexSubject) -> Iterator[None]:
    """Let the backend's environment variable name an address where no server listens."""
    address = getattr(subject.plugin, "unreachable", None)
    if not isinstance(address, str):
        raise NotRun("give it `unreachable`: an address of its kind where no server listens")
    variable = f"SIAMKIT_{subject.plugin.name.upper().replace('-', '_')}"
    before = os.environ.get(variable)
    os.environ[variable] = address
    try:
        yield
    finally:
        del os.environ[variable]
        if before is not None:
            os.environ[variable] = before


def _require_shared(subject: IndexSubject) -> None:
    """Raise NotRun unless the backend saves on a server."""
    if not subject.is_shared:
        raise NotRun("it is not shared: it saves in the store")
