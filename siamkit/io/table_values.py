"""The meaning of a cell: text, a number, or nothing, whatever the table's format."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from siamkit.io.encodings import undecoded

MAX_FIELD_CHARS = 1_000_000  # characters of one field; longer ones are a missing quotation mark
# What spreadsheets and pandas write where there is no value. None of them names anybody.
MISSING = frozenset(
    (
        *("", "NA", "<NA>", "N/A", "n/a", "nan", "NaN", "-nan", "-NaN", "NULL", "null", "None"),
        *("#N/A", "#NA", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "NaT"),
    )
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)


def plain_text(value: Any) -> str | None:
    """Return a text, number or date as text: 5 and 5.0 as "5". None for anything else.

    numpy's numbers and texts count as Python's own. NaN is the empty text.
    """
    if isinstance(value, str):
        return str(value)  # a subclass, such as numpy's, as what it holds
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real | Decimal):
        if not math.isfinite(value):
            return "" if math.isnan(value) else None
        return str(int(float(value))) if float(value).is_integer() else str(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time.min:
        return value.date().isoformat()  # a spreadsheet's date
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else None


def as_name(value: Any, column: str) -> str:
    """Return the name of a sample in a table's column. Raises ValueError unless it is one."""
    if isinstance(value, str) and value.strip() and undecoded(value):
        return value  # a path may be any bytes
    text, fault = as_text(value)
    if fault:
        raise ValueError(f"{column} {fault}")
    return text


def as_text(value: Any) -> tuple[str, str]:
    """Return (text, "") of a table's value, or ("", fault). Numbers and dates count as text."""
    text = "" if value is None else plain_text(value)
    if text is None:
        return "", f"is not text, but {type(value).__name__}"
    if not text.strip():
        return "", "is empty"
    if text.strip() in MISSING:
        return "", f"is missing: {text.strip()}"
    if len(text) > MAX_FIELD_CHARS:
        return "", f"has more than {MAX_FIELD_CHARS:,} characters"
    fault = undecoded(text)
    return ("", fault) if fault else (text, "")


def as_number(value: Any) -> float:
    """Return a number, or a text such as "0.5" or "0,5". Raises ValueError for anything else."""
    if isinstance(value, str):
        text = value.strip()
        if "_" in text:  # Python's own notation
            raise ValueError(f"{text!r} is not a number")
        return float(text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text)
    if value is None or isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise ValueError(f"{value!r} is not a number")
    return float(value)
