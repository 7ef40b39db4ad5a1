r"""Print what is somebody else's: labels, file names, sources, plugins' names, libraries' messages.

Such text may hold characters that move the cursor, change the title of a terminal, reverse the
order of what follows, or cannot be seen at all. `printable` writes these as escapes (`\x1b`,
`\u202e`). Everything that siamkit prints or puts on a page passes it. Spreadsheet programs run some
cells as formulas: `csv_cell` defuses those, and `original_cell` reverses it.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

# Control characters, format characters, fillers without a glyph, separators of lines, surrogates.
_DECEIVING = (
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Scripts that need joiners and non-joiners to be spelt: Arabic to Sinhala, Myanmar, Khmer, …
_JOINING = r"\u0600-\u061b\u061d-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff\u1820-\u18aa"
_VIRAMAS = r"\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca\u1039\u17d2"
_EMOJI = r"\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299"
_EMOJI += r"\U0001f000-\U0001faff"
_IDEOGRAPHS = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# What is of the above, but spells a word or an emoji where it stands.
_SPELLING = "|".join(
    (
        rf"(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])",
        rf"(?<=[{_VIRAMAS}])[\u200c\u200d]",
        rf"(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])",
        rf"(?<=[{_EMOJI}{_IDEOGRAPHS}])[\ufe00-\ufe0f\U000e0100-\U000e01ef]",
        r"(?<=[0-9#*])\ufe0f(?=\u20e3)",  # keycaps
        r"(?<=\U0001f3f4)[\U000e0030-\U000e007a]{1,6}\U000e007f",  # flags of England, Scotland, …
        r"(?<=[\u1820-\u18aa])[\u180b-\u180f]",  # Mongolian
    )
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# What makes a spreadsheet program see a formula, behind spaces and quotes; a number does not.
_BEFORE = r"""[\s"'`\x00-\x1f\ufeff\u200b\u2018\u2019\u201c\u201d]*"""
_FORMULA = _BEFORE + r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_STARTS = r"[\t\r\n]"
_NUMBER = r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?"
CELL_MARK = "'"


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return a text with every character that could deceive as an escape: `\x1b`, `\u202e`.

    Line breaks and tabs are escaped too, unless `lines`. Joiners and selectors stay where they
    spell a word or an emoji. Backslashes stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text

    def escape(match: re.Match[str]) -> str:
        char = match[0]
        if match["spelling"] or (lines and char in "\n\t"):
            return char
        number = ord(char)
        if number < 0x100:
            return _SHORT.get(char, f"\\x{number:02x}")
        return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"

    return _deceiving().sub(escape, text)


def blank(text: str) -> str:
    """Return a text on one line, with spaces in place of what `printable` escapes."""
    spaced = _deceiving().sub(lambda match: match["spelling"] or " ", text)
    return " ".join(spaced.split())


def json_text(data: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return JSON that reads back exactly, and in which no character acts on a terminal."""

    def escape(match: re.Match[str]) -> str:
        if match["spelling"] or match[0] == "\n":  # JSON has line breaks only between values
            return match[0]
        return json.dumps(match[0])[1:-1] if ord(match[0]) != 0x7F else r"\u007f"

    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
    if text.isascii() and "\x7f" not in text:  # JSON escapes all other control characters
        return text
    return _deceiving().sub(escape, text)


def csv_cell(value: Any) -> Any:
    """Return a cell's value; a text that is a formula to a spreadsheet program begins with `'`."""
    return CELL_MARK + value if isinstance(value, str) and _is_formula(value) else value


def original_cell(text: str) -> str:
    """Return the text of a cell that `csv_cell` has written."""
    return text[1:] if text.startswith(CELL_MARK) and _is_formula(text[1:]) else text


def _is_formula(text: str) -> bool:
    if not text or text[0].isalnum():
        return False
    return _formula().match(text) is not None and _number().fullmatch(text) is None


@cache
def _deceiving() -> re.Pattern[str]:
    return re.compile(f"(?P<spelling>{_SPELLING})|[{_DECEIVING}]")


@cache
def _formula() -> re.Pattern[str]:
    return re.compile(f"{_STARTS}|{_FORMULA}")


@cache
def _number() -> re.Pattern[str]:
    return re.compile(_NUMBER, re.ASCII)


def clock(seconds: float) -> str:
    """Format seconds as 1:02:03, or 2:03 below one hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
