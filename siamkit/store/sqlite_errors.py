"""Errors of SQLite and of the disk as one line each, with a cure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siamkit.errors import StoreError

ELSEWHERE = "name another place with `--store` or SIAMKIT_STORE"
MEND = "`siamkit doctor` says what is damaged; `siamkit backup --help`, how to restore a backup"
PRIMARY = 0xFF  # SQLite's extended error codes hold the primary one in their lowest byte


@contextmanager
def plain_errors(path: Path, busy_seconds: float) -> Iterator[None]:
    """Turn every error of SQLite, of its text and of the disk into a StoreError.

    busy_seconds: that a writer waits for another, for the message.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path, busy_seconds) from error
    except UnicodeDecodeError as error:  # of SQLite's own message about a damaged schema
        raise StoreError(
            f"{path} is damaged: it holds text that is not UTF-8", hint=MEND
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path} cannot be used: {error.strerror or error}", hint=ELSEWHERE
        ) from error


def _explain(error: sqlite3.Error, path: Path, busy_seconds: float) -> StoreError:
    text = str(error)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"{path} stayed locked by another process for {busy_seconds:.0f} s",
            hint="wait for it to end, then run the same command again",
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreError(
            f"no space left for {path}: {text}; nothing of this batch was written",
            hint="free some space, then run the same command again: it goes on from there",
        )
    if code == sqlite3.SQLITE_READONLY:
        return StoreError(f"{path} is read-only", hint="choose another store with `--store`")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return StoreError(
            f"{path} cannot be opened or read: {text}",
            hint="check the disk, and the permissions of the store's folder and its files",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{path} is damaged or not a siamkit store: {text}", hint=MEND)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return StoreError(f"{path} does not accept this: {text}", hint=MEND)
    return StoreError(f"{path} is damaged: {text}", hint=MEND)
