"""Find words by which two texts contradict each other that are nearly equal otherwise.

The vectors of "How do I add a row?" and "How do I delete a row?" are nearly equal. The rules here
compare the words, by a table that tools/word_relations.py writes from WordNet: no data set of
questions has a part in it, and no model. benchmarks/objections.py measures each rule.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import takewhile
from types import MappingProxyType

import numpy as np

from siamkit_questions.pairs import OPPOSED
from siamkit_questions.tokens import NUMBER
from siamkit_questions.wording import Word, Wording, read, table
from siamkit_questions.words import AGAINST, KIN, NONE, SAME, SIBLING

MOST_OTHERS = 2  # further words that only one text has, beside two opposites
NEGATING = ("un", "in", "im", "il", "ir", "dis", "non")  # "secure" and "insecure"
MISSPELT = 0.6  # share of letter pairs that a word and a misspelling of it have in common
_FILLERS = """a an the this that these those some any i we you one my our your his her its their do
    does did can could should would will"""
FILLERS = frozenset(_FILLERS.split())  # of them texts may have others, and still say the same
TURNING = frozenset({"to", "from", "into", "by"})  # "from A to B" is not "from B to A" …
SYMMETRIC = frozenset({"far", "distance", "difference", "between", "same"})  # … but as far


def contradict_in_words(left: str, right: str) -> str | None:
    """Return the words by which two texts contradict each other, for people; None if none do.

    It does not depend on their order.
    """
    return next((words for words in explain(left, right).values() if words), None)


def explain(left: str, right: str) -> dict[str, str | None]:
    """Return what each rule of RULES says of two texts, None where it does not object."""
    texts = sorted((left, right))
    pair = _Pair(read(texts[0]), read(texts[1]))
    if not (pair.a.is_english and pair.b.is_english):
        return {}
    return {name: rule(pair) for name, rule in RULES.items()}


@dataclass(frozen=True)
class _Pair:
    """Two texts, and what only one of them has."""

    a: Wording
    b: Wording

    @cached_property
    def unshared(self) -> tuple[list[Word], list[Word]]:
        """Content words that only one text has, without those that mean the same."""
        counts = [Counter(word.lemma for word in text.content) for text in (self.a, self.b)]
        mine, rest = _pick(self.a, counts[0] - counts[1]), _pick(self.b, counts[1] - counts[0])
        unpaired = []
        for word in mine:
            twin = next((other for other in rest if _means_same(word, other)), None)
            if twin is None:
                unpaired.append(word)
            else:
                rest.remove(twin)
        return unpaired, rest

    @cached_property
    def has_odd_negation(self) -> bool:
        """True if one text has one negation more; two more cancel each other."""
        return (len(self.a.negations) + len(self.b.negations)) % 2 == 1

    @cached_property
    def is_equal(self) -> bool:
        """True if no content word is in one text only."""
        return not any(self.unshared)

    @cached_property
    def start(self) -> int:
        """The number of equal content words before the first that differs."""
        return _count_equal(self.a.content, self.b.content)

    @cached_property
    def is_replacement(self) -> bool:
        """True if the words that one text has stand where the others stand in the other."""
        a, b = self.a.content, self.b.content
        longest_end = min(len(a), len(b)) - self.start
        end = min(longest_end, _count_equal(a[::-1], b[::-1]))
        widths = len(a) - self.start - end, len(b) - self.start - end
        return all(widths) and widths == tuple(map(len, self.unshared))

    @cached_property
    def has_same_frame(self) -> bool:
        """True if all but the content is the same, and fillers."""
        frames = [[word for word in text.rest if word not in FILLERS] for text in (self.a, self.b)]
        return frames[0] == frames[1]

    def against(self, one: Sequence[Word], other: Sequence[Word]) -> str:
        """Say which words are against which."""
        return _say_against(*(" ".join(word.shown for word in words) for words in (one, other)))


def _say_against(one: str, other: str) -> str:
    first, second = sorted((one, other))
    return f"'{first}' against '{second}'"


def _pick(text: Wording, surplus: Counter[int]) -> list[Word]:
    words = []
    for word in text.content:
        if surplus[word.lemma] > 0:
            surplus[word.lemma] -= 1
            words.append(word)
    return words


def _count_equal(one: Sequence[Word], other: Sequence[Word]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0].lemma == pair[1].lemma, pairs))


def _means_same(one: Word, other: Word) -> bool:
    if _relate(one.entry, other.entry) in (SAME, KIN) or _plain(one.text) == _plain(other.text):
        return True
    are_known_names = one.is_name and other.is_name and min(one.entry, other.entry) >= 0
    if are_known_names or NUMBER in (one.kind, other.kind) or _are_opposites(one, other):
        return False
    pairs = [
        Counter(map("".join, zip(f" {w.text}", f"{w.text} ", strict=True))) for w in (one, other)
    ]
    return 2 * (pairs[0] & pairs[1]).total() > MISSPELT * (pairs[0] + pairs[1]).total()


def _plain(word: str) -> str:
    """Return a word without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


