"""Vectors of a long run, kept on disk so that an interrupted run can be resumed.

One file in the user's cache: (n, dim) float32, zeros where nothing has been embedded yet. A row
counts only if its norm is 1, so a row that a crash cut in half is simply embedded again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from siamkit.io.atomic import replacing
from siamkit.io.cache_root import cache_root
from siamkit.types import Ids, Vectors

log = logging.getLogger("siamkit")
ABANDONED = 14 * 86_400  # seconds after which vectors that no run has resumed are deleted
BLOCK = 65_536  # rows whose norms are computed at once
NORM_TOLERANCE = 1e-3  # of an embedded row


class ResumableVectors:
    """The vectors of one set of items under one encoder and detector.

    If the cache cannot be written, they are held in memory, and a line is logged.
    """

    def __init__(
        self, fingerprint: str, detector: str, items: Iterable[bytes], count: int, dim: int
    ) -> None:
        root = cache_root() / "unfinished"
        _delete_abandoned(root)
        digest = hashlib.sha256(f"{fingerprint}\n{detector}\n".encode())
        for item in items:
            digest.update(item)
        self.folder = root / digest.hexdigest()[:24]
        self.vectors: Vectors
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.utime(self.folder)  # it is in use
            self.vectors = _open(self.folder / "vectors.npy", count, dim)
        except OSError as error:
            self.delete()
            log.warning(f"this run cannot be resumed if it is interrupted: {self.folder}: {error}")
            self.vectors = np.zeros((count, dim), np.float32)

    def missing_rows(self) -> Ids:
        """Return the numbers of the rows that are not embedded yet."""
        missing = np.empty(len(self.vectors), np.bool_)
        for start in range(0, len(missing), BLOCK):
            norms = np.linalg.norm(self.vectors[start : start + BLOCK], axis=1)
            missing[start : start + BLOCK] = np.abs(norms - 1) > NORM_TOLERANCE
        return np.flatnonzero(missing)

    def delete(self) -> None:
        """Delete the file, at the end of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _open(path: Path, count: int, dim: int) -> Vectors:
    if not count:
        return np.empty((0, dim), np.float32)
    if path.exists():
        with suppress(OSError, ValueError):  # truncated, or of another shape: start again
            existing: Vectors = np.lib.format.open_memmap(path, mode="r+")
            if existing.shape == (count, dim) and existing.dtype == np.float32:
                return existing
    with replacing(path) as temporary:  # another run of the same list may have the old file mapped
        vectors: Vectors = np.lib.format.open_memmap(temporary, "w+", np.float32, (count, dim))
        if hasattr(os, "posix_fallocate"):
            # Reserve the space now: a disk that fills up under a mapped file kills the process.
            with temporary.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
    return vectors


def _delete_abandoned(root: Path) -> None:
    with suppress(OSError):
        for folder in root.iterdir():
            if time.time() - folder.stat().st_mtime > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
