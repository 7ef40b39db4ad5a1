"""Tell which part of a text its vector depends on: words of the model, within its longest input.

A tokenizer replaces what it does not know by one token, so all texts in an unknown script get the
same vector. Others it knows letter by letter: then a model has learnt no words of that language,
and its vectors are nearly the same whatever a text says.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

# Share of a text's characters that the model may not know. Of random pairs of Quora questions with
# words replaced by unknown ones, no more match than of whole ones (1.6e-4) up to a share of 0.6;
# 4e-4 do at 0.7, 3e-3 at 0.8, and 0.87 of those without a known word. 0 of 18 000 English texts
# (Quora, MRPC, STS) exceed 0.16.
MOST_UNKNOWN = 0.5
# Pieces of two letters or more by which a vocabulary knows a script; all-MiniLM-L6-v2 has 26 482
# Latin, 8 Cyrillic and no other ones. For scripts with a sign per syllable or word, single signs.
LEAST_PIECES, LEAST_SIGNS = 200, 1_000
SIGNS = frozenset({"CJK", "HANGUL", "HIRAGANA", "KATAKANA", "ETHIOPIC", "YI", "VAI", "CANADIAN"})
UNKNOWN_TOKENS = ("[UNK]", "<unk>")
ASCII_SYMBOLS = "$+<=>^|~"
WORDS = "LNSM"  # general categories that carry meaning: letters, numbers, symbols, marks


@dataclass(frozen=True, slots=True)
class Visible:
    """The tokens of a text, and what they do not tell."""

    tokens: tuple[int, ...]
    hidden: str  # unknown words, and what lies beyond the longest input; lower case
    unknown: float  # share of the characters that carry meaning, in [0, 1]; 1 without any
    has_words: bool

    @property
    def problem(self) -> str:
        """Why the vector tells nothing of the text, for people; empty if it does."""
        if not self.has_words:
            return "the text has no words"
        if self.unknown > MOST_UNKNOWN:
            share = f"{self.unknown:.0%}"
            return f"the model does not know the language or signs of {share} of the text"
        return ""


class Reader:
    """Reads texts as one tokenizer does."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        ids = (tokenizer.token_to_id(name) for name in UNKNOWN_TOKENS)
        self._unknown = {number for number in ids if number is not None}

    def read(self, text: str, encoding: Encoding, prompt: int = 0) -> Visible:
        """Describe a text by its encoding, whose offsets begin with a prompt of that length."""
        is_cut = bool(encoding.overflowing)
        if text.isascii() and not is_cut and self._unknown.isdisjoint(encoding.ids):
            has_words = any(c.isalnum() or c in ASCII_SYMBOLS for c in text)
            return Visible(tuple(encoding.ids), "", 1.0 - has_words, has_words)
        known = [False] * len(text)
        end = 0
        hidden = []
        for number, (start, stop) in zip(encoding.ids, encoding.offsets, strict=True):
            start, stop = start - prompt, stop - prompt
            if stop <= max(start, 0):  # the prompt, or a token that is not of the text
                continue
            end = max(end, stop)
            if number in self._unknown:
                hidden.append(text[start:stop])
            else:
                known[start:stop] = [True] * (stop - start)
        length = end if is_cut else len(text)
        words = [i for i in range(length) if unicodedata.category(text[i])[0] in WORDS]
        legible = sum(known[i] and self._knows(text[i]) for i in words)
        if is_cut:
            hidden.append(text[end:])
        return Visible(
            tokens=tuple(encoding.ids),
            hidden=" ".join(hidden).casefold(),
            unknown=1 - legible / len(words) if words else 1.0,
            has_words=any(unicodedata.category(text[i])[0] in "LNS" for i in words),
        )

    def _knows(self, character: str) -> bool:
        return character.isascii() or not character.isalpha() or script(character) in self._scripts

    @cached_property
    def _scripts(self) -> frozenset[str]:
        """The scripts in which the vocabulary has words."""
        size = self._tokenizer.get_vocab_size()
        pieces = self._tokenizer.decode_batch([[i] for i in range(size)], skip_special_tokens=False)
        words: Counter[str] = Counter()
        signs: Counter[str] = Counter()
        for piece in pieces:
            letters = [c for c in piece if c.isalpha()]
            if letters:
                (words if len(letters) > 1 else signs)[script(letters[0])] += 1
        known = {script for script, count in words.items() if count >= LEAST_PIECES}
        return frozenset(known | {script for script in SIGNS if signs[script] >= LEAST_SIGNS})


def script(letter: str) -> str:
    """Return the first word of a letter's name, which is its script: LATIN, HANGUL, CJK."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
