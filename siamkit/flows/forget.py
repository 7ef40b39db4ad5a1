"""Forget: delete identities or samples from SQLite, the index, and the disk's free pages."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from siamkit import search
from siamkit.store import Gallery, Store, galleries, samples
from siamkit.store.samples import Sample

log = logging.getLogger("siamkit")


def forget(store: Store, doomed: Sequence[Sample]) -> None:
    """Delete samples with their templates; identities that own nothing then go too.

    The saved indexes that held them are deleted, freed pages of the database are overwritten
    (`secure_delete`) and the write-ahead log is emptied.
    """
    samples.delete(store, [sample.id for sample in doomed])
    for name in {sample.gallery for sample in doomed}:
        search.drop(store, galleries.get(store, name))
    _erase(store)


def delete_gallery(store: Store, gallery: Gallery) -> None:
    """Delete a gallery, and identities that own nothing else."""
    galleries.delete(store, gallery)
    search.drop(store, gallery)
    _erase(store)


def _erase(store: Store) -> None:
    if not samples.erase_free_pages(store):
        log.warning(
            "deleted; another process is reading, so traces stay in store.db-wal until it ends"
        )
