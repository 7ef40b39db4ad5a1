"""Lists of sources: a folder per identity, a table with labels, a list of paths."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from siamkit.errors import BadInput
from siamkit.io.absent import hint_for_absent
from siamkit.io.folders import entries, files_under
from siamkit.io.printable import blank
from siamkit.io.sources import to_text
from siamkit.io.table_lines import open_stdin, open_text, parse_object
from siamkit.io.table_read import TextColumns, TextRow, open_table, read_texts
from siamkit.io.table_record import (
    BARE,
    CSV,
    EXCEL,
    PARQUET,
    SQLITE,
    Table,
    find_column,
    list_columns,
    parse_each,
)
from siamkit.io.table_values import MISSING, as_text
from siamkit.store.labels import MAX_LABEL_CHARS, normalise_label
from siamkit.types import Fault

log = logging.getLogger("siamkit")
SOURCE_COLUMNS = ("source", "path", "text")  # of a list of what to embed


def read_labelled_sources(
    origin: str, stdin: TextIO, *, table: str | None = None, encoding: str | None = None
) -> tuple[list[tuple[str, Path | str]], list[Fault]]:
    """Return the (label, source) pairs of a folder, of a table, or of standard input for `-`.

    In a folder, each folder directly in it is an identity and holds its files, at any depth; a
    file directly in it is an identity by itself, named after the file. A table has the columns
    label and path, and paths are relative to it. JSON lines, which standard input must be, are
    {"label", "path"} or {"label", "text"}. table: of a database, or a sheet. encoding: of a table
    that is not UTF-8.

    Also returns a fault for each row, and for each folder, that cannot be used. Raises BadInput
    if nothing can be.
    """
    path = Path() if origin == "-" else Path(origin)
    if origin != "-" and path.is_dir():
        return read_labelled_folder(path)
    if origin != "-" and not path.is_file():
        hint = "give a folder per identity, a table (label,path), JSON lines, or `-`"
        raise BadInput(
            f"{to_text(path)} is neither a folder nor a file", hint=hint_for_absent(path) or hint
        )
    plain = ".jsonl" if origin == "-" else ".csv"
    with open_table(origin, stdin, table=table, plain=plain, encoding=encoding) as opened:
        if opened.has_header and not (opened.find("label") and opened.find("path")):
            hint = "its first line must name label and path; for texts, add `--column NAME`"
            raise BadInput(
                f"{opened.name} has the columns {list_columns(opened.columns)}", hint=hint
            )
        records = opened.read("label", "path", "text")
        parse = partial(_labelled_source, base=path.parent)
        return parse_each(records, parse, opened.name, "each row needs a label and a path")


def read_labelled_folder(
    folder: Path, *, deep: bool = False
) -> tuple[list[tuple[str, Path | str]], list[Fault]]:
    """Return the (label, file) pairs of a folder per identity, and a fault per unusable folder.

    deep: folders within these are not a mistake. Raises BadInput if there is no pair, or if its
    only folder holds folders instead of samples.
    """
    pairs: list[tuple[str, Path | str]] = []
    faults: list[Fault] = []
    nested: list[str] = []
    for path in entries(folder):
        is_folder = os.path.isdir(path)
        try:
            label = normalise_label(path.name if is_folder else path.stem)
            files = [*files_under(path, inside=folder)] if is_folder else [path]
        except BadInput as error:
            faults.append(Fault(str(error), to_text(path)))
            continue
        if not files:
            faults.append(Fault("there is no sample in it", to_text(path)))
        elif is_folder and not deep and all(file.parent != path for file in files):
            nested.append(path.name)
        pairs += [(label, file) for file in files]
    if not pairs:
        reason = f"; {faults[0]}" if faults else ""
        raise BadInput(f"there is no file in {to_text(folder)}{reason}")
    _remark(folder, [label for label, _ in pairs], nested)
    return pairs, faults


def _remark(folder: Path, labels: Sequence[str], nested: Sequence[str]) -> None:
    """Log what may be a mistake: folders within folders, and labels that differ in case alone.

    Raises BadInput if all files would be of one identity for such a reason.
    """
    if nested and len({*labels}) == 1:
        inner = to_text(folder / nested[0])
        raise BadInput(
            f"the only folder in {to_text(folder)} holds folders, not samples",
            hint=f"give {inner}, if each folder in that is an identity",
        )
    if nested:
        log.warning(
            f"{len(nested):,} folders in {to_text(folder)} hold folders, such as {nested[0]}:"
            " all files below such a folder count as one identity"
        )
    spellings: dict[str, set[str]] = {}
    for label in labels:
        spellings.setdefault(label.casefold(), set()).add(label)
    for alike in spellings.values():
        if len(alike) > 1:
            names = " and ".join(map(repr, sorted(alike)))
            log.warning(f"{names} differ in case alone, and count as {len(alike)} identities")


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


def read_source_list(
    origin: str, stdin: TextIO, *, table: str | None = None, encoding: str | None = None
) -> tuple[list[Path | str], list[Fault]]:
    """Return what to embed: one path per line, JSON lines, or a table.

    JSON lines have "source" or "text", or "path", as a table has; such a path is relative to its
    list. A text comes as str, a file as Path; unusable lines are faults. table: of a database, or a
    sheet. encoding: of a list that is not UTF-8. Raises BadInput if no line can be used.
    """
    if origin == "-":
        return _parse_sources(open_stdin(stdin, ".txt", encoding), Path())
    path = Path(origin)
    if not path.is_file():
        hint = '--from takes a text file with one path per line, or JSON lines with "source"'
        raise BadInput(f"{to_text(path)} is not a file", hint=hint_for_absent(path) or hint)
    if path.suffix.lower() in (*CSV, *PARQUET, *SQLITE, *EXCEL):
        with open_table(path, table=table, encoding=encoding) as opened:
            if opened.find("path") or opened.find("source") or path.suffix.lower() not in CSV:
                return _parse_sources(opened, path.parent)
    with open_text(path, ".txt", encoding) as opened:
        return _parse_sources(opened, path.parent)


def _labelled_source(values: dict[str, Any], base: Path) -> tuple[str, Path | str]:
    label, fault = as_text(values["label"])
    if fault:
        raise ValueError(f"its label {fault}")
    path, text = values["path"], values["text"]
    if isinstance(path, str) and path.strip() not in MISSING:
        return label, base / path
    if isinstance(text, str):
        return label, text
    raise ValueError("there is no path")


def _parse_sources(table: Table, base: Path) -> tuple[list[Path | str], list[Fault]]:
    hint = 'write a path, {"source": "PATH"}, or {"text": "TEXT"}'
    records = table.read(*SOURCE_COLUMNS)
    return parse_each(records, partial(_source, base=base), table.name, hint)


def _source(values: dict[str, Any], base: Path) -> Path | str:
    line = values.get(BARE)
    if isinstance(line, str):
        if not line.lstrip().startswith("{"):
            return Path(line)
        fields = parse_object(line)
        values = {key: fields.get(find_column([*fields], key) or "") for key in SOURCE_COLUMNS}
    if isinstance(text := values.get("text"), str) and text.strip():
        return text
    if isinstance(source := values.get("source"), str) and source.strip() not in MISSING:
        return Path(source)
    if isinstance(path := values.get("path"), str) and path.strip() not in MISSING:
        return base / path
    raise ValueError('neither "source" nor "path" nor "text" in it')