@lru_cache(1 << 16)
def _relate(one: int, other: int) -> int:
    """Return the relation of two words of the table, or else that of their lemmas."""
    if min(one, other) < 0:
        return NONE
    lemmas = table().lemma
    left, right = np.array([one, lemmas[one]]), np.array([other, lemmas[other]])
    relations: list[int] = table().relation(left, right).tolist()
    return next((r for r in relations if r in (SAME, KIN, AGAINST)), max(relations))


def _opposites(pair: _Pair) -> str | None:
    """Compare 'open' and 'close', in texts with few other differences."""
    only_a, only_b = pair.unshared
    # "is it optional", "is it not mandatory"
    if pair.has_odd_negation or len(only_a) + len(only_b) > 2 + MOST_OTHERS:
        return None
    for word in only_a:
        for opposite in only_b:
            if _are_opposites(word, opposite):
                return pair.against([word], [opposite])
    return None


def _are_opposites(one: Word, other: Word) -> bool:
    negated = {prefix + word.text for word in (one, other) for prefix in NEGATING}
    return _relate(one.entry, other.entry) == AGAINST or not negated.isdisjoint(
        (one.text, other.text)
    )


def _negation(pair: _Pair) -> str | None:
    """Find a negation that only one of two texts with equal words has."""
    if not pair.is_equal or not pair.has_odd_negation:
        return None
    a, b = Counter(pair.a.negations), Counter(pair.b.negations)
    word = next(iter(((a - b) or (b - a)).elements()))
    return f"only one has '{word}'"


def _question(pair: _Pair) -> str | None:
    """Compare the question words of two texts with equal words: 'why', and 'how' or 'is it'."""
    words = pair.a.question, pair.b.question
    return _say_against(*words) if pair.is_equal and set(words) in ASKED_APART else None


# Questions about one thing that ask for another; "what" and "how" often ask the same.
ASKED_APART = (
    {"why", "how"},
    {"why", "yes or no"},
    {"when", "how"},
    {"when", "yes or no"},
    {"when", "why"},
    {"when", "where"},
    {"when", "who"},
    {"where", "who"},
)


def _direction(pair: _Pair) -> str | None:
    """Compare 'before' and 'after', in texts with equal words."""
    if not pair.is_equal:
        return None
    a, b = pair.a.directions, pair.b.directions
    for one, other in OPPOSED:
        if {one, other} <= (a ^ b) and len({one, other} & a) == 1:
            return _say_against(one, other)
    return None


def _roles(pair: _Pair) -> str | None:
    """Find two words that have changed places: 'from A to B', 'from B to A'."""
    a, b = pair.a.content, pair.b.content
    spoken = {*(word.text for word in a), *pair.a.rest}
    if len(a) != len(b) or spoken & SYMMETRIC or not pair.has_same_frame:
        return None
    moved = [at for at in range(len(a)) if a[at].lemma != b[at].lemma]
    if len(moved) != 2:
        return None
    i, j = moved
    is_exchange = a[i].lemma == b[j].lemma and a[j].lemma == b[i].lemma
    governors = {text[at].after for text in (a, b) for at in moved}
    if not is_exchange or TURNING.isdisjoint(governors):
        return None
    first, second = sorted((a[i].shown, a[j].shown))
    return f"'{first}' and '{second}' have changed places"


def _names(pair: _Pair) -> str | None:
    """Compare a name with another one in its place."""
    only_a, only_b = pair.unshared
    if pair.is_replacement and all(word.is_name for word in (*only_a, *only_b)):
        return pair.against(only_a, only_b)
    return None


def _added_name(pair: _Pair) -> str | None:
    """Find a name by which only one of two questions is narrower: 'in China'."""
    only_a, only_b = pair.unshared
    words = only_a or only_b
    if len(only_a) + len(only_b) != 1 or not (pair.a.question and pair.b.question):
        return None
    if not (words[0].is_name and words[0].after):
        return None
    return f"only one has '{words[0].after} {words[0].shown}'"


def _replaced(pair: _Pair) -> str | None:
    """Compare a word with another one in its place, in texts that are equal otherwise.

    The first content word, often the verb, may be another for the same: "cancel", "stop" or "end
    my contract"; so both have to be of one kind, as "red" and "blue" are.
    """
    only_a, only_b = pair.unshared
    if not (len(only_a) == len(only_b) == 1 and pair.is_replacement and pair.has_same_frame):
        return None
    if pair.has_odd_negation or NUMBER in (only_a[0].kind, only_b[0].kind):
        return None
    is_first = pair.start == 0
    if is_first and _relate(only_a[0].entry, only_b[0].entry) != SIBLING:
        return None
    return pair.against(only_a, only_b)


RULES: Mapping[str, Callable[[_Pair], str | None]] = MappingProxyType(
    {
        "opposites": _opposites,
        "negation": _negation,
        "question word": _question,
        "direction": _direction,
        "roles": _roles,
        "name": _names,
        "added name": _added_name,
        "word": _replaced,
    }
)
