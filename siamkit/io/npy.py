"""Vectors from other programs: a .npy matrix, and the names in a file beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.types import Ids, Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NORM_TOLERANCE = 1e-3  # a row whose norm is this near to 1 is used as it is
MOST_ROWS = 10**12  # that a header has room for while their number is not known
ROWS_PER_BLOCK = 65_536  # rows whose norms are computed at once


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """(n, dim) float32 rows of norm 1, memory-mapped if the file holds exactly that."""

    vectors: Vectors
    names: dict[int, str]  # the source of each row that has one
    unusable: Ids  # row numbers of zeros, NaN or Inf in the file


def read(path: Path) -> Matrix:
    """Read a two-dimensional matrix of floats, as `siamkit embed` and numpy write it.

    Names come from the .jsonl file beside it, one {"row", "source"} per line, if there is one.
    Raises BadInput for any other file.
    """
    import numpy as np

    hint = "save a matrix of (n, dim) floats"
    matrix = foreign.open_npy(path, hint=hint)
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise BadInput(f"{to_text(path)} holds {matrix.shape} {matrix.dtype}", hint=hint)
    norms, names = row_norms(matrix), _names(path, len(matrix))
    is_usable = np.isfinite(norms) & (norms > 0)
    unusable = np.flatnonzero(~is_usable)
    if matrix.dtype == np.float32 and (np.abs(norms[is_usable] - 1) <= NORM_TOLERANCE).all():
        return Matrix(matrix, names, unusable)
    unit = np.empty(matrix.shape, np.float32)
    for start in range(0, len(matrix), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        with np.errstate(all="ignore"):  # unusable rows
            unit[block] = matrix[block]
            unit[block] /= norms[block, None]
    return Matrix(unit, names, unusable)


@contextmanager
def writing_rows(path: Path, dim: int) -> Iterator[Callable[[Vectors], None]]:
    """Write an .npy file of (n, dim) float32 block by block; n is known when the block ends."""
    from numpy.lib import format as npy

    with path.open("wb") as file:

        def write_header(rows: int) -> int:
            file.seek(0)
            header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
            npy.write_array_header_1_0(file, header)
            return file.tell()

        def write(block: Vectors) -> None:
            file.write(block.astype("<f4", copy=False).tobytes())

        start = write_header(MOST_ROWS)
        yield write
        rows = (file.tell() - start) // (4 * dim)
        end = write_header(rows)
        assert end == start  # numpy pads a header, so that a longer first axis fits


def row_norms(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Return the (n,) norms of (n, dim) rows, without holding a mapped matrix in memory."""
    import numpy as np

    norms = np.empty(len(matrix), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(matrix), ROWS_PER_BLOCK):
            rows = matrix[start : start + ROWS_PER_BLOCK].astype(np.float32, copy=False)
            norms[start : start + ROWS_PER_BLOCK] = np.linalg.norm(rows, axis=1)
    return norms


def _names(path: Path, count: int) -> dict[int, str]:
    names: dict[int, str] = {}
    names_path = path.with_suffix(".jsonl")
    if not names_path.is_file():
        return names
    for line, data in foreign.read_json_lines(names_path):
        row = data.get("row") if isinstance(data, dict) else None
        if not isinstance(row, int):
            continue
        if not 0 <= row < count:
            raise BadInput(
                f"{to_text(names_path)}, line {line}: there is no row {row} in {to_text(path)}",
                hint="delete it, or write both files again",
            )
        names[row] = str(data.get("source", row))
    return names
