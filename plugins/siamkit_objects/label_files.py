"""Read the names of a detector's classes: one per line, JSON, or the YAML of YOLO's data files."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.sdk.files import read_text

STRUCTURED = (".json", ".yaml", ".yml")


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels in the order of the classes.

    A text file has one per line; blank lines at its end do not count. JSON and YAML have a list, or
    a mapping of the numbers from 0, by itself or under the key "names". Raises BadInput, naming the
    file, for anything else.
    """
    import yaml

    text = read_text(path)
    if path.suffix.lower() not in STRUCTURED and text.lstrip()[:1] not in ("[", "{"):
        names: Any = text.rstrip().splitlines()
    else:
        try:  # JSON is YAML; this loader makes texts of everything, so a class may be called "no"
            names = yaml.load(text, yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise BadInput(f"{path} holds no labels: {reason}") from error
        names = names.get("names", names) if isinstance(names, dict) else names
    try:
        return _in_order(names)
    except ValueError as error:
        raise BadInput(f"{path} holds no labels: {error}") from error


def parse_names(literal: str) -> tuple[str, ...]:
    """Return the labels of the Python literal that exports keep as `names`. Raises ValueError."""
    try:
        return _in_order(ast.literal_eval(literal))
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{literal[:60]!r} is not a list of names") from error


def _in_order(names: Any) -> tuple[str, ...]:
    """Return a list of names, or a mapping of the numbers from 0, as labels. Raises ValueError."""
    if isinstance(names, dict):
        by_number = {int(number): name for number, name in names.items()}
        if sorted(by_number) != list(range(len(names))):
            raise ValueError(f"its numbers are not 0 to {len(names) - 1}")
        names = [by_number[number] for number in range(len(names))]
    if not isinstance(names, list | tuple) or not names:
        raise ValueError("there is no list of names")
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of class {number} is empty or not a text")
    return tuple(name.strip() for name in names)
