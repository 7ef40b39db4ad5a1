"""Which questions of a CSV ask the same? Prints the groups, and writes the rest to kept.csv.

python examples/duplicates.py [FILE.csv COLUMN]
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import siamkit as sk

QUESTIONS = Path(__file__).parent / "questions.csv"


def read(table: Path, column: str) -> tuple[list[list[str]], int]:
    """The rows, the header first, and where in them the column is."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise sk.BadInput(f"{table} cannot be read: {error}", hint="give a CSV file") from error
    header = rows[0] if rows else []
    if column not in header:
        raise sk.BadInput(
            f"{table} has no column {column!r}", hint=f"name one of: {', '.join(header) or 'none'}"
        )
    return rows, header.index(column)


def main(table: Path, column: str) -> None:
    (header, *rows), at = read(table, column)
    texts = [row[at] if at < len(row) else "" for row in rows]
    items = [sk.Item(line, str(line), text) for line, text in enumerate(texts, 2)]

    found = sk.Workspace().dedupe(items, modality="questions")
    for member in found.members:
        mark = "*" if member.canonical else " "
        print(f"group {member.group} {mark} line {member.item.line}: {member.item.shown}")
    for fault in found.faults:
        print(f"left out: {fault.error} (line {fault.line})", file=sys.stderr)

    doubles = {member.item.line for member in found.members if not member.canonical}
    kept = [row for line, row in enumerate(rows, 2) if line not in doubles]
    with Path("kept.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *kept])
    print(f"kept.csv has {len(kept)} of {len(rows)} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, nargs="?", default=QUESTIONS)
    parser.add_argument("column", nargs="?", default="question")
    given = parser.parse_args()
    try:
        main(given.table, given.column)
    except sk.SiamkitError as error:
        print(f"Error: {error}\nHint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
