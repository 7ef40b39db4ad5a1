"""Forget: delete identities or samples from SQLite, the index, and the disk's free pages."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from siamkit import search
from siamkit.store import Gallery, Store, erasures, galleries, samples
from siamkit.store.samples import Sample

log = logging.getLogger("siamkit")


def forget(store: Store, doomed: Sequence[Sample]) -> None:
    """Delete samples with their templates; identities that own nothing then go too.

    The saved indexes that held them are deleted, the database is rewritten without its free
    space and the write-ahead log is emptied. Broken off, that is finished by the next command.
    """
    samples.delete(store, [sample.id for sample in doomed])
    finish(store)


def delete_gallery(store: Store, gallery: Gallery) -> None:
    """Delete a gallery, and identities that own nothing else."""
    galleries.delete(store, gallery)
    finish(store)


def finish(store: Store) -> None:
    """Take the traces of deletions off the disk, those of processes that were killed included."""
    pending = erasures.pending(store) if store.writable else []
    if not pending:
        return
    for gallery_id in pending:
        search.drop(store, gallery_id)
    if not erasures.scrub(store, pending):
        log.warning("deleted; another process is reading, so the next command clears the traces")
