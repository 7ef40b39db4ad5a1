"""Tables as records: what every table reader returns, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from siamkit.errors import BadInput
from siamkit.io.sources import shorten

MAX_FIELD_CHARS = 1_000_000  # characters of one field; longer ones are a missing quotation mark
LINES, CSV, JSON_LINES = (".txt",), (".csv", ".tsv"), (".jsonl", ".ndjson")
PARQUET, SQLITE = (".parquet", ".pq"), (".db", ".sqlite", ".sqlite3")
READABLE = (*LINES, *CSV, *JSON_LINES, *PARQUET, *SQLITE)
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

    def read(self, *columns: str) -> Iterator[Record]:
        """Yield each row with its values in these columns, None where there is no such column.

        Empty lines are skipped. Raises BadInput if two columns have one of these names.
        """
        for column in columns:
            if self.columns.count(column) > 1:
                raise BadInput(f"{self.name} has two columns {column!r}", hint="rename one of them")
        yield from self.read_columns(columns)


def parse_all(
    records: Iterable[Record], parse: Callable[[dict[str, Any]], T], name: str, hint: str
) -> list[T]:
    """Return each record as `parse` reads its values, for readers that accept a table as a whole.

    A ValueError or BadInput of `parse` is that line's fault. Raises BadInput, naming the first
    BAD_LINES of them.
    """
    parsed, faults = [], []
    for record in records:
        try:
            if record.error:
                raise ValueError(record.error)
            parsed.append(parse(record.values))
        except (ValueError, BadInput) as error:
            faults.append((record.line, str(error)))
    if faults:
        raise _bad_lines(name, faults, hint)
    return parsed


def _bad_lines(name: str, faults: Sequence[tuple[int, str]], hint: str) -> BadInput:
    if len(faults) == 1:
        return BadInput(f"{name}, line {faults[0][0]}: {faults[0][1]}", hint=hint)
    descriptions = [f"line {line}: {fault}" for line, fault in faults[:BAD_LINES]]
    if len(faults) > BAD_LINES:
        descriptions.append(f"… and {len(faults) - BAD_LINES:,} more")
    return BadInput(f"{name} has {len(faults):,} bad lines: {'; '.join(descriptions)}", hint=hint)


def list_columns(columns: Iterable[str]) -> str:
    """Return the columns of a table for a message."""
    return shorten(", ".join(columns)) or "none"
