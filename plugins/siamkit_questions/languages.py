"""Tell which language a text is in, if it is not one of those that a model was made for.

py3langid does, in 0.15 ms a text; but its model takes half a second to load, so plain English is
recognised without it: of English questions, 7 in 1 000 need it.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Collection
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from siamkit_questions.base import ENGLISH
from siamkit_questions.visible import script

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Words of English that hardly occur in another language: in 1 of 500 texts of each, at most.
_ENGLISH_WORDS = """the what how why which who whose when where does did you your our they their
    could should would with without from there this that these those have had been being were and
    can if or any some about but into don't can't i'm i've it's"""
ENGLISH_WORDS = frozenset(_ENGLISH_WORDS.split())
# A vocabulary of English cuts foreign words into pieces. Of English questions without any of the
# words above, 80 % have fewer pieces per word than this; of other languages, 1 %.
LEAST_PIECES = 1.25
# The probability of a model's own languages, at most, and of the other one, at least. Chosen on
# half of 15 400 English texts (Quora, MRPC, messages of Django) and 11 300 messages of Django in 41
# other languages in Latin letters. On the other half, none of the English texts is taken for
# another language, and 92 % of the others are; least of the Danish ones, 81 %: languages that are
# alike share their probability. benchmarks/languages.py prints these.
MOST_OWN, LEAST_OTHER = 0.05, 0.25
LEAST_WORDS = 2  # in Latin letters: one word is too little to tell
MOST_NAMED = 5  # languages in a note
QUOTED = 60  # characters of a text in a note
CURE = (
    "`siamkit encoders add questions sentence-transformers:MODEL --name NAME` adds a multilingual"
    " model, `--encoder NAME` uses it, and `siamkit reembed GALLERY --encoder NAME` moves a gallery"
    " to it"
)
READ = 500  # characters are enough to tell, and within the longest input of most models
# Letters that one language has for itself, by the first word of their names.
_SCRIPTS = {"HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "GREEK": "el", "THAI": "th"}
_NAMES = """af Afrikaans, ar Arabic, bg Bulgarian, bn Bengali, ca Catalan, cs Czech, da Danish,
    de German, el Greek, en English, es Spanish, et Estonian, eu Basque, fa Persian, fi Finnish,
    fr French, gl Galician, he Hebrew, hi Hindi, hr Croatian, hu Hungarian, id Indonesian,
    it Italian, ja Japanese, ko Korean, lt Lithuanian, lv Latvian, ms Malay, nl Dutch, no Norwegian,
    pl Polish, pt Portuguese, ro Romanian, ru Russian, sk Slovak, sl Slovene, sq Albanian,
    sr Serbian, sv Swedish, sw Swahili, ta Tamil, th Thai, tl Tagalog, tr Turkish, uk Ukrainian,
    ur Urdu, vi Vietnamese, zh Chinese"""
NAMES = dict(entry.split() for entry in _NAMES.split(","))
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LOADING = Lock()


class Languages:
    """Counts the texts in other languages than those of a model; safe to use from threads."""

    def __init__(self, model: str, own: Collection[str], tokenizer: Tokenizer) -> None:
        """own: ISO 639 codes; without any, no text counts."""
        self._model, self._own, self._tokenizer = model, own, tokenizer
        self._lock = Lock()
        self._others: dict[int, str] = {}  # hash of a text -> code: each text counts once
        self._last = ""

    def count(self, text: str) -> None:
        """Count a text if it is in another language."""
        if self._own and (code := other_language(text, self._own, self._tokenizer)):
            with self._lock:
                self._others[hash(text)], self._last = code, text

    def notes(self) -> list[str]:
        """Return a line if any text since the last call was in another language."""
        with self._lock:
            others, last = self._others, self._last
            self._others, self._last = {}, ""
        if not others:
            return []
        seem = f"{len(others):,} texts seem"
        if len(others) == 1:
            seem = f"{textwrap.shorten(last, QUOTED, placeholder='…')!r} seems"
        counts = Counter(others.values())
        codes = sorted(counts, key=lambda code: (-counts[code], code))  # threads count in any order
        return [
            f"{seem} to be in {_join(codes)}, but {self._model} was made for {_join(self._own)}:"
            f" their scores tell little. {CURE}"
        ]


def _join(codes: Collection[str]) -> str:
    names = [NAMES.get(code, f"language {code!r}") for code in codes]
    return ", ".join([*names[:MOST_NAMED], *["…"] * (len(names) > MOST_NAMED)])


def other_language(text: str, own: Collection[str], tokenizer: Tokenizer) -> str:
    """Return the ISO 639 code of a text's language if not one of `own`; '' if that is unclear.

    own: the codes of the languages that the tokenizer's model was made for.
    """
    text = text[:READ]
    words = _WORD.findall(text)
    if ENGLISH in own and any(w.lower().replace("’", "'") in ENGLISH_WORDS for w in words):
        return ""
    letters = [character for word in words for character in word if character.isalpha()]
    scripts = Counter(map(script, letters))
    if 2 * scripts["LATIN"] >= len(letters):
        if len(words) < LEAST_WORDS:
            return ""
        if ENGLISH in own and _count_pieces(text, tokenizer) < LEAST_PIECES * len(words):
            return ""
    code = next((_SCRIPTS[name] for name in _SCRIPTS if 2 * scripts[name] > len(letters)), "")
    return ("" if code in own else code) or _ask(text, own)


def _count_pieces(text: str, tokenizer: Tokenizer) -> int:
    return sum(text[start:stop].isalpha() for start, stop in tokenizer.encode(text).offsets)


def _ask(text: str, own: Collection[str]) -> str:
    likely: dict[str, float] = dict(_identifier().rank(text))
    code = max(likely, key=lambda language: likely[language])
    is_clear = likely[code] >= LEAST_OTHER and sum(likely.get(c, 0) for c in own) <= MOST_OWN
    return code if is_clear else ""


def _identifier() -> Any:
    with _LOADING:  # a batch asks from several threads
        return _load_identifier()


@cache
def _load_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
