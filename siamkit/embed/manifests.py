"""Lists of sources: a folder per identity, a table with labels, a list of paths."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from siamkit.errors import BadInput
from siamkit.io.printable import blank
from siamkit.io.sources import files_under, to_text
from siamkit.io.table_lines import open_stdin, open_text, parse_object
from siamkit.io.table_read import TextColumns, TextRow, open_table, read_texts
from siamkit.io.table_record import BARE, Table, list_columns, parse_all
from siamkit.store.samples import MAX_LABEL_CHARS


def read_labelled_sources(origin: str, stdin: TextIO) -> list[tuple[str, Path | str]]:
    """Return the (label, source) pairs of a folder, of a table, or of standard input for `-`.

    In a folder, each folder directly in it is an identity and holds its files, at any depth; a
    file directly in it is an identity by itself, named after the file. A table has the columns
    label and path, and paths are relative to it. JSON lines, which standard input must be, are
    {"label", "path"} or {"label", "text"}. Raises BadInput, naming every bad line.
    """
    path = Path() if origin == "-" else Path(origin)
    if origin != "-" and path.is_dir():
        files: list[tuple[str, Path | str]] = [(_label(path, f), f) for f in files_under(path)]
        if not files:
            raise BadInput(f"there is no file in {to_text(path)}")
        return files
    if origin != "-" and not path.is_file():
        hint = "give a folder per identity, a table (label,path), JSON lines, or `-`"
        raise BadInput(f"{to_text(path)} is neither a folder nor a file", hint=hint)
    with open_table(origin, stdin, plain=".jsonl" if origin == "-" else ".csv") as table:
        if table.has_header and not {"label", "path"} <= set(table.columns):
            hint = "its first line must name label and path; for texts, add `--column NAME`"
            raise BadInput(f"{table.name} has the columns {list_columns(table.columns)}", hint=hint)
        records = table.read("label", "path", "text")
        parse = partial(_labelled_source, base=path.parent)
        return parse_all(records, parse, table.name, "each row needs a label and a path")


def read_labelled_texts(
    origin: str, stdin: TextIO, columns: TextColumns
) -> tuple[list[tuple[str, str]], list[TextRow]]:
    """Return (label, text) of each usable row of a table, and the rows without a usable text.

    The label is the row's id, or the text itself if there is no id column.
    """
    rows = list(read_texts(origin, stdin, columns))
    usable = [row for row in rows if not row.error]
    texts = [(label_of_text(r.text) if r.id is None else r.id, r.text) for r in usable]
    return texts, [row for row in rows if row.error]


def label_of_text(text: str) -> str:
    """Return a text as its own label: one line; if it is long, its beginning and a checksum."""
    line = blank(text)
    if len(line) <= MAX_LABEL_CHARS:
        return line
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{line[: MAX_LABEL_CHARS - 10].rstrip()}… {digest}"


def read_source_list(origin: str, stdin: TextIO) -> list[Path | str]:
    """Return what to embed: one path per line, or JSON lines with "source" or "text".

    A text comes as str, a file as Path. Raises BadInput, naming every bad line.
    """
    if origin == "-":
        return _parse_sources(open_stdin(stdin, ".txt"))
    path = Path(origin)
    if not path.is_file():
        hint = '--from takes a text file with one path per line, or JSON lines with "source"'
        raise BadInput(f"{to_text(path)} is not a file", hint=hint)
    with open_text(path, ".txt") as table:
        return _parse_sources(table)


def _label(folder: Path, file: Path) -> str:
    first, *inner = file.relative_to(folder).parts
    return first if inner else file.stem


def _labelled_source(values: dict[str, Any], base: Path) -> tuple[str, Path | str]:
    label, path, text = values["label"], values["path"], values["text"]
    if isinstance(label, int | float) and not isinstance(label, bool):
        label = str(label)
    if not isinstance(label, str) or not label.strip():
        raise ValueError("there is no label")
    if isinstance(path, str) and path:
        return label, base / path
    if isinstance(text, str):
        return label, text
    raise ValueError("there is no path")


def _parse_sources(table: Table) -> list[Path | str]:
    hint = 'write a path, {"source": "PATH"}, or {"text": "TEXT"}'
    return parse_all(table.read("source", "text"), _source, table.name, hint)


def _source(values: dict[str, Any]) -> Path | str:
    line = values.get(BARE)
    if isinstance(line, str):
        if not line.lstrip().startswith("{"):
            return Path(line)
        values = parse_object(line)
    if isinstance(text := values.get("text"), str):
        return text
    if isinstance(path := values.get("source"), str):
        return Path(path)
    raise ValueError('neither "source" nor "text" in it')
