"""Vectors from other programs: a .npy matrix, and the names that may lie beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.io.sources import to_text

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

UNIT = 1e-3  # how far the norm of a row may be from 1 and still count as 1
BLOCK = 65_536  # rows looked at at once


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """(n, dim) float32 rows of norm 1, memory-mapped where the file holds just that."""

    vectors: Vectors
    names: list[str]  # (n,) the source of each row, or its number from 0
    bad: Ids  # rows that are zero, NaN or Inf; they are zero in `vectors`


def read(path: Path) -> Matrix:
    """A two-dimensional matrix of floats, as `siamkit embed` and numpy write it.

    Names come from the .jsonl beside it, {"row", "source"} a line, if there is one. Raises
    BadInput for a file that is no such matrix.
    """
    import numpy as np

    shown = to_text(path)
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"{shown} cannot be read as a matrix: {error}") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind != "f":
        what = getattr(matrix, "shape", "an archive"), getattr(matrix, "dtype", "")
        raise BadInput(f"{shown} holds {what[0]} {what[1]}", hint="wanted: (n, dim) floats")
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.concatenate(
            [np.empty(0, np.float32)]
            + [
                np.linalg.norm(matrix[start : start + BLOCK].astype(np.float32), axis=1)
                for start in range(0, len(matrix), BLOCK)
            ]
        )
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if matrix.dtype == np.float32 and not len(bad) and (np.abs(norms - 1) <= UNIT).all():
        return Matrix(matrix, _names(path, len(matrix)), bad)
    norms[bad] = np.inf
    with np.errstate(over="ignore"):
        unit = np.nan_to_num(matrix.astype(np.float32), posinf=0, neginf=0) / norms[:, None]
    return Matrix(unit, _names(path, len(matrix)), bad)


def _names(path: Path, count: int) -> list[str]:
    names = [str(number) for number in range(count)]
    beside = path.with_suffix(".jsonl")
    if not beside.is_file():
        return names
    try:
        with beside.open(encoding="utf-8") as file:
            for line in filter(str.strip, file):
                data = json.loads(line)
                row = data.get("row") if isinstance(data, dict) else None
                if isinstance(row, int) and not 0 <= row < count:
                    raise ValueError(f"there is no row {row}")
                if isinstance(row, int):
                    name = str(data.get("source", row))
                    names[row] = name.encode("utf-8", "backslashreplace").decode()
    except (ValueError, RecursionError, OSError) as error:
        raise BadInput(f"{to_text(beside)} does not go with {to_text(path)}: {error}") from error
    return names
