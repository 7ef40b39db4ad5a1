"""Scan the tokens of a text for numbers in words, Roman numerals, units and bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from siamkit_questions import lexicon
from siamkit_questions.quantity_words import (
    BEFORE_LOWER,
    BEFORE_UPPER,
    FRACTIONS,
    LETTER_UNITS,
    ORDINALS,
    ROMAN_STARTS,
    SCALES,
)

Reading: TypeAlias = tuple[str, object]  # number, date, time, version or decade; and its value

_ROMAN = re.compile(r"(?=[IVXL])(XL|L?X{0,3})(IX|IV|V?I{0,3})")
_NO_ROMAN = frozenset({"L", "XL", "XXL", "LV", "LI", "MI", "LX"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity of a text."""

    readings: frozenset[Reading]
    text: str  # without its unit
    start: int  # characters of the text
    stop: int
    unit: str = ""
    rate: str = ""  # the unit in "per hour"
    bound: int = 0  # 1 for at least and more than, -1 for at most and less than
    ordinal: bool = False
    unit_text: str = ""  # what follows `text`
    weak: bool = False  # a word that need not be meant as a number: one, half, a couple

    @property
    def shown(self) -> str:
        """The quantity with its unit, for people."""
        return self.text + self.unit_text


@dataclass(slots=True)
class Scan:
    """The tokens of a text, and the quantities found so far."""

    text: str
    tokens: list[re.Match[str]]
    found: list[Quantity] = field(default_factory=list)

    def word(self, at: int) -> str:
        """Return a token in lower case; empty beyond the ends."""
        return self.tokens[at][0].lower() if 0 <= at < len(self.tokens) else ""

    def joined(self, at: int) -> bool:
        """True if no space lies before a token."""
        return 0 < at < len(self.tokens) and self.tokens[at - 1].end() == self.tokens[at].start()


def scale(scan: Scan, at: int, value: Fraction) -> tuple[int, Fraction]:
    """Multiply by the words that follow, million or k, and add 'and a half'."""
    while (word := scan.word(at + 1)) in SCALES and (len(word) > 1 or scan.joined(at + 1)):
        value, at = value * SCALES[word], at + 1
    money = scan.word(at - 1) in ("$", "€", "£", "₹")
    if money and scan.joined(at + 1) and scan.word(at + 1) in ("m", "b"):
        at, value = at + 1, value * (10**6 if scan.word(at + 1) == "m" else 10**9)
    if [scan.word(at + k) for k in (1, 2, 3)] == ["and", "a", "half"]:
        at, value = at + 3, value + Fraction(1, 2)
    return at, value


def spelled(scan: Scan, at: int) -> tuple[int, Fraction, bool, bool] | None:
    """Read a number in words: (its last token, value, is ordinal, is weak), or None."""
    word, after = scan.word(at), scan.word(at + 1)
    if word == "half":
        of = after in ("a", "an", "of", "the")
        return at, Fraction(1, 2), False, not of
    if word in ("a", "an") and after in FRACTIONS and scan.word(at + 2) == "of":
        return at + 1, FRACTIONS[after], False, False
    if word in ("a", "an") and after in SCALES and len(after) > 2:
        return (*scale(scan, at, Fraction(1)), False, False)
    if word == "dozen" or (word in ("twice", "thrice")):
        return at, Fraction({"dozen": 12, "twice": 2, "thrice": 3}[word]), False, True
    if word in ORDINALS:
        return at, Fraction(ORDINALS[word]), True, True
    if word not in lexicon.SMALL and word not in lexicon.TENS:
        return None
    start = at
    at, value = _below_hundred(scan, at)
    if scan.word(at + 1) in ORDINALS and value in lexicon.TENS.values():
        return at + 1, value + int(ORDINALS[scan.word(at + 1)]), True, False
    at = _skip_hyphen(scan, at, FRACTIONS)
    if scan.word(at + 1) in FRACTIONS:
        return at + 1, value * FRACTIONS[scan.word(at + 1)], False, False
    while scan.word(at + 1) in SCALES and len(scan.word(at + 1)) > 2:
        value, at = value * SCALES[scan.word(at + 1)], at + 1
        follow = at + 1 + (scan.word(at + 1) == "and")
        if scan.word(follow) in lexicon.SMALL or scan.word(follow) in lexicon.TENS:
            at, small = _below_hundred(scan, follow)
            value += small
    at, value = scale(scan, at, value)
    is_alone = at == start and word == "one" and after not in lexicon.UNITS
    return at, value, False, is_alone


