"""Find questions in a CSV that ask the same: print the groups, keep one of each in kept.csv.

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
    """Return the rows, the header first, and the position of the column in them."""
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
    (header, *rows), position = read(table, column)
    texts = [row[position] if position < len(row) else "" for row in rows]
    items = [sk.Item(line, str(line), text) for line, text in enumerate(texts, 2)]

    result = sk.Workspace().dedupe(items, modality="questions")
    for member in result.members:
        mark = "*" if member.canonical else " "
        print(f"group {member.group} {mark} line {member.item.line}: {member.item.shown}")
    for fault in result.faults:
        print(f"left out: {fault}", file=sys.stderr)

    duplicates = {member.item.line for member in result.members if not member.canonical}
    unique = [row for line, row in enumerate(rows, 2) if line not in duplicates]
    with Path("kept.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *unique])
    print(f"kept.csv has {len(unique)} of {len(rows)} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, nargs="?", default=QUESTIONS)
    parser.add_argument("column", nargs="?", default="question")
    options = parser.parse_args()
    try:
        main(options.table, options.column)
    except sk.SiamkitError as error:
        print(f"Error: {error}\nHint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
