"""Tables as records: what every table reader returns, whatever the format."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from siamkit.errors import BadInput
from siamkit.io.sources import shorten
from siamkit.types import Fault

LINES, CSV, JSON_LINES = (".txt",), (".csv", ".tsv"), (".jsonl", ".ndjson")
PARQUET, SQLITE = (".parquet", ".pq"), (".db", ".sqlite", ".sqlite3")
EXCEL = (".xlsx", ".xlsm")
READABLE = (*LINES, *CSV, *JSON_LINES, *PARQUET, *SQLITE, *EXCEL)
BARE = ""  # the column of a line of text, and of a JSON string that is not in an object
BAD_LINES = 20  # that one message names

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a table. `line` counts from 1; Parquet and SQLite count rows, not lines."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)  # by column; empty if there is an error
    error: str = ""


ReadColumns: TypeAlias = Callable[[Sequence[str]], Iterator[Record]]


@dataclass(frozen=True, slots=True)
class Table:
    """An open table.

    `columns` of JSON lines are the keys of the first object; keys of later objects are added as
    they are read, since each object brings its own.
    """

    name: str  # for messages: the file, or "standard input"
    columns: list[str]
    read_columns: ReadColumns
    has_header: bool = True  # every row has exactly these columns

    def find(self, name: str) -> str | None:
        """Return the column of a name as the table spells it; None if there is none.

        Case and blanks do not count. Raises BadInput if two columns have the name.
        """
        try:
            return find_column(self.columns, name)
        except ValueError as error:
            raise BadInput(f"{self.name} {error}", hint="rename one of them") from error

    def read(self, *columns: str) -> Iterator[Record]:
        """Yield each row with its values in these columns, None where there is no such column.

        Empty lines are skipped. Raises BadInput if two columns have one of these names.
        """
        if not self.has_header:  # each row has columns of its own
            yield from self.read_columns(columns)
            return
        spelt = {column: self.find(column) for column in columns}
        for record in self.read_columns([c for c in spelt.values() if c is not None]):
            if record.error:
                yield record
                continue
            values = {c: None if s is None else record.values[s] for c, s in spelt.items()}
            yield Record(record.line, values)


def find_column(columns: Sequence[str], name: str) -> str | None:
    """Return the column that is spelt like a name, or else the one that reads like it.

    Case, and blanks around it, do not count. Raises ValueError if several columns do.
    """
    exact = [column for column in columns if column == name]
    alike = exact or [column for column in columns if _folded(column) == _folded(name)]
    if len(alike) > 1:
        raise ValueError(f"has two columns {name!r}")
    return alike[0] if alike else None


def _folded(column: str) -> str:
    return unicodedata.normalize("NFKC", column).strip("\ufeff\u200b \t\r\n").casefold()


def parse_each(
    records: Iterable[Record], parse: Callable[[dict[str, Any]], T], name: str, hint: str
) -> tuple[list[T], list[Fault]]:
    """Return each record as `parse` reads its values, and the faults of the others.

    A ValueError or BadInput of `parse` is that line's fault. Raises BadInput, naming the first
    BAD_LINES of them, if no record can be used.
    """
    parsed, faults = [], []
    for record in records:
        try:
            if record.error:
                raise ValueError(record.error)
            parsed.append(parse(record.values))
        except (ValueError, BadInput) as error:
            faults.append(Fault(str(error), line=record.line))
    if faults and not parsed:
        raise _bad_lines(name, faults, hint)
    return parsed, faults


def parse_all(
    records: Iterable[Record], parse: Callable[[dict[str, Any]], T], name: str, hint: str
) -> list[T]:
    """Return what `parse_each` does, for readers that accept a table as a whole.

    Raises BadInput, naming the first BAD_LINES faults.
    """
    parsed, faults = parse_each(records, parse, name, hint)
    if faults:
        raise _bad_lines(name, faults, hint)
    return parsed


def _bad_lines(name: str, faults: Sequence[Fault], hint: str) -> BadInput:
    if len(faults) == 1:
        return BadInput(f"{name}, {faults[0]}", hint=hint)
    descriptions = [str(fault) for fault in faults[:BAD_LINES]]
    if len(faults) > BAD_LINES:
        descriptions.append(f"… and {len(faults) - BAD_LINES:,} more")
    return BadInput(f"{name} has {len(faults):,} bad lines: {'; '.join(descriptions)}", hint=hint)


def choose_part(
    kind: str, part: str | None, names: Sequence[str], usual: Sequence[str], file_name: str
) -> str:
    """Return the part of a file to read: the one that is named, or else the only usual one.

    kind: of the parts, "table" or "sheet". Raises BadInput if the choice is not clear.
    """
    if part in names:
        return str(part)
    if part is None and len(usual) == 1:
        return usual[0]
    problem = f"no {kind} {part!r} in" if part else f"several {kind}s, or none, in"
    raise BadInput(f"{problem} {file_name}", hint=f"give `--table`, one of: {list_columns(names)}")


@contextmanager
def refusing(problem: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn errors of the library that reads a file into BadInput."""
    try:
        yield
    except BadInput:
        raise
    except errors as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{problem}: {reason}") from error


def list_columns(columns: Iterable[str]) -> str:
    """Return the columns of a table for a message."""
    return shorten(", ".join(columns)) or "none"
