"""Find the words, numbers, units, names and negations of questions.

This needs no model, only a regular expression and a table of words. Each distinct token is looked
up once per call, so the cost per text is that of splitting it into tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siamkit_questions import lexicon
from siamkit_questions.spelling import letter_groups
from siamkit_questions.tokens import DIRECTION, NAME, NEGATION, STOP, UNIT, WORD, Tokens
from siamkit_questions.words import WordTable

MAX_CONTENT_WORDS = 28  # content words of a text that are compared; few questions have more
DIRECTION_LIST = sorted(lexicon.DIRECTIONS)

_TOKEN = re.compile(
    r"\d+(?:st|nd|rd|th)\b|\d+(?:[.,:/]\d+)*|°[cf]\b|[^\W\d_]+(?:'[^\W\d_]+)*(?:\+\+|#)?|[$€£¥₹%]"
)
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇`´", "'"))
_USA = re.compile(r"\bU\.?S\.?(?:A\b\.?)?(?=\W|$)")


def fold(text: str) -> str:
    """Normalise case, width and apostrophes: texts are compared in this form."""
    if ("US" in text or "U.S" in text) and not text.isupper():
        text = _USA.sub("usa", text)
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)


def split(folded: str) -> list[str]:
    """Split a folded text into words, numbers and signs."""
    return _TOKEN.findall(folded)


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """The tokens of m texts. Rows of `content` are padded with token 0, of kind PAD."""

    content: NDArray[np.int32]  # (m, MAX_CONTENT_WORDS or fewer) token numbers
    governor: NDArray[np.uint8]  # same shape: the direction word just before, 0 for none
    frames: NDArray[np.uint32]  # (m,) bits: see lexicon.FRAMES
    directions: NDArray[np.uint32]  # (m,) bits, in the order of DIRECTION_LIST
    negations: NDArray[np.int32]  # (m,) number of negations
    words: NDArray[np.int32]  # (m,) number of tokens
    unknown: NDArray[np.float32]  # (m,) share of words and names that the table lacks
    lemma: NDArray[np.int64]  # of each token: equal for forms of one word
    word: NDArray[np.int64]  # of each token: index into the word table, or -1
    kind: NDArray[np.uint8]  # of each token
    weight: NDArray[np.float32]  # of each token
    spelling: NDArray[np.float32]  # of each token: (t, 64) unit rows, letter pairs hashed
    rows: list[tuple[int, ...]]  # the token numbers of each text


def analyse(texts: Sequence[str], table: WordTable) -> Analysis:
    """Find and describe the tokens of folded texts, which may be empty or of any script."""
    tokens = Tokens(table)
    return _pack([tokens.row(split(text)) for text in texts], tokens)


def _pack(rows: list[list[int]], tokens: Tokens) -> Analysis:
    """Lay token lists out as arrays. `owner` is the text that each of all tokens belongs to."""
    m = len(rows)
    counts = np.fromiter(map(len, rows), np.int64, m)
    first = np.cumsum(counts) - counts
    flat = np.fromiter((token for row in rows for token in row), np.int64, int(counts.sum()))
    owner = np.repeat(np.arange(m), counts)
    word = np.array(tokens.word, dtype=np.int64)
    kind = np.array(tokens.kind, dtype=np.uint8)
    kinds = kind[flat]
    directions = _direction_numbers(tokens)[flat]
    bits = np.uint32(1) << np.maximum(directions, 1).astype(np.uint32) - 1
    content, governor = _pack_content(flat, kinds, owner, directions, first)
    is_word = (kinds == WORD) | (kinds == NAME)
    unknown = np.bincount(owner, is_word & (word[flat] < 0), m)
    return Analysis(
        content=content,
        governor=governor,
        frames=_any_bit(np.array(tokens.frame, dtype=np.uint32)[flat], first, counts),
        directions=_any_bit(np.where(directions > 0, bits, 0).astype(np.uint32), first, counts),
        negations=np.bincount(owner, kinds == NEGATION, m).astype(np.int32),
        words=counts.astype(np.int32),
        unknown=(unknown / np.maximum(np.bincount(owner, is_word, m), 1)).astype(np.float32),
        lemma=np.array(tokens.lemma, dtype=np.int64),
        word=word,
        kind=kind,
        weight=np.array(tokens.weight, dtype=np.float32),
        spelling=letter_groups(tokens.surfaces, 2, 64),
        rows=[tuple(row) for row in rows],
    )


def _direction_numbers(tokens: Tokens) -> NDArray[np.uint8]:
    """Return 1 + the place in DIRECTION_LIST of each token; 0 for all other kinds."""
    numbers = np.zeros(len(tokens.surfaces), dtype=np.uint8)
    for number, surface in enumerate(tokens.surfaces):
        if tokens.kind[number] == DIRECTION:
            numbers[number] = 1 + DIRECTION_LIST.index(surface)
    return numbers


def _pack_content(
    flat: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    owner: NDArray[np.int64],
    directions: NDArray[np.uint8],
    first: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return each text's first MAX_CONTENT_WORDS content tokens and the direction words before."""
    is_content = (kinds >= WORD) & (kinds <= UNIT)
    before = np.concatenate([[0], np.cumsum(is_content)])[first]
    column = np.cumsum(is_content) - 1 - before[owner]
    keep = is_content & (column < MAX_CONTENT_WORDS)
    shape = (len(first), max(1, int(column[keep].max(initial=0)) + 1))
    content, governor = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.uint8)
    content[owner[keep], column[keep]] = flat[keep]
    governor[owner[keep], column[keep]] = _governors(directions, kinds, owner)[keep]
    return content, governor


def _any_bit(
    bits: NDArray[np.uint32], first: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Return (m,) the bits set by any token of each text, whose tokens begin at `first`."""
    combined = np.zeros(len(first), dtype=np.uint32)
    has_tokens = counts > 0
    if has_tokens.any():
        combined[has_tokens] = np.bitwise_or.reduceat(bits, first[has_tokens])
    return combined


def _governors(
    directions: NDArray[np.uint8], kinds: NDArray[np.uint8], owner: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the direction word before each token; one stop word may lie between ('from the')."""
    governors = np.zeros_like(directions)
    adjacent = owner[1:] == owner[:-1]
    governors[1:][adjacent] = directions[:-1][adjacent]
    if len(directions) > 2:
        across_stop = (owner[2:] == owner[:-2]) & (kinds[1:-1] == STOP) & (governors[2:] == 0)
        governors[2:][across_stop] = directions[:-2][across_stop]
    return governors
