"""Which questions of a CSV ask the same? Prints the groups, and writes the rest to kept.csv.

python examples/duplicates.py [FILE.csv COLUMN]
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import siamkit as sk


def main(table: Path, column: str) -> None:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or column not in rows[0]:
        raise sk.BadInput(
            f"{table} has no column {column!r}", hint="python duplicates.py FILE COLUMN"
        )
    items = [sk.Item(line, str(line), row[column]) for line, row in enumerate(rows, 2)]

    found = sk.Workspace().dedupe(items, modality="questions")
    for member in found.members:
        mark = "*" if member.canonical else " "
        print(f"group {member.group} {mark} line {member.item.line}: {member.item.shown}")
    for fault in found.faults:
        print(f"left out: {fault.error} (line {fault.line})", file=sys.stderr)

    doubles = {member.item.line for member in found.members if not member.canonical}
    with Path("kept.csv").open("w", encoding="utf-8", newline="") as file:
        kept = csv.DictWriter(file, list(rows[0]))
        kept.writeheader()
        kept.writerows(row for line, row in enumerate(rows, 2) if line not in doubles)
    print(f"kept.csv has {len(rows) - len(doubles)} of {len(rows)} rows")


if __name__ == "__main__":
    given = sys.argv[1:] or [str(Path(__file__).parent / "questions.csv"), "question"]
    try:
        main(Path(given[0]), given[1])
    except sk.SiamkitError as error:
        raise SystemExit(f"Error: {error}\nHint: {error.hint}") from error
    except OSError as error:
        raise SystemExit(f"Error: {error.filename}: {error.strerror}") from error
