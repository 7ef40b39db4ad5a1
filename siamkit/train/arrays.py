"""Write arrays that do not fit into memory to one .npy file, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import PluginError
from siamkit.io.sources import shorten
from siamkit.train.folder import replacing


class Named(Protocol):
    """An item that a message can name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def write_arrays(path: Path, rows: Iterable[tuple[T, NDArray[Any]]], maker: str) -> list[T]:
    """Write the arrays of (item, array) rows to a .npy file, one by one; return their items.

    Its header is written twice: numpy leaves room in it for more digits of the first dimension.
    maker: of the arrays, for messages. Raises PluginError for arrays of two shapes or dtypes.
    """
    written: list[T] = []
    first: NDArray[Any] | None = None
    with replacing(path) as temporary, temporary.open("wb") as file:
        for example, array in rows:
            if first is None:
                first = array
                _write_header(file, 0, first)
            if array.shape != first.shape or array.dtype != first.dtype:
                raise PluginError(
                    f"{maker}: array returned {array.dtype} {array.shape} for"
                    f" {shorten(example.name)}, and {first.dtype} {first.shape} for"
                    f" {shorten(written[0].name)}"
                )
            file.write(array.tobytes())
            written.append(example)
        file.seek(0)
        _write_header(file, len(written), np.empty(()) if first is None else first)
    return written


def _write_header(file: BinaryIO, count: int, row: NDArray[Any]) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(row.dtype),
        "fortran_order": False,
        "shape": (count, *row.shape),
    }
    np.lib.format.write_array_header_1_0(file, header)
