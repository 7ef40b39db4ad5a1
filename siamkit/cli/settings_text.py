"""Read settings of training from the command line: KEY=VALUE, and KEY=VALUE,VALUE,… of a sweep."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from siamkit.errors import BadInput

OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Split 'margin=0.3' into key and value."""
    return dict(_pair("--set", setting, "margin=0.3") for setting in settings)


def parse_grid(sweeps: Iterable[str]) -> dict[str, list[Any]]:
    """Split 'margin=0.1,0.2' into key and values. Raises BadInput for a key that is given twice."""
    grid: dict[str, list[Any]] = {}
    for sweep in sweeps:
        key, text = _split("--sweep", sweep, "margin=0.1,0.2")
        if key in grid:
            raise BadInput(f"--sweep {key} is given twice", hint="name all values in one option")
        grid[key] = [_value(part) for part in _parts(text)]
    return grid


def _pair(option: str, setting: str, example: str) -> tuple[str, Any]:
    key, text = _split(option, setting, example)
    return key, _value(text)


def _split(option: str, setting: str, example: str) -> tuple[str, str]:
    key, sign, text = setting.partition("=")
    if not sign:
        raise BadInput(f"{option} {setting!r} has no value", hint=f"write `{option} {example}`")
    return key.strip(), text


def _value(text: str) -> Any:
    """Return a value of TOML, or else plain text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML; ValueError: a number of 5,000 digits
        return text.strip()


def _parts(text: str) -> list[str]:
    """Split at the commas that are in no bracket and no quotes; drop what is empty."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in QUOTES:
            quote = character
        elif character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth -= 1
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]
