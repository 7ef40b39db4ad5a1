"""Open sheets of Excel workbooks, with openpyxl if it is installed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from siamkit.io.extras import require_extra
from siamkit.io.foreign import open_regular
from siamkit.io.sources import to_text
from siamkit.io.table_record import Record, Table, choose_part, refusing

MAX_UNPACKED = 1 << 30  # bytes (1 GiB) of XML in a workbook; openpyxl needs several times as many


@contextmanager
def open_excel(path: Path, sheet: str | None) -> Iterator[Table]:
    """Open a sheet of an .xlsx file: its first row that is not empty names the columns.

    sheet: may be None if only one sheet holds anything. A formula counts as the value that was
    saved with it. Raises BadInput for any other file, MissingPackage without openpyxl.
    """
    name = to_text(path)
    require_extra("xlsx", name, otherwise="save it as .csv")
    import openpyxl

    # openpyxl fails in many ways.
    refuse = partial(refusing, f"{name} is not a valid .xlsx workbook", Exception)
    with open_regular(path) as (file, _):
        with refuse():
            _require_small(file)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        with closing(book):
            with refuse():
                chosen = _choose_sheet(book, sheet, name)
                rows = enumerate(chosen.iter_rows(values_only=True), 1)
                head = next((cells for _, cells in rows if not _is_blank(cells)), ())
            names = ["" if cell is None else str(cell) for cell in head]
            while names and not names[-1].strip():
                names.pop()

            def read(columns: Sequence[str]) -> Iterator[Record]:
                indices = {column: names.index(column) for column in columns}
                while True:
                    with refuse():
                        number, cells = next(rows, (0, ()))
                    if not number:
                        return
                    if not _is_blank(cells):
                        padded = (*cells, *[None] * len(names))
                        yield Record(number, {column: padded[i] for column, i in indices.items()})

            yield Table(f"{name}, sheet {chosen.title}", names, read)


def _require_small(file: BinaryIO) -> None:
    """Raise ValueError for a workbook that would take too much memory."""
    with zipfile.ZipFile(file) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > MAX_UNPACKED:
        raise ValueError(f"unpacked, it has {size:,} bytes")


def _choose_sheet(book: Any, sheet: str | None, name: str) -> Any:
    titles = [worksheet.title for worksheet in book.worksheets]
    for worksheet in book.worksheets:
        worksheet.reset_dimensions()  # programs state them wrongly
    filled = []
    if sheet is None:
        filled = [title for title in titles if not all(map(_is_blank, book[title].values))]
    return book[choose_part("sheet", sheet, titles, filled, name)]


def _is_blank(cells: Sequence[Any]) -> bool:
    return all(cell is None or not str(cell).strip() for cell in cells)
