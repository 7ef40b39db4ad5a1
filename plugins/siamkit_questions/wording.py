"""Read a text as the words that say what it asks: content, names, negations, question word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

from siamkit_questions.lexical import fold, split
from siamkit_questions.lexicon import PHRASES
from siamkit_questions.tokens import DIRECTION, NAME, NEGATION, NUMBER, STOP, UNIT, WORD, Tokens
from siamkit_questions.words import WordTable

TABLE = Path(__file__).with_name("word_relations.safetensors")
CONTENT = frozenset({WORD, NAME, NUMBER, UNIT})
MOST_CAPITALS = 0.6  # share of capitalised words above which they are a title, not names
# Share of words such as "how", "the" and "of" in a text with unknown words: other languages than
# English have few that are spelt alike.
LEAST_JOINING = 0.3
CACHED = 1 << 16  # texts; each takes about 1 kB

_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE_START = re.compile(r"(?:^|[.?!:]\s)\W*([^\W\d_]+)")
# Negations that turn nothing round: "Is it safe or not?"
_TAGS = re.compile(
    r"\b(?:why or why not|why not|whether or not|or not|or no|if not|not only|if yes)\b"
)
_ASKED = {"why": "why", "when": "when", "where": "where"}
_ASKED |= {"who": "who", "whom": "who", "whose": "who", "what": "what", "which": "what"}
_VERBS = """is are was were am do does did can could should would will shall may might must has have
    had"""
_YES_OR_NO = frozenset(_VERBS.split())
_EXTENTS = """many much long old far often fast big tall high deep heavy soon hard good bad safe"""
_EXTENT = frozenset(_EXTENTS.split())


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text. Words of one lemma are equal."""

    text: str  # folded
    shown: str  # as the text has it
    lemma: int
    kind: int  # see siamkit_questions.tokens
    entry: int  # in the table of words; -1 if it lacks the word
    is_name: bool
    after: str  # the direction word that it belongs to: "to" the "city"; empty without


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a text."""

    content: tuple[Word, ...]
    negations: tuple[str, ...]
    directions: frozenset[str]
    question: str  # "why", "how", "how many", "yes or no", …; empty if it asks nothing
    rest: tuple[str, ...]  # the words that are not content
    is_english: bool  # the table has its words, or English ones join them


@cache
def table() -> WordTable:
    """Load the table of words."""
    from safetensors.numpy import load_file

    return WordTable.unpack(load_file(TABLE))


_LOCK = Lock()  # the token list grows


@cache
def _tokens() -> Tokens:
    return Tokens(table())


@lru_cache(CACHED)
def read(text: str) -> Wording:
    """Read a normalised text."""
    capitals = _find_capitals(text)
    surfaces = split(_TAGS.sub(" ", fold(text)))
    written = {fold(match[0]): match[0] for match in _WORD.finditer(text)}
    content: list[Word] = []
    rest: list[str] = []
    negations, directions = [], []
    after = ""
    unknown = words = 0
    with _LOCK:
        tokens = _tokens()
        for number in tokens.row(surfaces):
            surface, kind, entry = tokens.surfaces[number], tokens.kind[number], tokens.word[number]
            if kind in CONTENT:
                is_name = (kind == NAME and entry >= 0) or (surface in capitals and kind != NUMBER)
                shown = written.get(surface) or _show_phrase(text, surface)
                lemma = tokens.lemma[number]
                content.append(Word(surface, shown, lemma, kind, entry, is_name, after))
                unknown += kind == NAME and entry < 0
            else:
                rest.append(surface)
            if kind == NEGATION:
                negations.append(surface)
            elif kind == DIRECTION:
                directions.append(surface)
            words += kind != NUMBER
            after = surface if kind == DIRECTION else after if kind == STOP else ""
    return Wording(
        tuple(content),
        tuple(negations),
        frozenset(directions),
        _find_question(surfaces),
        tuple(rest),
        unknown == 0 or (2 * unknown < words and LEAST_JOINING * words <= len(rest)),
    )


def _show_phrase(text: str, name: str) -> str:
    """Return the words of a text that count as one: 'New York'."""
    phrases = [r"\W+".join(phrase) for phrase, one_word in PHRASES.items() if one_word == name]
    match = re.search("|".join(phrases), text, re.IGNORECASE) if phrases else None
    return match[0] if match else name


def _find_capitals(text: str) -> frozenset[str]:
    """Return the capitalised words inside sentences, folded; none if most of the words are."""
    words = _WORD.findall(text)
    if sum(word[0].isupper() for word in words) > MOST_CAPITALS * len(words):
        return frozenset()
    starts = {match.start(1) for match in _SENTENCE_START.finditer(text)}
    inside = (match for match in _WORD.finditer(text) if match.start() not in starts)
    return frozenset(fold(match[0]) for match in inside if match[0][0].isupper())


def _find_question(surfaces: list[str]) -> str:
    for at, surface in enumerate(surfaces):
        if surface == "how":
            extent = surfaces[at + 1] if at + 1 < len(surfaces) else ""
            return f"how {extent}" if extent in _EXTENT else "how"
        if surface in _ASKED:
            return _ASKED[surface]
        if at == 0 and surface in _YES_OR_NO:
            return "yes or no"
    return ""
