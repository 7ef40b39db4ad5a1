"""Texts to tokens: which words, numbers, units, names and negations a question holds.

No model and no tokenizer of one: a regular expression and a table. A token is looked up once a
call however often it occurs, so that the cost a text is that of finding its tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamkit_questions import lexicon
from siamkit_questions.spelling import letter_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit_questions.words import WordTable

# What a token is. NEGATION, DIRECTION and STOP are not content.
PAD, WORD, NAME, NUMBER, UNIT, NEGATION, DIRECTION, STOP = range(8)
CONTENT = (WORD, NAME, NUMBER, UNIT)

LONGEST = 28  # content words of a text that are compared; few questions have as many
UNKNOWN_WEIGHT = 9.0  # of a word that the table has not: as rare as its rarest

_TOKEN = re.compile(
    r"\d+(?:st|nd|rd|th)\b|\d+(?:[.,:/]\d+)*|°[cf]\b|[^\W\d_]+(?:'[^\W\d_]+)*(?:\+\+|#)?|[$€£¥₹%]"
)
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇`´", "'"))
_USA = re.compile(r"\bU\.?S\.?(?:A\b\.?)?(?=\W|$)")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{2,3})+(?:\.\d+)?")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")


def fold(text: str) -> str:
    """Case and width of letters taken away: what is left is what is compared."""
    if ("US" in text or "U.S" in text) and not text.isupper():
        text = _USA.sub("usa", text)
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """m texts. Rows of `content` hold token numbers; 0, a token of kind PAD, fills them."""

    content: NDArray[np.int32]  # (m, LONGEST or less)
    governor: NDArray[np.uint8]  # same shape: the direction word just before, 0 for none
    frames: NDArray[np.uint32]  # (m,) bits: see lexicon.FRAMES
    directions: NDArray[np.uint32]  # (m,) bits, in the order of DIRECTION_LIST
    negations: NDArray[np.int32]  # (m,) how many
    words: NDArray[np.int32]  # (m,) tokens in all
    unknown: NDArray[np.float32]  # (m,) share of letters' tokens that the word table has not
    lemma: NDArray[np.int64]  # of each token: equal for forms of one word
    word: NDArray[np.int64]  # of each token: index into the word table, or -1
    kind: NDArray[np.uint8]  # of each token
    weight: NDArray[np.float32]  # of each token
    spelling: NDArray[np.float32]  # of each token: (t, 64) unit rows, letter pairs hashed
    rows: list[tuple[int, ...]]  # the token numbers of each text


DIRECTION_LIST = sorted(lexicon.DIRECTIONS)


class Tokens(dict[str, int]):
    """Surface -> token number; a surface that is new is described once."""

    def __init__(self, table: WordTable) -> None:
        super().__init__()
        self.table = table
        self.local: dict[str, int] = {}
        self.surfaces = [""]
        self.lemma = [-1]
        self.word = [-1]
        self.kind = [PAD]
        self.weight = [0.0]
        self.frame = [0]
        self.value: list[float | None] = [None]
        self.special: set[int] = set()  # tokens that need a look at their neighbours

    def __missing__(self, surface: str) -> int:
        self[surface] = number = self._describe(surface)
        return number

    def add(self, surface: str, kind: int, lemma: str, value: float | None = None) -> int:
        """Append one token; `lemma` is what makes it equal to others."""
        word = -1 if kind in (NUMBER, STOP) else self.table.find(lemma)
        number = len(self.surfaces)
        self.surfaces.append(surface)
        if word >= 0 and kind in (WORD, NAME):
            self.lemma.append(int(self.table.lemma[word]))
        else:
            self.lemma.append(-2 - self.local.setdefault(lemma, len(self.local)))
        self.word.append(word)
        self.kind.append(kind)
        known = word >= 0 and kind not in (NUMBER, UNIT)
        self.weight.append(float(self.table.weight[word]) if known else UNKNOWN_WEIGHT)
        self.frame.append(0)
        self.value.append(value)
        return number

    def number(self, value: float, ordinal: bool = False) -> int:
        """The token of a number, however it was written."""
        name = f"#{value:.10g}" + "th" * ordinal
        if name not in self:
            self[name] = self.add(name, NUMBER, name, value)
        return self[name]

    def _describe(self, surface: str) -> int:
        text, mark, tail = surface.partition("'")
        if mark and (tail == "t" or f"{text}{tail}" in lexicon.NEGATIONS):
            text += tail  # don't: dont; but what's: what
        text = lexicon.ALIASES.get(text, text)
        if text[0].isdigit():
            return self._digits(text)
        number = self._word(text)
        self.frame[number] = 1 << lexicon.FRAMES[text] if text in lexicon.FRAMES else 0
        return number

    def _digits(self, text: str) -> int:
        if found := _ORDINAL.fullmatch(text):
            return self.number(float(found[1]), ordinal=True)
        plain = text.replace(",", "") if _GROUPED.fullmatch(text) else text
        try:
            number = self.number(float(plain))
        except ValueError:  # a time, a fraction, a version of three parts
            return self.add(text, NUMBER, text)
        self.special.add(number)
        return number

    def _word(self, text: str) -> int:
        if text in lexicon.SCALES and text != "k":
            return self._special(self.number(lexicon.SCALES[text]))
        if text in lexicon.SMALL and text not in ("one", "zero"):
            return self._special(self.number(float(lexicon.SMALL[text])))
        if text in lexicon.TENS:
            return self._special(self.number(float(lexicon.TENS[text])))
        if text in lexicon.OTHER_NUMBERS:
            return self.number(lexicon.OTHER_NUMBERS[text])
        if text in lexicon.ORDINALS and text != "second":
            return self.number(lexicon.ORDINALS[text], ordinal=True)
        if text in lexicon.UNITS:
            number = self.add(text, UNIT, lexicon.UNITS[text])
            return self._special(number) if text == "second" else number
        if text in lexicon.NEGATIONS:
            return self.add(text, NEGATION, text)
        if text in lexicon.DIRECTIONS:
            number = self.add(text, DIRECTION, text)
        elif text in lexicon.STOP or (len(text) == 1 and text.isascii() and text not in "cr"):
            number = self.add(text, STOP, text)
        else:
            number = self.add(text, WORD, text)
            if self.word[number] < 0 or self.table.named[self.word[number]]:
                self.kind[number] = NAME
        if text in _STARTS or text in ("one", "k"):
            self._special(number)
        return number

    def _special(self, number: int) -> int:
        self.special.add(number)
        return number


_STARTS = {phrase[0] for phrase in lexicon.PHRASES}


def _merge(found: list[str], tokens: Tokens) -> list[int]:
    """Tokens of a text that holds phrases or numbers: 'two million' becomes one number."""
    merged: list[int] = []
    at = 0
    while at < len(found):
        phrase = _phrase(found, at) if found[at] in _STARTS else ()
        number = tokens[found[at]]
        if phrase:
            merged.append(tokens[lexicon.PHRASES[phrase]])
            at += len(phrase)
        elif number in tokens.special:
            at = _number(found, at, tokens, merged)
        else:
            merged.append(number)
            at += 1
    return merged


def _phrase(found: list[str], at: int) -> tuple[str, ...]:
    """The phrase that begins at `at`, the longest first; () if there is none."""
    for length in (3, 2):
        words = tuple(found[at : at + length])
        if words in lexicon.PHRASES:
            return words
    return ()


def _number(found: list[str], at: int, tokens: Tokens, merged: list[int]) -> int:
    """Append the token at `at`, with those after it that belong to the same number."""
    number = tokens[found[at]]
    after = found[at + 1] if at + 1 < len(found) else ""
    if found[at] == "one" and (after in lexicon.UNITS or after in lexicon.SCALES):
        number = tokens.number(1.0)
    if found[at] == "second" and not (merged and tokens.kind[merged[-1]] == NUMBER):
        number = tokens.number(2.0, ordinal=True)
    value = tokens.value[number]
    if tokens.kind[number] != NUMBER or value is None or tokens.surfaces[number].endswith("th"):
        merged.append(number)
        return at + 1
    scaled = found[at] in lexicon.SCALES
    while after:
        small = lexicon.SMALL.get(after, 0)
        if after in lexicon.SCALES:
            value, scaled = value * lexicon.SCALES[after], True
        elif value in (20, 30, 40, 50, 60, 70, 80, 90) and 0 < small < 10:
            value += small
        else:
            break
        at += 1
        after = found[at + 1] if at + 1 < len(found) else ""
    merged.append(tokens.number(value) if scaled or value != tokens.value[number] else number)
    return at + 1


def analyse(texts: Sequence[str], table: WordTable) -> Analysis:
    """Find and describe the tokens of every folded text; it may be empty, or of any script."""
    tokens = Tokens(table)
    rows: list[list[int]] = []
    special = tokens.special
    for text in texts:
        found = _TOKEN.findall(text)
        row = [tokens[surface] for surface in found]
        if not special.isdisjoint(row):
            row = _merge(found, tokens)
        rows.append(row)
    return _packed(rows, tokens)


def _packed(rows: list[list[int]], tokens: Tokens) -> Analysis:
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    flat = np.fromiter((token for row in rows for token in row), np.int64, int(counts.sum()))
    owner = np.repeat(np.arange(len(rows)), counts)
    kind = np.array(tokens.kind, dtype=np.uint8)
    word = np.array(tokens.word, dtype=np.int64)
    kinds = kind[flat]
    heading = np.zeros(len(tokens.surfaces), dtype=np.uint8)
    for number, surface in enumerate(tokens.surfaces):
        if tokens.kind[number] == DIRECTION:
            heading[number] = 1 + DIRECTION_LIST.index(surface)
    governor = _governors(heading[flat], kinds, owner)
    is_content = (kinds >= WORD) & (kinds <= UNIT)
    place = np.cumsum(is_content) - 1
    first = np.cumsum(counts) - counts
    before = np.concatenate([[0], np.cumsum(is_content)])[first]
    column = place - before[owner]
    kept = is_content & (column < LONGEST)
    width = max(1, int(column[kept].max(initial=0)) + 1)
    content = np.zeros((len(rows), width), dtype=np.int32)
    governors = np.zeros((len(rows), width), dtype=np.uint8)
    content[owner[kept], column[kept]] = flat[kept]
    governors[owner[kept], column[kept]] = governor[kept]
    heads = heading[flat]
    moved = np.where(heads > 0, np.uint32(1) << np.maximum(heads, 1).astype(np.uint32) - 1, 0)
    bits = _any_bit(np.array(tokens.frame, dtype=np.uint32)[flat], first, counts)
    directions = _any_bit(moved.astype(np.uint32), first, counts)
    letters = np.bincount(owner, (kinds == WORD) | (kinds == NAME), len(rows))
    strange = np.bincount(owner, ((kinds == WORD) | (kinds == NAME)) & (word[flat] < 0), len(rows))
    return Analysis(
        content=content,
        governor=governors,
        frames=bits,
        directions=directions,
        negations=np.bincount(owner, kinds == NEGATION, len(rows)).astype(np.int32),
        words=counts.astype(np.int32),
        unknown=(strange / np.maximum(letters, 1)).astype(np.float32),
        lemma=np.array(tokens.lemma, dtype=np.int64),
        word=word,
        kind=kind,
        weight=np.array(tokens.weight, dtype=np.float32),
        spelling=letter_groups(tokens.surfaces, 2, 64),
        rows=[tuple(row) for row in rows],
    )


def _any_bit(
    bits: NDArray[np.uint32], first: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Bits set by any token of each text; tokens of a text begin at `first`."""
    found = np.zeros(len(first), dtype=np.uint32)
    some = counts > 0
    if some.any():
        found[some] = np.bitwise_or.reduceat(bits, first[some])
    return found


def _governors(
    heads: NDArray[np.uint8], kinds: NDArray[np.uint8], owner: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """The direction word before each token, at most one stop word ('from the') between."""
    found = np.zeros_like(heads)
    one = owner[1:] == owner[:-1]
    found[1:][one] = heads[:-1][one]
    if len(heads) > 2:
        two = (owner[2:] == owner[:-2]) & (kinds[1:-1] == STOP) & (found[2:] == 0)
        found[2:][two] = heads[:-2][two]
    return found
