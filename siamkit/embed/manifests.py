"""Lists of sources: a folder per identity, a CSV manifest, JSON lines, one path a line."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from siamkit.embed.batches import Job
from siamkit.errors import BadInput
from siamkit.io.sources import files_under, short, to_text
from siamkit.io.table_read import JSON_LINES, Columns, Row, rows
from siamkit.store.samples import LONGEST_LABEL


def labelled(origin: str, stdin: TextIO) -> list[tuple[str, Path | str]]:
    """(label, source) pairs from a folder, a CSV file, a JSON-lines file, or `-`: JSON lines.

    In a folder, each folder directly in it is an identity and holds its files, at any depth; a
    file directly in it is an identity by itself, named after the file. A CSV has the columns
    label and path, and paths are relative to it. JSON lines are {"label", "path"} or, for
    text, {"label", "text"}. Raises BadInput, naming the line, for what is none of these.
    """
    if origin == "-":
        return list(_json_pairs(_utf8(stdin), "standard input", Path()))
    path = Path(origin)
    if path.is_dir():
        found: list[tuple[str, Path | str]] = [(_label(path, f), f) for f in files_under(path)]
        if not found:
            raise BadInput(f"there is no file in {to_text(path)}")
        return found
    if not path.is_file():
        raise BadInput(
            f"{to_text(path)} is neither a folder nor a file",
            hint="--from takes a folder per identity, a CSV (label,path), JSON lines, or -",
        )
    with _text(path) as file:
        if path.suffix in JSON_LINES:
            return list(_json_pairs(file, to_text(path), path.parent))
        return list(_csv_pairs(file, path))


def records(
    path: Path,
    check: Callable[[Sequence[str]], None],
    broken: Callable[[int, str], None] | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, values by column) of a CSV file, whose columns `check` may refuse, or JSON lines.

    broken: is told of lines that are no JSON object, and why. Raises BadInput, naming the line, for
    what is neither, if nobody is to be told.
    """
    with _text(path) as file:
        if path.suffix in JSON_LINES:
            for number, line in _lines(file):
                try:
                    row = _object(line, f"{to_text(path)}, line {number}")
                except BadInput as error:
                    if broken is None:
                        raise
                    broken(number, str(error).partition(f"line {number}: ")[2])
                    continue
                yield number, row
        else:
            yield from _csv_records(file, to_text(path), check)


def labelled_rows(
    origin: str, stdin: TextIO, columns: Columns
) -> tuple[list[tuple[str, str]], list[Row]]:
    """(label, text) of each row of a table, and the rows that have no text, with the reason.

    The label is the row's id, or the text itself where there is none.
    """
    good, bad = [], []
    for row in rows(origin, stdin, columns):
        if row.error:
            bad.append(row)
        else:
            good.append((as_label(row.text) if row.id is None else row.id, row.text))
    return good, bad


def as_label(text: str) -> str:
    """A text as its own label: on one line, and if it is long its beginning and a checksum."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) <= LONGEST_LABEL:
        return line
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{line[: LONGEST_LABEL - 10].rstrip()}… {digest}"


def jobs(origin: str, stdin: TextIO) -> list[Job]:
    """What to embed: a text file with one path a line, or JSON lines with "source" or "text"."""
    if origin == "-":
        return [_job(line, f"standard input, line {n}") for n, line in _lines(_utf8(stdin))]
    path = Path(origin)
    if not path.is_file():
        raise BadInput(
            f"{to_text(path)} is not a file",
            hint='--from takes a text file with a path a line, or JSON lines with "source"',
        )
    with _text(path) as file:
        return [_job(line, f"{to_text(path)}, line {n}") for n, line in _lines(file)]


def _label(folder: Path, file: Path) -> str:
    first, *rest = file.relative_to(folder).parts
    return first if rest else file.stem


def _csv_pairs(file: TextIO, path: Path) -> Iterator[tuple[str, Path | str]]:
    def check(columns: Sequence[str]) -> None:
        if not {"label", "path"} <= set(columns):
            raise BadInput(
                f"{to_text(path)} has the columns {short(', '.join(columns))[:80] or 'none'}",
                hint="its first line must name label and path; for texts, add --column NAME",
            )

    for line, row in _csv_records(file, to_text(path), check):
        if not row["path"]:
            raise BadInput(f"{to_text(path)}, line {line}: there is no path")
        yield row["label"] or "", path.parent / row["path"]


def _csv_records(
    file: TextIO, shown: str, check: Callable[[Sequence[str]], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(2**31 - 1)  # a label that is too long is that row's fault alone
    tabs = Path(shown).suffix == ".tsv"
    reader = csv.DictReader(file, strict=True, delimiter="\t" if tabs else ",")
    try:
        check(reader.fieldnames or [])
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BadInput(f"{shown}, line {reader.line_num}: {error}") from error


def _json_pairs(file: TextIO, name: str, base: Path) -> Iterator[tuple[str, Path | str]]:
    for number, line in _lines(file):
        data = _object(line, f"{name}, line {number}")
        label, path, text = data.get("label"), data.get("path"), data.get("text")
        if not isinstance(label, str) or not (isinstance(path, str) or isinstance(text, str)):
            raise BadInput(
                f"{name}, line {number}: no label and path in it",
                hint='write {"label": "alice", "path": "alice.jpg"}',
            )
        yield label, base / path if isinstance(path, str) else str(text)


def _job(line: str, where: str) -> Job:
    if not line.lstrip().startswith("{"):
        return Job(Path(line))
    data = _object(line, where)
    if isinstance(data.get("text"), str):
        return Job(data["text"], text=True)
    if isinstance(data.get("source"), str):
        return Job(Path(data["source"]))
    raise BadInput(f'{where}: neither "source" nor "text" in it')


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadInput(f"{where}: not a JSON object")
    return data


def _lines(file: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield number, line.strip("\r\n")


def _utf8(stdin: TextIO) -> TextIO:
    """Standard input read as a file would be."""
    if isinstance(stdin, TextIOWrapper):
        stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")
    return stdin


def _text(path: Path) -> TextIO:
    """UTF-8, with or without a mark; other bytes stay what they are, as in a path."""
    try:
        return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise BadInput(f"{to_text(path)} cannot be read: {error.strerror}") from error
