"""Fonts for labels in pictures: Pillow's own for ASCII, else an installed one with the letters."""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont

# Files that Pillow looks for where the system keeps its fonts, the most readable first.
FILES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "Nirmala.ttf",
    "NotoSansThai-Regular.ttf",
    "FreeSans.ttf",
    "unifont.otf",
)
NOT_A_CHARACTER = "\uffff"  # drawn as what a font has in place of a missing letter


def font_for(text: str, size: int) -> tuple[ImageFont.FreeTypeFont, str]:
    """Return a font with letters of `size` px, and the text as it can be written with it.

    Where no installed font has all letters, accents are left out: é becomes e.
    """
    if text.isascii():
        return _own_font(size), text
    for file in _installed():
        if _has_letters(file, text):
            return _open(file, size), text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode()
    return _own_font(size), plain


@cache
def _own_font(size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)  # type: ignore[return-value]


@cache
def _open(file: str, size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(file, size)


@cache
def _installed() -> tuple[str, ...]:
    """List the fonts that can be opened, that of matplotlib (if installed) among them."""
    matplotlib = importlib.util.find_spec("matplotlib")
    files = list(FILES)
    if matplotlib and matplotlib.origin:
        files.insert(
            1, str(Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / FILES[0])
        )
    return tuple(file for file in files if _can_open(file))


def _can_open(file: str) -> bool:
    try:
        _open(file, 12)
    except OSError:
        return False
    return True


def _has_letters(file: str, text: str) -> bool:
    font = _open(file, 12)
    missing = bytes(font.getmask(NOT_A_CHARACTER))
    return all(bytes(font.getmask(letter)) != missing for letter in set(text) if letter.strip())
