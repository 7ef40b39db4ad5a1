"""A connection to SQLite for each thread, none of which is carried over a fork.

A transaction belongs to a connection: threads that shared one would commit, or roll back, each
other's work. A lock around one connection would make readers wait for every writer, which WAL
spares them. A connection costs its thread about a millisecond, and is closed when the thread ends.

SQLite keeps the locks of a file per process, not per connection: after a fork, the child would
believe that it holds locks which only its parent holds. So connections are closed before a fork,
as soon as no thread is at work, and parent and child open others when they need them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from siamkit.sdk import forks

T = TypeVar("T")
FORK_WAIT_SECONDS = 10.0  # that a fork waits for transactions of other threads to end


class Connections:
    """The connections of one store, one per thread that uses it."""

    def __init__(self, open_connection: Callable[[], sqlite3.Connection]) -> None:
        self._open = open_connection
        self._start()
        _all[id(self)] = self
        forks.renew_in_child(self, Connections._renew)

    def _start(self) -> None:
        self._opening = threading.Lock()
        self._held = False  # `_opening` is held by a thread that forks
        self._thread = threading.local()
        self._connections: WeakValueDictionary[int, _Connection] = WeakValueDictionary()

    @contextmanager
    def at_work(self) -> Iterator[sqlite3.Connection]:
        """Use this thread's connection; until the block ends, nobody closes it. Nests."""
        connection = self._acquire()
        try:
            yield connection.database
        finally:
            connection.release()

    def mine(self) -> sqlite3.Connection:
        """Return this thread's connection, which other threads then leave open."""
        return self._mine().expose()

    def close(self, *, wait_seconds: float = 0.0) -> None:
        """Close every connection; one at work when its thread is done, if that takes longer."""
        end = time.monotonic() + wait_seconds
        for connection in _live(self._connections):
            connection.close(max(0.0, end - time.monotonic()))

    def hold(self) -> None:
        """Close every connection and open no other one, until `resume`. Called before a fork."""
        self._held = self._opening.acquire(timeout=FORK_WAIT_SECONDS)
        self.close(wait_seconds=FORK_WAIT_SECONDS)

    def resume(self) -> None:
        """Let threads open connections again. Called after a fork, in the parent."""
        if self._held:
            self._held = False
            self._opening.release()

    def _renew(self) -> None:
        """Forget the parent's connections, in the child of a fork."""
        for connection in _live(self._connections):
            connection.abandon()
        self._start()

    def _acquire(self) -> _Connection:
        while True:
            connection = self._mine()
            if connection.acquire():
                return connection

    def _mine(self) -> _Connection:
        connection: _Connection | None = getattr(self._thread, "connection", None)
        if connection is None or connection.closed:
            with self._opening:
                connection = _Connection(self._open())
                self._connections[id(connection)] = connection
            self._thread.connection = connection
        return connection


class _Connection:
    """One thread's connection. Others close it only while the thread is not at work."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.closed = False
        self._process = os.getpid()
        self._closing = False  # once the thread is done
        self._depth = 0  # blocks that the thread is in
        self._exposed = False  # used outside such blocks too, so that others must not close it
        self._owner = threading.get_ident()
        self._lock = threading.RLock()

    def expose(self) -> sqlite3.Connection:
        """Return the database, for use after a block too."""
        self._exposed = self._exposed or not self._depth
        return self.database

    def acquire(self) -> bool:
        """Begin to work. Return False if the connection is closed."""
        self._lock.acquire()
        if self._closing and not self._depth:
            self._close()
        if self.closed:
            self._lock.release()
            return False
        self._depth += 1
        return True

    def release(self) -> None:
        """End to work."""
        self._depth -= 1
        if self._closing and not self._depth:
            self._close()
        self._lock.release()

    def close(self, wait_seconds: float) -> None:
        """Close it, or let its thread do so if it is at work for longer."""
        self._closing = True
        if self._lock.acquire(timeout=wait_seconds):
            mine = self._owner == threading.get_ident()
            if not self._depth and (mine or not self._exposed):
                self._close()
            self._lock.release()

    def abandon(self) -> None:
        """Leave it as it is, and never touch it again."""
        if not self.closed:
            self.closed = True
            forks.never_free(self.database)

    def _close(self) -> None:
        if self._process != os.getpid():  # closing would release the parent's locks
            self.abandon()
        elif not self.closed:
            self.closed = True
            self.database.close()

    def __del__(self) -> None:  # the thread has ended
        self._close()


_all: WeakValueDictionary[int, Connections] = WeakValueDictionary()


def _live(values: WeakValueDictionary[int, T]) -> list[T]:
    """Return the values that exist, whatever other threads add meanwhile."""
    return [value for reference in values.valuerefs() if (value := reference()) is not None]


def _hold_all() -> None:
    for connections in _live(_all):
        connections.hold()


def _resume_all() -> None:
    for connections in _live(_all):
        connections.resume()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_all, after_in_parent=_resume_all)
