"""Read the quantities of a text: numbers in digits and words, with sign, unit, bound and order.

1,000 is 1000 and "one thousand", XIV is the 14th, and ½ is half.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from siamkit_questions import lexicon
from siamkit_questions.quantity_scan import (
    Quantity,
    Reading,
    Scan,
    bound_of,
    roman,
    scale,
    spelled,
    unit_around,
)
from siamkit_questions.quantity_words import (
    CONNECTORS,
    DECADES,
    FRACTIONS,
    MONTHS,
    ORDINALS,
    SCALES,
    VERSIONED,
)

_VULGAR = re.compile(r"(?<=\d)(?=[¼½¾⅐-⅞])")
_DASHES = str.maketrans(dict.fromkeys("−‐‑‒–", "-") | {"⁄": "/", "×": "*", "÷": "/", "·": "*"})
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?|" + "|".join(f"(?:{word})" for word in ORDINALS)
_TOKEN = re.compile(
    rf"""(?P<iso>(?<![\d-])\d{{4}}-\d{{1,2}}-\d{{1,2}}(?![\d-]))
    |(?P<dmy>(?<![\d.])\d{{1,2}}(?P<mark>[./-])\d{{1,2}}(?P=mark)\d{{4}}(?!\d))
    |(?P<daymonth>\b(?:{_DAY})(?:\ of)?\ (?:{_MONTH})\b(?:,?\ \d{{4}}\b)?)
    |(?P<monthday>\b(?:{_MONTH})\.?\ (?:the\ )?(?:{_DAY})\b(?![:.]\d)(?:,?\ \d{{4}}\b)?)
    |(?P<clock>(?<![\d:.])\d{{1,2}}(?:[:.]\d{{2}})?\ ?[ap]\.?m\b\.?
        |(?<![\d:])\d{{1,2}}[:h]\d{{2}}(?![\d:]))
    |(?P<height>\d'\ ?\d{{1,2}}(?!\d))
    |(?P<past>(?:half|quarter)\ (?:past|to)\ [a-z]+)
    |(?P<decade>(?<![\d-])(?:\d\d)?\d0'?s\b)
    |(?P<version>\d+(?:\.\d+){{2,}})
    |(?P<fraction>(?<![\d/.,])(?:\d+\ )?\d+/\d+(?![\d/.,]))
    |(?P<grouped>(?<![\d.,])\d{{1,3}}(?:(?:,\d{{2,3}})*,\d{{3}}|(?:[ \u202f]\d{{3}})+)
        (?:\.\d+)?(?![\d,]))
    |(?P<decimal>\d+\.\d+|\d+,\d{{1,2}}(?!\d)|(?<![\w.])\.\d+)
    |(?P<digits>\d+)
    |(?P<word>[^\W\d_]+(?:'[^\W\d_]+)?)
    |(?P<sign>>=|<=|[^\s\w])""",
    re.VERBOSE | re.IGNORECASE,
)
# No number, in digits or words, is in a text without a match.
_ANY = re.compile(
    r"\d|[¼½¾⅐-⅞Ⅰ-Ⅿ]|\b[IVXL]+\b|(?i:\b(?:"
    + "|".join((*lexicon.SMALL, *lexicon.TENS, *SCALES, *ORDINALS, *DECADES, *FRACTIONS))
    + r"|twice|thrice)\b)"
)


@lru_cache(maxsize=4_096)
def clean(text: str) -> str:
    """Return a text with one form of digits, fractions and dashes."""
    spaced = _VULGAR.sub(" ", text)
    one_form = unicodedata.normalize("NFKC", spaced).translate(_DASHES).replace("’", "'")
    return re.sub(r"(\d)\(k\)", r"\1k", one_form)


@lru_cache(maxsize=65_536)
def read(text: str, *, split: bool = False) -> tuple[Quantity, ...]:
    """Return the quantities of a text in order. split: read 3/4 as two numbers, as in 140/90."""
    if not _ANY.search(text):
        return ()
    text = clean(text)
    if split:
        text = spaced(text)
    scan = Scan(text, list(_TOKEN.finditer(text)))
    at = 0
    while at < len(scan.tokens):
        at = _take(scan, at)
    return tuple(scan.found)


def spaced(text: str) -> str:
    """Return a text with blanks around the bars of fractions, but not of dates."""
    return re.sub(r"(?<![\d/])(\d+)/(\d+)(?![\d/])", r"\1 / \2", text)


def between(text: str, left: Quantity, right: Quantity) -> frozenset[str]:
    """Return what may be meant by the words between two neighbours: range, minus, …"""
    middle = " ".join(clean(text)[left.stop : right.start].lower().split())
    return CONNECTORS.get(middle, frozenset())


def _take(scan: Scan, at: int) -> int:
    """Add the quantity that begins at a token, if one does; return the next token."""
    token = scan.tokens[at]
    kind = token.lastgroup or ""
    if kind in ("iso", "dmy", "daymonth", "monthday"):
        readings = _dates(kind, token[0])
        if readings:
            _append(scan, at, readings)
        return at + 1
    if kind == "height":
        feet, inches = re.findall(r"\d+", token[0])
        reading: Reading = ("number", Fraction(int(feet) * 12 + int(inches)))
        _append(scan, at, frozenset({reading}), unit="inch")
        return at + 1
    if kind in ("clock", "past"):
        readings = _times(kind, token[0].lower())
        if readings:
            _append(scan, at, readings)
            return at + 1
    if kind == "decade":
        _append(scan, at, frozenset({("decade", int(re.sub(r"\D", "", token[0])))}))
        return at + 1
    if kind in ("version", "fraction", "grouped", "decimal", "digits"):
        return _take_digits(scan, at, kind)
    return _take_word(scan, at) if kind == "word" else at + 1


def _append(scan: Scan, at: int, readings: frozenset[Reading], unit: str = "") -> None:
    """Add the quantity of one token."""
    token, bound = scan.tokens[at], bound_of(scan, at, at)
    scan.found.append(Quantity(readings, token[0], token.start(), token.end(), unit, "", bound))


def _dates(kind: str, text: str) -> frozenset[Reading]:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if kind == "iso":
        dates: set[tuple[int | None, int, int]] = {(numbers[0], numbers[1], numbers[2])}
    elif kind == "dmy":
        first, second, year = numbers
        dates = {(year, second, first), (year, first, second)}
    else:
        words = re.findall(r"[a-z]+", text.lower())
        month = next(MONTHS[word] for word in words if word in MONTHS)
        if "may" in words and "May" not in text:
            return frozenset()
        days = [number for number in numbers if number < 32]
        days += [int(ORDINALS[word]) for word in words if word in ORDINALS]
        years: list[int | None] = [number for number in numbers if number > 31] or [None]
        dates = {(years[0], month, day) for day in days[:1]}
    return frozenset(("date", d) for d in dates if 1 <= d[1] <= 12 and 1 <= d[2] <= 31)


def _times(kind: str, text: str) -> frozenset[Reading]:
    if kind == "past":
        part, side, word = text.split()
        if word not in lexicon.SMALL or not 1 <= lexicon.SMALL[word] <= 12:
            return frozenset()
        minutes = {"half": 30, "quarter": 15}[part] * (1 if side == "past" else -1)
        hours, noon = lexicon.SMALL[word], ""
    else:
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        hours, minutes = numbers[0], numbers[1] if len(numbers) > 1 else 0
        noon = next((letter for letter in "ap" if letter in text), "")
    if hours > 24 or minutes > 59:
        return frozenset()
    halves = {"a": [0], "p": [12]}.get(noon, [0, 12] if hours <= 12 else [0])
    base = hours % 12 if hours <= 12 else hours
    return frozenset(("time", ((base + half) * 60 + minutes) % 1440) for half in halves)


def _take_digits(scan: Scan, at: int, kind: str) -> int:
    token = scan.tokens[at]
    text, start = token[0], token.start()
    readings = _readings(kind, text)
    value = next((v for k, v in readings if k == "number" and isinstance(v, Fraction)), None)
    after = scan.word(at + 1)
    ordinal = scan.joined(at + 1) and after in ("st", "nd", "rd", "th")
    if ordinal:
        at += 1
    elif value is not None:
        at, value = scale(scan, at, value)
        if kind == "digits" and (years := _short_year(scan, at, value)):
            value = years
        if kind != "decimal" or ("number", value) not in readings:
            readings = frozenset({("number", value)})
    if kind == "decimal" and _is_version(scan, token, at):
        readings = frozenset(r for r in readings if r[0] == "version")
    negative, start = _sign(scan, at, token.start())
    if negative and value is not None:
        readings = frozenset({("number", -value)})
    text, stop = scan.text[start : scan.tokens[at].end()], scan.tokens[at].end()
    quantity = Quantity(frozenset(readings), text, start, stop, ordinal=ordinal)
    return _finish(scan, at, quantity)


def _readings(kind: str, text: str) -> frozenset[Reading]:
    if kind == "version":
        return frozenset({("version", tuple(text.split(".")))})
    if kind == "fraction":
        whole, _, part = text.rpartition(" ")
        top, bottom = part.split("/")
        value = Fraction(int(top), int(bottom) or 1) + int(whole or 0)
        return frozenset({("number", value)})
    if kind == "grouped":
        return frozenset({("number", Fraction(re.sub(r"[^\d.]", "", text)))})
    if kind == "decimal":
        whole, tail = re.split(r"[.,]", text)
        number = Fraction(f"{whole or 0}.{tail}")
        return frozenset({("number", number), ("version", (whole or "0", tail))})
    return frozenset({("number", Fraction(text))})


def _short_year(scan: Scan, at: int, value: Fraction) -> Fraction | None:
    """Return 2018 for the 18 in 2017-18."""
    if not (scan.found and value < 100 and scan.word(at - 1) == "-" and scan.joined(at)):
        return None
    before = scan.found[-1].text
    is_year = len(before) == 4 and before.isdigit() and len(scan.tokens[at][0]) == 2
    year = int(before[:2]) * 100 + value if is_year else Fraction(0)
    return year if is_year and year > int(before) else None


def _is_version(scan: Scan, token: re.Match[str], at: int) -> bool:
    number = scan.tokens.index(token)
    before = scan.tokens[number - 1][0] if number else ""
    if before in ("/", "-") and number > 1:
        before = scan.tokens[number - 2][0]
    if scan.word(at + 1) in lexicon.UNITS or not before[:1].isalpha():
        return False
    is_name = any(letter.isupper() for letter in before) and number > 1
    return is_name or before.lower() in VERSIONED


def _sign(scan: Scan, at: int, start: int) -> tuple[bool, int]:
    """True for a negative number; also the place at which it starts, sign included."""
    number = next(i for i in range(at, -1, -1) if scan.tokens[i].start() <= start)
    before = scan.word(number - 1)
    if before in ("$", "€", "£"):
        number, before = number - 1, scan.word(number - 2)
    follows_number = bool(scan.found) and scan.found[-1].stop >= scan.tokens[number - 2].end()
    follows_number = follows_number and number > 1
    if before in ("minus", "negative"):
        return (not follows_number, start if follows_number else scan.tokens[number - 1].start())
    if before != "-" or not scan.joined(number):
        return False, start
    is_zone = scan.word(number - 2) in ("utc", "gmt")
    touches = scan.joined(number - 1) and scan.tokens[number - 2][0][-1:] not in "([=:,"
    if number > 1 and touches and not is_zone:
        return False, start  # 3-5, F-16
    return True, scan.tokens[number - 1].start()


def _take_word(scan: Scan, at: int) -> int:
    token, word = scan.tokens[at], scan.word(at)
    if (numeral := roman(scan, at)) is not None:
        _append(scan, at, frozenset({("number", Fraction(numeral))}))
        return at + 1
    if word in DECADES:
        _append(scan, at, frozenset({("decade", DECADES[word])}))
        return at + 1
    start = token.start()
    parsed = spelled(scan, at)
    if parsed is None:
        return at + 1
    at, value, ordinal, weak = parsed
    negative, start = _sign(scan, at, start)
    text = scan.text[start : scan.tokens[at].end()]
    signed = -value if negative else value
    reading = frozenset({("number", signed)})
    quantity = Quantity(
        reading, text, start, scan.tokens[at].end(), ordinal=ordinal, weak=weak and not negative
    )
    return _finish(scan, at, quantity)


def _finish(scan: Scan, at: int, quantity: Quantity) -> int:
    """Add a quantity with the unit, rate and bound around it; return the next token."""
    first = next(i for i, t in enumerate(scan.tokens) if t.end() > quantity.start)
    unit, last = unit_around(scan, first, at)
    rate = ""
    if scan.word(last + 1) in ("a", "an", "per", "each", "/"):
        rate = lexicon.UNITS.get(scan.word(last + 2), "")
    end = scan.tokens[last].end()
    stop = end if unit else quantity.stop
    bound = bound_of(scan, first, last)
    after = scan.text[quantity.stop : stop]
    scan.found.append(
        replace(quantity, unit=unit, rate=rate, bound=bound, stop=stop, unit_text=after)
    )
    return last + 1
