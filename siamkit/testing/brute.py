"""The slow twin of every index backend: a dictionary of vectors and a matrix product."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.types import Cursor, Hits

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors


class BruteIndex:
    """Exact, in memory; `save` writes one file, whose name holds the cursor."""

    exact = True

    def __init__(self, folder: Path, key: str, dim: int) -> None:
        self.folder, self.key, self.dim = folder, key, dim
        self.rows: dict[int, Vectors] = {}
        self.saved_cursor = Cursor()
        self.changed = False

    def __len__(self) -> int:
        return len(self.rows)

    def cursor(self) -> Cursor:
        return self.saved_cursor

    def add(self, ids: Ids, vectors: Vectors) -> None:
        self.rows |= dict(zip(ids.tolist(), np.array(vectors), strict=True))
        self.changed = True

    def remove(self, ids: Ids) -> None:
        for number in ids.tolist():
            self.rows.pop(number, None)
        self.changed = True

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        numbers = self.rows.keys() if within is None else self.rows.keys() & set(within.tolist())
        ids = np.array(sorted(numbers), np.int64)
        rows = np.array([self.rows[i] for i in ids.tolist()], np.float32).reshape(-1, self.dim)
        padded_ids = np.concatenate([ids, np.full(k, -1, np.int64)])
        scores = np.full((len(vectors), len(padded_ids)), -np.inf, np.float32)
        scores[:, : len(ids)] = vectors @ rows.T
        order = np.lexsort((np.broadcast_to(padded_ids, scores.shape), -scores), axis=1)[:, :k]
        return Hits(padded_ids[order], np.take_along_axis(scores, order, axis=1))

    def due(self) -> bool:
        return self.changed

    def save(self, cursor: Cursor) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{self.key}.{secrets.token_hex(8)}"
        with temporary.open("wb") as file:
            rows = np.array([*self.rows.values()], np.float32).reshape(-1, self.dim)
            np.savez(file, ids=np.array([*self.rows], np.int64), rows=rows)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.folder / f"{self.key}-{cursor.seq}-{cursor.nonce}.npz")
        self.saved_cursor, self.changed = cursor, False

    def describe(self) -> Mapping[str, str | int | float | bool]:
        return {"structure": "dictionary", "exact": True, "templates": len(self)}

    def close(self) -> None:
        self.rows = {}


class Brute:
    """An index backend to read and to test with; it is as slow as it looks."""

    name = "brute"
    index = BruteIndex

    @staticmethod
    def age(path: Path) -> int:
        """The change that a file was saved at."""
        return int(path.stem.split("-")[-2])

    def open(
        self, key: str, dim: int, *, root: Path, known: Callable[[Cursor], bool]
    ) -> tuple[BruteIndex, list[str]]:
        folder, refused = root / self.name, []
        for path in sorted(folder.glob(f"{key}-*.npz"), key=self.age, reverse=True):
            index = self.index(folder, key, dim)
            cursor = Cursor(Brute.age(path), path.stem.rpartition("-")[2])
            if not known(cursor):
                refused.append(f"{path.name} belongs to another history")
                continue
            try:
                with np.load(io.BytesIO(path.read_bytes())) as saved:
                    index.add(saved["ids"], saved["rows"])
            except Exception as error:  # zipfile and numpy raise errors of many classes
                refused.append(f"{path.name} is damaged: {error}")
                continue
            index.saved_cursor, index.changed = cursor, False
            return index, refused
        return self.index(folder, key, dim), refused

    def drop(self, prefix: str, *, root: Path, below: int | None = None) -> None:
        for path in (root / self.name).glob(f"{prefix}*.npz"):
            if below is None or Brute.age(path) < below:
                path.unlink()