def _skip_hyphen(scan: Scan, at: int, words: dict[str, Fraction]) -> int:
    return at + 1 if scan.word(at + 1) == "-" and scan.word(at + 2) in words else at


def _below_hundred(scan: Scan, at: int) -> tuple[int, Fraction]:
    word = scan.word(at)
    if word in lexicon.SMALL:
        return at, Fraction(lexicon.SMALL[word])
    value, follow = lexicon.TENS[word], at + 1 + (scan.word(at + 1) == "-")
    if 0 < lexicon.SMALL.get(scan.word(follow), 0) < 10:
        return follow, Fraction(value + lexicon.SMALL[scan.word(follow)])
    if scan.word(follow) in ORDINALS and follow > at + 1:
        return follow - 1, Fraction(value)
    return at, Fraction(value)


def roman(scan: Scan, at: int) -> int | None:
    word = scan.tokens[at][0]
    match = _ROMAN.fullmatch(word)
    if not match or word in _NO_ROMAN or scan.text.isupper():
        return None
    before = scan.tokens[at - 1][0] if at else ""
    follows_name = before[:1].isupper() and at > 1 and before.lower() not in ROMAN_STARTS
    if len(word) == 1 and not follows_name:
        return None
    if word == "I" and (not follows_name or scan.word(at + 1) in ("am", "have", "do", "can")):
        return None
    tens = {"XL": 40}.get(match[1], 50 * match[1].count("L") + 10 * match[1].count("X"))
    ones = {"IX": 9, "IV": 4}.get(match[2], 5 * match[2].count("V") + match[2].count("I"))
    return tens + ones


def unit_around(scan: Scan, first: int, last: int) -> tuple[str, int]:
    """Return the unit before or after a number, and the last token that belongs to it."""
    before = lexicon.UNITS.get(scan.word(first - 1), "")
    money = ("dollar", "euro", "sterling", "rupee", "yen", "yuan", "franc")
    follow = last + 1 + (scan.word(last + 1) == "-" and scan.joined(last + 1))
    word = scan.word(follow)
    if word == "percentage" and scan.word(follow + 1).startswith("point"):
        return "point", follow + 1
    if word == "per" and scan.word(follow + 1) == "cent":
        return "percent", follow + 1
    if word == "°" and scan.word(follow + 1) in ("c", "f"):
        return {"c": "celsius", "f": "fahrenheit"}[scan.word(follow + 1)], follow + 1
    if word in ("a", "an", "of") and lexicon.UNITS.get(scan.word(follow + 1)):
        half = scan.word(last) in ("half", *FRACTIONS)
        return (lexicon.UNITS[scan.word(follow + 1)], follow + 1) if half else (before, last)
    if word in ("of",) and scan.word(follow + 1) in ("a", "an") and scan.word(last) in FRACTIONS:
        unit = lexicon.UNITS.get(scan.word(follow + 2), "")
        return (unit, follow + 2) if unit else (before, last)
    if scan.tokens[follow][0] in LETTER_UNITS if follow < len(scan.tokens) else False:
        return LETTER_UNITS[word], follow
    if word in lexicon.UNITS and lexicon.SCALES.get(word) is None:
        return lexicon.UNITS[word], follow
    return (before if before in money else "", last)


def bound_of(scan: Scan, first: int, last: int) -> int:
    """Return 1 for a number that is at least or more than that, -1 for at most or less than."""
    words = [scan.word(i) for i in range(max(0, first - 4), first)]
    if words and words[-1] in ("$", "€", "£", "chf", "-"):
        words.pop()
    before = " ".join(words)
    after = " ".join(scan.word(last + k) for k in (1, 2))
    if after in ("or more", "or older", "or above", "or over", "or higher", "and up", "and over"):
        return 1
    if after in ("or less", "or fewer", "or under", "or younger", "or below", "or lower"):
        return -1
    follows_number = bool(scan.found) and scan.found[-1].stop >= scan.tokens[first - 1].start() - 1
    if follows_number and first:
        return 0
    if BEFORE_UPPER.search(before):
        return -1
    return 1 if BEFORE_LOWER.search(before) else 0
