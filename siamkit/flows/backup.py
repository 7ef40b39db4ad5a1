"""Backup: the whole store as one file, which is a store's database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing, require_writable
from siamkit.io.sources import to_text
from siamkit.io.unfinished import store_register
from siamkit.store import Store, galleries
from siamkit.store.backup import copy_database
from siamkit.types import Progress, ignore_progress


@dataclass(frozen=True, slots=True)
class Backup:
    """The content of a backup."""

    galleries: int
    samples: int
    bytes: int  # size of the file


def back_up(store: Store, file: Path, progress: Progress = ignore_progress) -> Backup:
    """Copy a store to a new file, complete or not at all. Others may go on writing.

    Raises BadInput if the file exists or its folder does not, StoreError if the store is damaged.
    """
    if file.exists() or file.is_symlink():
        raise BadInput(f"{to_text(file)} already exists", hint="name a new file")
    require_writable(file)
    with replacing(file, register=store_register(store.root)) as temporary, store.read():
        copy_database(store, temporary, progress)
        counts = [galleries.count(store, gallery) for gallery in galleries.list_all(store)]
    return Backup(len(counts), sum(samples for _, samples in counts), file.stat().st_size)
