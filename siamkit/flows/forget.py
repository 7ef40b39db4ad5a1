"""Forget: delete identities or samples from SQLite, the index, and the disk's free pages."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress

from siamkit.errors import IndexUnavailable, SiamkitError
from siamkit.io import unfinished
from siamkit.store import (
    Gallery,
    Store,
    galleries,
    samples,
    saved_indexes,
    traces,
    uploads,
)
from siamkit.store.erasures import Erasure

WAIT_SECONDS = 5.0  # for others to finish; then the traces are left to the next command
RETRY_SECONDS = 0.1  # from one look at an index that another process is writing to the next
log = logging.getLogger("siamkit")
notes = logging.getLogger("siamkit.notes")


def forget(store: Store, sample_ids: Sequence[int]) -> int:
    """Delete samples, damaged ones too, with their templates, and identities that then own none.

    Returns the number of samples that were there. Their rows are erased from saved indexes (of a
    backend that cannot, see siamkit.protocols.Purges, the indexes are deleted), and so are their
    thumbnails and the files that the store itself kept of them; the free space of the database is
    overwritten and the write-ahead log is emptied. If interrupted, the next command finishes this.
    """
    own_files = uploads.sources_of(store, sample_ids)
    deleted = samples.delete(store, sample_ids)
    _delete_files(store, own_files, sample_ids)
    finish_erasing(store, wait_seconds=WAIT_SECONDS)
    return deleted


def delete_gallery(store: Store, gallery: Gallery) -> None:
    """Delete a gallery, and identities that own no sample elsewhere."""
    own_files = uploads.sources_of_gallery(store, gallery.id)
    galleries.delete(store, gallery)
    _delete_files(store, own_files)
    finish_erasing(store, wait_seconds=WAIT_SECONDS)


def _delete_files(store: Store, sources: Sequence[str], sample_ids: Sequence[int] = ()) -> None:
    try:
        uploads.delete_uploads(store, sources)
        uploads.delete_thumbnails(store, sample_ids)
    except OSError as error:
        log.warning(f"deleted, but a file of the store remains: {error}")


def finish_erasing(store: Store, *, wait_seconds: float = 0.0) -> Exception | None:
    """Remove the traces of deletions from the disk, including those by processes since killed.

    An obstacle is logged and returned, and the rest left to the next command: the deletion itself
    is done. wait_seconds: 0 if the deletions are those of earlier commands.
    """
    registers = unfinished.store_register(store.root), unfinished.user_register()
    unfinished.delete_abandoned(None, *registers)
    if not store.writable:
        return None
    deadline = time.monotonic() + wait_seconds
    while True:
        with store.writing:  # two threads that rewrite the database would be in each other's way
            erased, obstacle = saved_indexes.drop_erased(store)
            waits = isinstance(obstacle, BlockingIOError) and time.monotonic() < deadline
            if not waits and (erased or obstacle):
                obstacle = _remove_traces(store, erased, obstacle, wait_seconds)
        if not waits:
            break
        time.sleep(RETRY_SECONDS)
    if wait_seconds:
        _note_remains(store, erased)
    return obstacle


def _remove_traces(
    store: Store, erased: Sequence[Erasure], obstacle: Exception | None, wait_seconds: float
) -> Exception | None:
    """Remove the traces of deletions of which no saved index holds anything; log an obstacle."""
    try:
        if erased or wait_seconds:  # else earlier commands have scrubbed all they could
            traces.remove(store, erased, wait_seconds=wait_seconds)
    except (sqlite3.Error, OSError, SiamkitError) as error:
        obstacle = error
    if obstacle:
        where = "on the server" if isinstance(obstacle, IndexUnavailable) else "on the disk"
        log.warning(
            f"deleted, but traces remain {where}: {obstacle};"
            " the next command that opens the store tries again"
        )
    if not wait_seconds:  # a process was killed that may not have deleted its files
        uploads.sweep(store)
    return obstacle


def _note_remains(store: Store, erased: Sequence[Erasure]) -> None:
    """Say what is left of deleted vectors on servers, and until when."""
    for erasure in erased:
        with suppress(SiamkitError, OSError):  # what it has erased, it has said
            if remains := saved_indexes.describe_remains(store, erasure.gallery_id, erasure.index):
                notes.warning(remains)
