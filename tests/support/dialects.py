"""One table in every dialect that programs write, for tests that all commands read them alike."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Sequence[Any]]  # the first row names the columns


def as_csv(rows: Rows, delimiter: str = ",", end: str = "\n") -> str:
    file = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL  # csv leaves "\n" bare there
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return file.getvalue()


def _spelt(rows: Rows) -> Rows:
    """Return the rows with other spellings of the columns' names."""
    return [[f" {name.upper()}\u00a0" for name in rows[0]], *rows[1:]]


def _padded(rows: Rows) -> str:
    """Return a CSV as a spreadsheet saves it: empty rows, and empty columns at the right."""
    lines = as_csv([[*row, "", ""] for row in rows], ";").splitlines(keepends=True)
    return "\n" + lines[0] + ";" * (len(rows[0]) + 1) + "\n" + "".join(lines[1:]) + "\n\n"


def _mixed(rows: Rows) -> bytes:
    """Return lines that are UTF-8 and Windows-1252 in turn."""
    lines = as_csv(rows).splitlines(keepends=True)
    codecs = ("utf-8", "windows-1252")
    return b"".join(line.encode(codecs[n % 2]) for n, line in enumerate(lines))


def _objects(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def _json_lines(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _objects(rows))


def _parquet(path: Path, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name, *values in zip(*rows, strict=True):
        same = len({type(value) for value in values}) == 1
        columns[name] = values if same else [str(value) for value in values]
    pq.write_table(pa.table(columns), path)


def _sqlite(path: Path, rows: Rows) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE t ({', '.join(rows[0])})")
        marks = ", ".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO t VALUES ({marks})", rows[1:])
    db.close()


def _excel(path: Path, rows: Rows) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    book.create_sheet("notes")  # an empty one
    book.save(path)


TEXT: dict[str, tuple[str, Callable[[Rows], str | bytes]]] = {
    "comma": (".csv", as_csv),
    "semicolon": (".csv", lambda rows: as_csv(rows, ";")),
    "bar": (".csv", lambda rows: as_csv(rows, "|")),
    "tab": (".tsv", lambda rows: as_csv(rows, "\t")),
    "tab as csv": (".csv", lambda rows: as_csv(rows, "\t")),
    "semicolon as tsv": (".tsv", lambda rows: as_csv(rows, ";")),
    "upper case": (".CSV", as_csv),
    "upper case tsv": (".TSV", lambda rows: as_csv(rows, "\t")),
    "spaces": (".csv", lambda rows: as_csv(rows[:1]).replace(",", ", ") + as_csv(rows[1:])),
    "crlf": (".csv", lambda rows: as_csv(rows, end="\r\n")),
    "cr": (".csv", lambda rows: as_csv(rows, end="\r")),
    "utf-8 mark": (".csv", lambda rows: as_csv(rows).encode("utf-8-sig")),
    "utf-16 le mark": (".csv", lambda rows: b"\xff\xfe" + as_csv(rows, "\t").encode("utf-16-le")),
    "utf-16 be mark": (".csv", lambda rows: b"\xfe\xff" + as_csv(rows).encode("utf-16-be")),
    "utf-16 le": (".csv", lambda rows: as_csv(rows).encode("utf-16-le")),
    "utf-16 be": (".csv", lambda rows: as_csv(rows, end="\r\n").encode("utf-16-be")),
    "utf-32": (".csv", lambda rows: as_csv(rows).encode("utf-32")),
    "sep": (".csv", lambda rows: "sep=;\r\n" + as_csv(rows, ";", "\r\n")),
    "sep, quoted": (".csv", lambda rows: ('"sep=|"\n' + as_csv(rows, "|")).encode("utf-8-sig")),
    "spelt": (".csv", lambda rows: as_csv(_spelt(rows))),
    "padded": (".csv", _padded),
    "json lines": (".jsonl", _json_lines),
    "json lines, upper case": (".JSONL", lambda rows: _json_lines(rows).replace("\n", "\r\n\r\n")),
    "json lines, mark": (".ndjson", lambda rows: _json_lines(rows).encode("utf-8-sig")),
    "json lines, utf-16": (".jsonl", lambda rows: _json_lines(rows).encode("utf-16")),
    "json lines, spelt": (".jsonl", lambda rows: _json_lines(_spelt(rows))),
    "windows-1252": (".csv", lambda rows: as_csv(rows, ";").encode("windows-1252")),
    "mixed": (".csv", _mixed),
}
BINARY: dict[str, tuple[str, Callable[[Path, Rows], None]]] = {
    "parquet": (".parquet", _parquet),
    "sqlite": (".db", _sqlite),
    "excel": (".xlsx", _excel),
    "excel, upper case": (".XLSX", lambda path, rows: _excel(path, _spelt(rows))),
}
DIALECTS = (*TEXT, *BINARY)


def write(folder: Path, rows: Rows, dialect: str) -> list[str]:
    """Write a table t.* in a dialect; return its name, and the options that it needs."""
    path = folder / f"t{(TEXT | BINARY)[dialect][0]}"
    if dialect in BINARY:
        BINARY[dialect][1](path, rows)
    else:
        content = TEXT[dialect][1](rows)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    named = dialect in ("windows-1252", "mixed")
    return [path.name, *(["--encoding", "cp1252"] if named else [])]
