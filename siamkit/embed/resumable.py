"""Vectors of a long run, kept on disk so that an interrupted run can be resumed.

Whole samples: one file in the user's cache, (n, dim) float32, zeros where nothing has been embedded
yet. A row counts only if its norm is 1, so a row that a crash cut in half is simply embedded again.

Regions: one file of JSON lines, a line per source; a line that a crash cut in half is ignored.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import BadInput
from siamkit.io import foreign, npy
from siamkit.io.atomic import create_folder, replacing
from siamkit.io.cache_root import cache_root
from siamkit.sdk import regions
from siamkit.types import Ids, Region, Vectors

log = logging.getLogger("siamkit")
ABANDONED = 14 * 86_400  # seconds after which vectors that no run has resumed are deleted


class ResumableVectors:
    """The vectors of one set of items under one encoder and detector.

    If the cache cannot be written, they are held in memory, and a line is logged.
    """

    def __init__(
        self, fingerprint: str, detector: str, items: Iterable[bytes], count: int, dim: int
    ) -> None:
        self.folder = _folder_of(f"{fingerprint}\n{detector}\n", items)
        self.vectors: Vectors
        try:
            create_folder(self.folder)
            os.utime(self.folder)  # it is in use
            self.vectors = _open(self.folder / "vectors.npy", count, dim)
        except OSError as error:
            self.delete()
            log.warning(f"this run cannot be resumed if it is interrupted: {self.folder}: {error}")
            self.vectors = np.zeros((count, dim), np.float32)

    def missing_rows(self) -> Ids:
        """Return the numbers of the rows that are not embedded yet."""
        return np.flatnonzero(np.abs(npy.row_norms(self.vectors) - 1) > npy.NORM_TOLERANCE)

    def delete(self) -> None:
        """Delete the file, at the end of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPart:
    """One region of a source, with its vector."""

    region: Region
    vector: Vectors  # (dim,)
    left_out: str = ""  # why no comparison tells anything about it


class ResumableRecords:
    """A record of JSON values per source that is done, of one set of sources.

    key: whatever else a run depends on, its detector say. If the cache cannot be written, a line
    is logged.
    """

    def __init__(self, key: str, items: Iterable[bytes]) -> None:
        self.folder = _folder_of(key, items)
        self.records: dict[int, dict[str, Any]] = {}  # by source, of an interrupted run
        self._path: Path | None = self.folder / "regions.jsonl"
        try:
            create_folder(self.folder)
            os.utime(self.folder)  # it is in use
            self._read(self._path)
        except OSError as error:
            self._give_up(error)

    def _read(self, path: Path) -> None:
        with suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
            for line in file:
                with suppress(ValueError, KeyError, TypeError):
                    record = foreign.parse_json(line)
                    self.records[record.pop("source")] = record

    def add(self, records: Mapping[int, dict[str, Any]]) -> None:
        """Keep the records of some sources, for the next run."""
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                for source, record in records.items():
                    line = json.dumps({"source": source, **record})
                    file.write("\n" + line)  # after what a crash may have cut
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._path = None
        log.warning(f"this run cannot be resumed if it is interrupted: {self.folder}: {error}")

    def delete(self) -> None:
        """Delete the file, at the end of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)


class ResumableRegions:
    """The embedded regions of one set of sources under one encoder and detector."""

    def __init__(self, fingerprint: str, detector: str, items: Iterable[bytes]) -> None:
        self._records = ResumableRecords(f"{fingerprint}\n{detector}\n", items)
        self.parts: dict[int, list[EmbeddedPart]] = {}  # by source, as they were embedded
        while self._records.records:
            source, record = self._records.records.popitem()
            with suppress(ValueError, KeyError, TypeError):
                self.parts[source] = [_part(part) for part in record["parts"]]

    def add(self, parts: Mapping[int, list[EmbeddedPart]]) -> None:
        """Keep the regions of some sources."""
        self.parts |= parts
        self._records.add(
            {
                source: {"parts": [_fields(part) for part in embedded]}
                for source, embedded in parts.items()
            }
        )

    def delete(self) -> None:
        """Delete the file, at the end of the run."""
        self._records.delete()


def _fields(part: EmbeddedPart) -> dict[str, str]:
    vector = np.ascontiguousarray(part.vector, "<f4").tobytes().hex()
    fields = {"region": regions.to_json(part.region), "vector": vector}
    return {**fields, "left_out": part.left_out}


def _part(fields: dict[str, str]) -> EmbeddedPart:
    vector = np.frombuffer(bytes.fromhex(fields["vector"]), "<f4").astype(np.float32)
    return EmbeddedPart(regions.from_json(fields["region"]), vector, fields["left_out"])


def _folder_of(key: str, items: Iterable[bytes]) -> Path:
    """Return the folder in the cache of one set of items, and delete what was abandoned there."""
    root = cache_root() / "unfinished"
    _delete_abandoned(root)
    digest = hashlib.sha256(key.encode())
    for item in items:
        digest.update(item)
    return root / digest.hexdigest()[:24]


def _open(path: Path, count: int, dim: int) -> Vectors:
    if not count:
        return np.empty((0, dim), np.float32)
    if path.exists():
        with suppress(OSError, ValueError, BadInput):  # truncated, or no matrix: start again
            foreign.open_npy(path)  # checks the header, which open_memmap believes
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
