"""English words around numbers: months, fractions, ordinals, bounds, and what stands between them.

Hand-written data for siamkit_questions.quantities.
"""

from __future__ import annotations

import re
from fractions import Fraction

from siamkit_questions import lexicon

_MONTH_NAMES = """january jan;february feb;march mar;april apr;may;june jun;july jul;august aug;
    september sep sept;october oct;november nov;december dec"""
MONTHS = {
    word: number
    for number, names in enumerate(_MONTH_NAMES.split(";"), start=1)
    for word in names.split()
}
_MORE_ORDINALS = "thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth"
ORDINALS = {
    **lexicon.ORDINALS,
    "eighth": 8.0,
    **{word: 10.0 * value for value, word in enumerate(_MORE_ORDINALS.split(), start=3)},
    "hundredth": 100.0,
    "thousandth": 1000.0,
}
_PARTS = "third fourth fifth sixth seventh eighth ninth tenth"
FRACTIONS = {word: Fraction(1, value) for value, word in enumerate(_PARTS.split(), start=3)}
FRACTIONS |= {f"{word}s": share for word, share in FRACTIONS.items()}
FRACTIONS |= {"half": Fraction(1, 2), "halves": Fraction(1, 2)}
FRACTIONS |= {"quarter": Fraction(1, 4), "quarters": Fraction(1, 4)}
SCALES = {word: Fraction(int(value)) for word, value in lexicon.SCALES.items()}
SCALES |= {"dozen": Fraction(12)}
_DECADES = "twenties thirties forties fifties sixties seventies eighties nineties"
DECADES = {word: 10 * value for value, word in enumerate(_DECADES.split(), start=2)}
LETTER_UNITS = {
    "g": "gram",
    "l": "litre",
    "h": "hour",
    "m": "metre",
}  # after a number, in lower case only

# Words before which a capital I begins a clause, and is no Roman numeral.
_STARTS = """can could should would do does did will shall may might must am is are was were
    have has how what why when where who which if and or but that so because since while as"""
ROMAN_STARTS = frozenset(_STARTS.split())
# Words before a version: 3.10 is not 3.1 there. So it is after a name with a capital.
_VERSIONED = """v version versions release releases build update firmware python java php node
    nodejs django rails ruby perl rust go ios android windows ubuntu debian fedora linux kernel
    macos chrome firefox postgres postgresql mysql sqlite http tls ssl usb bluetooth gcc cuda
    tensorflow pytorch numpy pandas spring angular react vue laravel wordpress excel office qt
    kotlin swift"""
VERSIONED = frozenset(_VERSIONED.split())

_LOWER = """at least|more than|greater than|higher than|larger than|longer than|older than|
    later than|over|above|exceeding|exceeds|minimum|no less than|not less than|since|after|>|>=|≥"""
_UPPER = """at most|less than|fewer than|lower than|smaller than|shorter than|younger than|
    earlier than|under|below|up to|maximum|no more than|not more than|within|until|till|before|<|
    <=|≤"""


def _ends_with(phrases: str) -> re.Pattern[str]:
    either = "|".join(re.escape(phrase.strip()) for phrase in phrases.split("|"))
    return re.compile(rf"(?<!not )(?<!n't )(?:^|\s)(?:{either})(?: of| the| age| age of)?$")


BEFORE_LOWER, BEFORE_UPPER = _ends_with(_LOWER), _ends_with(_UPPER)

# What a word or sign between two numbers may mean. Two texts contradict each other if they put the
# same numbers in the same order, with no meaning in common, or in another order.
_CONNECTORS = """-: range minus; to: range ratio; until: range; till: range; through: range;
    minus: minus; less: minus; '/': divided ratio; ':': ratio; over: divided ratio;
    by: divided size; divided by: divided; into: into; from: from; '+': plus; plus: plus;
    '*': times; x: times size; times: times; multiplied by: times; '^': power; vs: against;
    versus: against; out of: ratio"""
CONNECTORS = {
    name.strip().strip("'"): frozenset(meanings.split())
    for name, meanings in (entry.rsplit(":", 1) for entry in _CONNECTORS.split(";"))
}
COMMUTING = frozenset({"plus", "times", "against", "size"})  # their order does not matter
