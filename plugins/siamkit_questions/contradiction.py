"""Find numbers by which two texts contradict each other: in value, sign, unit, bound or order."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from siamkit_questions.quantities import between, clean, read, spaced
from siamkit_questions.quantity_scan import Quantity
from siamkit_questions.quantity_words import COMMUTING

# Units by dimension, each with its size; a number without a unit fits every unit.
_SIZES = """time: millisecond 1/1000, second 1, minute 60, hour 3600, day 86400, week 604800;
    months: month 1, year 12, decade 120, century 1200; mass: microgram 1/1000000, milligram 1/1000,
    gram 1, kilogram 1000, tonne 1000000; length: millimetre 1, centimetre 10, metre 1000,
    kilometre 1000000; imperial: inch 1, foot 12, yard 36, mile 63360; volume: millilitre 1,
    litre 1000; power: watt 1, kilowatt 1000; frequency: hertz 1, megahertz 1000000,
    gigahertz 1000000000; dollars: dollar 1, cent 1/100; euros: euro 1, cent 1/100;
    sterling: sterling 1, pound 1, pence 1/100; weight: pound 1, ounce 1/16;
    temperature: celsius 1, degree 1; fahrenheit: fahrenheit 1, degree 1; angle: degree 1;
    share: percent 1/100"""
_DIMENSIONS: dict[str, dict[str, Fraction]] = {}
for _entry in _SIZES.split(";"):
    _dimension, _units = _entry.split(":")
    for _unit in _units.split(","):
        _name, _size = _unit.split()
        _DIMENSIONS.setdefault(_name, {})[_dimension.strip()] = Fraction(_size)


def contradict(left: str, right: str) -> str | None:
    """Return how the numbers of two texts contradict each other, for people; None if not.

    A number that only one text has is not a contradiction. It does not depend on their order.
    """
    if not (read(left) and read(right)):
        return None
    left, right = sorted((left, right))
    reason = _contradict(left, right, split=False)
    if reason and "/" in left + right:
        return _contradict(left, right, split=True)
    return reason


def unify(left: str, right: str) -> tuple[str, str]:
    """Write the quantities that two texts have in common alike: 'half a cup', '1/2 cup'.

    The shorter way of writing each is put into both texts, so the order of the two is kept.
    """
    if left > right:
        return unify(right, left)[::-1]
    a, b = read(left), read(right)
    changes: list[list[tuple[Quantity, str]]] = [[], []]
    for i, j in _match(a, b).items():
        if a[i].text.lower() != b[j].text.lower():
            shorter = min(a[i].text, b[j].text, key=lambda text: (len(text), text))
            changes[0].append((a[i], shorter))
            changes[1].append((b[j], shorter))
    if not changes[0]:
        return left, right
    return _rewrite(left, changes[0]), _rewrite(right, changes[1])


def _rewrite(text: str, changes: list[tuple[Quantity, str]]) -> str:
    text = clean(text)
    for quantity, new in sorted(changes, key=lambda change: -change[0].start):
        stop = quantity.start + len(quantity.text)
        text = text[: quantity.start] + new + text[stop:]
    return text


def _contradict(left: str, right: str, *, split: bool) -> str | None:
    a, b = read(left, split=split), read(right, split=split)
    partners = _match(a, b)
    alone = [[q for i, q in enumerate(a) if i not in partners]]
    alone.append([q for i, q in enumerate(b) if i not in partners.values()])
    for quantity in alone[0]:
        for opposite in alone[1]:
            if _counts(quantity, opposite):
                first, second = sorted([quantity.shown, opposite.shown])
                return f"their numbers differ: {first} and {second}"
    for i, j in partners.items():
        if a[i].bound * b[j].bound < 0:
            return f"one is at least, the other at most {a[i].shown}"
        if a[i].rate and b[j].rate and a[i].rate != b[j].rate:
            first, second = sorted([a[i].rate, b[j].rate])
            return f"one is per {first}, the other per {second}"
    return _contradict_in_order((left, a), (right, b), partners, split=split)


def ambiguous(left: str, right: str) -> str | None:
    """Return a date in two texts that is one day by one reading, and another by another."""
    for one in read(left):
        for other in read(right):
            dates = [{r for r in q.readings if r[0] == "date"} for q in (one, other)]
            if all(dates) and dates[0] & dates[1] and dates[0] != dates[1]:
                return max(one, other, key=lambda q: len(q.readings)).text
    return None


def _counts(one: Quantity, other: Quantity) -> bool:
    """Do two numbers, neither of which the other text has, contradict each other?"""
    if one.ordinal and other.ordinal:
        return True
    return not (one.weak or other.weak)


def _match(a: Sequence[Quantity], b: Sequence[Quantity]) -> dict[int, int]:
    """Return the number of the equal quantity in b for those of a that have one."""
    partners: dict[int, int] = {}
    for i, one in enumerate(a):
        equal = [
            j for j, other in enumerate(b) if j not in partners.values() and _equal(one, other)
        ]
        if equal:
            partners[i] = max(equal, key=lambda j: (b[j].unit == one.unit, -abs(i - j)))
    return partners


def _equal(one: Quantity, other: Quantity) -> bool:
    return any(_same_reading(one, x, other, y) for x in one.readings for y in other.readings)


def _same_reading(
    one: Quantity, x: tuple[str, object], other: Quantity, y: tuple[str, object]
) -> bool:
    kinds = {x[0], y[0]}
    if kinds == {"number"} and isinstance(x[1], Fraction) and isinstance(y[1], Fraction):
        return _same_amount(x[1], one.unit, y[1], other.unit)
    if kinds == {"date"} and isinstance(x[1], tuple) and isinstance(y[1], tuple):
        return all(u is None or v is None or u == v for u, v in zip(x[1], y[1], strict=True))
    if kinds == {"decade"} and isinstance(x[1], int) and isinstance(y[1], int):
        return x[1] == y[1] or (min(x[1], y[1]) < 100 and x[1] % 100 == y[1] % 100)
    if kinds == {"date", "number"}:
        date, number = (x[1], y[1]) if x[0] == "date" else (y[1], x[1])
        return isinstance(date, tuple) and number in (date[0], date[2])
    if kinds == {"time", "number"}:
        time, number = (x[1], y[1]) if x[0] == "time" else (y[1], x[1])
        return isinstance(time, int) and number in (time / 60, time / 60 - 12)
    return x == y


def _same_amount(value: Fraction, unit: str, other: Fraction, other_unit: str) -> bool:
    if value == other and (not unit or not other_unit or unit == other_unit):
        return True
    sizes = _DIMENSIONS.get(unit, {}) if unit else {"share": Fraction(1)}
    other_sizes = _DIMENSIONS.get(other_unit, {}) if other_unit else {"share": Fraction(1)}
    return any(
        value * size == other * other_sizes[dimension]
        for dimension, size in sizes.items()
        if dimension in other_sizes
    )


def _contradict_in_order(
    left: tuple[str, Sequence[Quantity]],
    right: tuple[str, Sequence[Quantity]],
    partners: dict[int, int],
    *,
    split: bool,
) -> str | None:
    """Compare the pairs of neighbouring numbers that a word or sign connects: 3-5 and 5-3."""
    (text, a), (other_text, b) = left, right
    if split:
        text, other_text = (spaced(t) for t in (text, other_text))
    for i in range(len(a) - 1):
        meanings = between(text, a[i], a[i + 1])
        if not meanings or i not in partners or i + 1 not in partners or _equal(a[i], a[i + 1]):
            continue
        j, k = partners[i], partners[i + 1]
        if abs(j - k) != 1:
            continue
        others = between(other_text, b[min(j, k)], b[max(j, k)])
        if not others:
            continue
        is_turned = (j > k) != (("from" in meanings) != ("from" in others))
        shared = _plain(meanings) & _plain(others)
        if "divide" in text.lower() and "divide" in other_text.lower():
            shared -= {"size"}  # 'by' has two meanings: 100 divided by 5, and 3 by 5 metres
        if not shared or (is_turned and not shared & COMMUTING):
            return f"their numbers are in another order: {_shown(text, a, i)}"
    return None


def _plain(meanings: frozenset[str]) -> frozenset[str]:
    """Read '4 from 10' as '10 minus 4'."""
    return meanings | {"minus"} if "from" in meanings else meanings


def _shown(text: str, quantities: Sequence[Quantity], at: int) -> str:
    return f"{quantities[at].shown} and {quantities[at + 1].shown}"
