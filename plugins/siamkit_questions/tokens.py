"""Words of a text as numbered tokens: what each is, and which word of the table it means."""

from __future__ import annotations

import re

from siamkit_questions import lexicon
from siamkit_questions.words import WordTable

# Kinds of tokens. NEGATION, DIRECTION and STOP are not content.
PAD, WORD, NAME, NUMBER, UNIT, NEGATION, DIRECTION, STOP = range(8)

UNKNOWN_WEIGHT = 9.0  # of a word that is not in the table: as rare as its rarest

_GROUPED = re.compile(r"\d{1,3}(?:,\d{2,3})+(?:\.\d+)?")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_STARTS = {phrase[0] for phrase in lexicon.PHRASES}
# Words that are numbers, or begin them, only in some contexts: see Tokens.join.
_AMBIGUOUS = {"k", "one", "zero", "second"}


class Tokens(dict[str, int]):
    """Surface -> token number; a new surface is described when it is first looked up."""

    def __init__(self, table: WordTable) -> None:
        super().__init__()
        self.table = table
        self.local: dict[str, int] = {}  # lemmas that the table lacks
        self.surfaces = [""]
        self.lemma = [-1]
        self.word = [-1]
        self.kind = [PAD]
        self.weight = [0.0]
        self.frame = [0]
        self.value: list[float | None] = [None]
        self.special: set[int] = set()  # tokens whose neighbours matter: see join()

    def __missing__(self, surface: str) -> int:
        self[surface] = number = self._describe(surface)
        return number

    def add(self, surface: str, kind: int, lemma: str, value: float | None = None) -> int:
        """Append one token and return its number; tokens of equal `lemma` count as equal."""
        word = -1 if kind in (NUMBER, STOP) else self.table.find(lemma)
        number = len(self.surfaces)
        self.surfaces.append(surface)
        if word >= 0 and kind in (WORD, NAME):
            self.lemma.append(int(self.table.lemma[word]))
        else:
            self.lemma.append(-2 - self.local.setdefault(lemma, len(self.local)))
        self.word.append(word)
        self.kind.append(kind)
        has_weight = word >= 0 and kind not in (NUMBER, UNIT)
        self.weight.append(float(self.table.weight[word]) if has_weight else UNKNOWN_WEIGHT)
        self.frame.append(0)
        self.value.append(value)
        return number

    def add_number(self, value: float, *, ordinal: bool = False) -> int:
        """Return the token of a number, however it was written."""
        name = f"#{value:.10g}" + "th" * ordinal
        if name not in self:
            self[name] = self.add(name, NUMBER, name, value)
        return self[name]

    def row(self, surfaces: list[str]) -> list[int]:
        """Return the tokens of a text."""
        row = [self[surface] for surface in surfaces]
        return row if self.special.isdisjoint(row) else self.join(surfaces)

    def join(self, surfaces: list[str]) -> list[int]:
        """Return the tokens of a text, each phrase and each number as one: 'two million'."""
        tokens: list[int] = []
        at = 0
        while at < len(surfaces):
            phrase = _find_phrase(surfaces, at) if surfaces[at] in _STARTS else ()
            number = self[surfaces[at]]
            if phrase:
                tokens.append(self[lexicon.PHRASES[phrase]])
                at += len(phrase)
            elif number in self.special:
                at = self._append_number(surfaces, at, tokens)
            else:
                tokens.append(number)
                at += 1
        return tokens

    def _append_number(self, surfaces: list[str], at: int, tokens: list[int]) -> int:
        """Append the token at `at`, joined with those after it that belong to the same number.

        Returns the position after it.
        """
        number = self[surfaces[at]]
        after = surfaces[at + 1] if at + 1 < len(surfaces) else ""
        if surfaces[at] == "one" and (after in lexicon.UNITS or after in lexicon.SCALES):
            number = self.add_number(1.0)
        if surfaces[at] == "second" and not (tokens and self.kind[tokens[-1]] == NUMBER):
            number = self.add_number(2.0, ordinal=True)
        value = self.value[number]
        if self.kind[number] != NUMBER or value is None or self.surfaces[number].endswith("th"):
            tokens.append(number)
            return at + 1
        scaled = surfaces[at] in lexicon.SCALES
        while after:
            small = lexicon.SMALL.get(after, 0)
            if after in lexicon.SCALES:
                value, scaled = value * lexicon.SCALES[after], True
            elif value in lexicon.TENS.values() and 0 < small < 10:
                value += small
            else:
                break
            at += 1
            after = surfaces[at + 1] if at + 1 < len(surfaces) else ""
        is_joined = scaled or value != self.value[number]
        tokens.append(self.add_number(value) if is_joined else number)
        return at + 1

    def _describe(self, surface: str) -> int:
        text, apostrophe, tail = surface.partition("'")
        if apostrophe and (tail == "t" or f"{text}{tail}" in lexicon.NEGATIONS):
            text += tail  # don't: dont; but what's: what
        text = lexicon.ALIASES.get(text, text)
        if text[0].isdigit():
            return self._describe_digits(text)
        number = self._describe_word(text)
        self.frame[number] = 1 << lexicon.FRAMES[text] if text in lexicon.FRAMES else 0
        return number

    def _describe_digits(self, text: str) -> int:
        if ordinal := _ORDINAL.fullmatch(text):
            return self.add_number(float(ordinal[1]), ordinal=True)
        plain = text.replace(",", "") if _GROUPED.fullmatch(text) else text
        try:
            return self._mark_special(self.add_number(float(plain)))
        except ValueError:  # a time, a fraction, a version of three parts
            return self.add(text, NUMBER, text)

    def _describe_word(self, text: str) -> int:
        for numbers in (lexicon.SCALES, lexicon.SMALL, lexicon.TENS):
            if text in numbers and text not in _AMBIGUOUS:
                return self._mark_special(self.add_number(float(numbers[text])))
        if text in lexicon.OTHER_NUMBERS:
            return self.add_number(lexicon.OTHER_NUMBERS[text])
        if text in lexicon.ORDINALS and text not in _AMBIGUOUS:
            return self.add_number(lexicon.ORDINALS[text], ordinal=True)
        if text in lexicon.UNITS:
            number = self.add(text, UNIT, lexicon.UNITS[text])
            return self._mark_special(number) if text == "second" else number
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
            self._mark_special(number)
        return number

    def _mark_special(self, number: int) -> int:
        self.special.add(number)
        return number


def _find_phrase(surfaces: list[str], at: int) -> tuple[str, ...]:
    """Return the longest phrase that begins at `at`; () if there is none."""
    for length in (3, 2):
        words = tuple(surfaces[at : at + length])
        if words in lexicon.PHRASES:
            return words
    return ()
