"""Small changes to a question, some of which change what it asks: training data of pair_scorer.py.

Perturber.negatives and positives return (text, kind) pairs. They serve for training only; the
scorer is tested on pairs written by hand.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import numpy as np

from siamkit_questions import lexicon
from siamkit_questions.pairs import OPPOSED
from siamkit_questions.words import AGAINST, NONE, SAME, SIBLING, WordTable

WORD = re.compile(r"[A-Za-z][A-Za-z'’]*|\d[\d.,]*\d|\d")
WORDS_FOR = {value: word for word, value in {**lexicon.SMALL, **lexicon.TENS}.items()}
UNIT_GROUPS = [
    line.split()
    for line in """kilograms pounds grams tons ounces stone milligrams
kg lbs grams tons oz mg
kilometers miles meters yards feet
km miles m cm inches mm
liters gallons ml cups pints
seconds minutes hours days weeks months years
second minute hour day week month year
daily weekly monthly yearly hourly
gb mb tb kb
mbps gbps kbps
dollars euros pounds rupees yen cents
celsius fahrenheit
watts volts amps kwh
acres hectares
percent degrees
calories kilojoules
teaspoon tablespoon cup""".splitlines()
]
UNIT_OF = {word: group for group in UNIT_GROUPS for word in group}
NEGATED = (
    (r"\b([Ii])s\b(?! not)", r"\1sn't"), (r"\b([Aa])re\b(?! not)", r"\1ren't"),
    (r"\b([Dd])o\b(?! not)", r"\1on't"), (r"\b([Dd])oes\b(?! not)", r"\1oesn't"),
    (r"\b([Dd])id\b(?! not)", r"\1idn't"), (r"\b([Cc])an\b(?! not)", r"\1an't"),
    (r"\b([Ss])hould (\w+)\b(?! not)", r"\1hould \2 not"), (r"\b([Ww])ill\b(?! not)", r"\1on't"),
    (r"\b([Ww])ould\b(?! not)", r"\1ouldn't"), (r"\b([Hh])as\b(?! not)", r"\1asn't"),
    (r"\b(to) (\w+)\b", r"not \1 \2"), (r"\b(\w+) with\b", r"\1 without"),
    (r"\b(I|you|we|they) (can|should|do|will) (\w+)\b", r"\1 \2 not \3"),
    (r"\b([Ii])s it\b", r"\1s it not"), (r"\b([Aa])lways\b", "never"),
)  # fmt: skip
AFFIRMED = (
    (r"\b(is|are|do|does|did|should|would|could|has|have|was|were)n['’]t\b", r"\1"),
    (r"\b(Is|Are|Do|Does|Did|Should|Would|Could|Has|Have|Was|Were)n['’]t\b", r"\1"),
    (r"\b([Cc])an['’]t\b", r"\1an"), (r"\b([Ww])on['’]t\b", r"\1ill"), (r"\bcannot\b", "can"),
    (r"\b(not|never) ", ""), (r"\bwithout\b", "with"),
)  # fmt: skip
FRAMES = (
    (r"^How (?:do|can|should|could|would) (?:I|you|we|one) ", (
        "How do I ", "How can I ", "How can you ", "What is the best way to ", "How to ",
        "What should I do to ", "What are some ways to ", "How would one ", "Is there a way to ",
        "What's the best way to ", "I want to know how to ", "Please tell me how to ")),
    (r"^What (?:is|are) the best ", (
        "Which is the best ", "What are the best ", "What are some good ", "What's the best ",
        "Can you recommend the best ", "Which are the top ")),
    (r"^What is (?:a|an|the) ", ("What's the ", "What is meant by the ", "What exactly is a ")),
    (r"^What is ", ("What's ", "What exactly is ", "What is meant by ")),
    (r"^Why (?:is|are) ", ("What is the reason that ", "How come ")),
    (r"^Is it possible to ", ("Can I ", "Can you ", "Is there a way to ", "Am I able to ")),
    (r"^Can I ", ("Is it possible to ", "Could I ", "May I ", "Am I able to ")),
    (r"^How much (?:does|do) (.*) cost", (r"What is the price of \1", r"What does \1 cost")),
    (r"^Should I ", ("Is it a good idea to ", "Would it be wise to ", "Do you think I should ")),
)  # fmt: skip
SPELT_OUT = (
    ("isn't", "is not"), ("don't", "do not"), ("doesn't", "does not"), ("can't", "cannot"),
    ("didn't", "did not"), ("won't", "will not"), ("What's", "What is"), ("I'm", "I am"),
    ("aren't", "are not"), ("shouldn't", "should not"), ("it's", "it is"), ("I've", "I have"),
    ("kg", "kilograms"), ("km", "kilometers"), ("USA", "US"), ("US", "United States"),
    ("UK", "United Kingdom"), ("dollars", "USD"), ("percent", "%"), ("TV", "television"),
    ("photos", "pictures"), ("buy", "purchase"), ("laptop", "notebook"), ("phone", "mobile"),
)  # fmt: skip


class Perturber:
    """Draws changes with a seeded generator."""

    def __init__(self, table: WordTable, seed: int) -> None:
        self.table = table
        self.random = random.Random(seed)
        self.words = list(table.index)
        common = np.flatnonzero(
            ~table.named & (table.weight < 9.5) & (table.lemma == np.arange(len(table.lemma)))
        )
        self.common = common[[len(self.words[k]) > 2 for k in common]]
        self.names = np.flatnonzero(table.named & (table.weight < 9.5))

    def negatives(self, text: str) -> list[tuple[str, str]]:
        """Change what the text asks: at most one change of each kind."""
        changed = [
            (self._number(text), "number"),
            (self._negation(text), "negation"),
            (self._unit(text), "unit"),
            (self._direction(text), "direction"),
            *self._words(text),
            (self._roles(text), "roles"),
        ]
        return [(new, kind) for new, kind in changed if new and new.lower() != text.lower()]

    def positives(self, text: str) -> list[tuple[str, str]]:
        """Ask the same in other words."""
        changed = []
        for pattern, frames in FRAMES:
            if re.search(pattern, text):
                changed.append((re.sub(pattern, self.random.choice(frames), text), "frame"))
                break
        spelt = text
        for short, long in SPELT_OUT:
            if re.search(rf"\b{short}\b", spelt):
                spelt = re.sub(rf"\b{short}\b", long, spelt)
            elif re.search(rf"\b{long}\b", spelt):
                spelt = re.sub(rf"\b{long}\b", short, spelt)
        changed.append((spelt, "spelling"))
        changed.append((self._same_number(text), "number"))
        changed.append((self._synonym(text), "synonym"))
        if changed[0][1] == "frame" and self._synonym(text):
            changed.append((self._synonym(changed[0][0]), "synonym"))
        return [(new, kind) for new, kind in changed if new and new != text]

    def _spots(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and text of the words, in random order."""
        spots = [(m.start(), m.end(), m[0]) for m in WORD.finditer(text)]
        self.random.shuffle(spots)
        yield from spots

    def _number(self, text: str) -> str:
        for start, end, word in self._spots(text):
            if word[0].isdigit() and word.isdigit():
                value = int(word)
                if 1900 < value < 2100:
                    changed = value + self.random.choice((-3, -2, -1, 1, 2, 5))
                else:
                    changed = self.random.choice(
                        (value + 1, value * 2, value * 10, value + 5, max(1, value // 2), value + 3)
                    )
                if changed != value:
                    return text[:start] + str(changed) + text[end:]
            if word.lower() in lexicon.SMALL and word.lower() != "one":
                changed = self.random.choice([w for w in lexicon.SMALL if w != word.lower()][2:])
                return text[:start] + changed + text[end:]
        return ""

    def _same_number(self, text: str) -> str:
        for start, end, word in self._spots(text):
            low = word.lower()
            if word.isdigit() and int(word) in WORDS_FOR:
                return text[:start] + WORDS_FOR[int(word)] + text[end:]
            if low in lexicon.SMALL and low != "one":
                return text[:start] + str(lexicon.SMALL[low]) + text[end:]
            if word.isdigit() and len(word) > 4 and not word.startswith("0"):
                return text[:start] + f"{int(word):,}" + text[end:]
        return ""

    def _negation(self, text: str) -> str:
        for patterns in (AFFIRMED, self.random.sample(NEGATED, len(NEGATED))):
            for pattern, replacement in patterns:
                new = re.sub(pattern, replacement, text, count=1)
                if new != text:
                    return new
        return ""

    def _unit(self, text: str) -> str:
        for start, end, word in self._spots(text):
            group = UNIT_OF.get(word.lower())
            if group:
                unit = self.random.choice([unit for unit in group if unit != word.lower()])
                return text[:start] + unit + text[end:]
        return ""

    def _direction(self, text: str) -> str:
        swaps = [pair for pair in OPPOSED if pair[0] not in ("to", "in", "on")] + [
            pair[::-1] for pair in OPPOSED if pair[1] not in ("to", "in", "on")
        ]
        swaps += [("most", "least"), ("more", "less"), ("best", "worst"), ("least", "most")]
        self.random.shuffle(swaps)
        for word, opposite in swaps:
            new = re.sub(rf"\b{word}\b", opposite, text, count=1)
            if new != text:
                return new
        return ""

    def _roles(self, text: str) -> str:
        for pattern in (
            r"\bfrom (\w+) to (\w+)\b", r"\b(\w+) than (\w+)\b", r"\b(\w+) into (\w+)\b",
            r"\bconvert (\w+) to (\w+)\b", r"\b(\w+) to (\w+)\b", r"\b(\w+) over (\w+)\b",
        ):  # fmt: skip
            match = re.search(pattern, text)
            if match and all(
                self.table.find(match[k].lower()) >= 0 or match[k][0].isupper() for k in (1, 2)
            ):
                stop = lexicon.STOP | {"how", "way", "want", "like", "best", "need", "have"}
                if {match[1].lower(), match[2].lower()} & stop:
                    continue
                if pattern.startswith(r"\b(\w+) to") and not (
                    match[1][0].isupper() and match[2][0].isupper()
                ):
                    continue
                (start, stop_first), (start_second, end) = match.span(1), match.span(2)
                between = text[stop_first:start_second]
                return f"{text[:start]}{match[2]}{between}{match[1]}{text[end:]}"
        return ""

    def _words(self, text: str) -> list[tuple[str, str]]:
        """Replace a word by its opposite, by one of its kind, by a name, or by a related one."""
        changed: dict[str, str] = {}
        for start, end, word in self._spots(text):
            low = word.lower().replace("’", "'").split("'")[0]
            if low in lexicon.STOP or low in lexicon.DIRECTIONS or low in lexicon.UNITS or not low:
                continue
            if low in lexicon.NEGATIONS or low[0].isdigit() or len(low) < 3:
                continue
            at = self.table.find(low)
            named = (word[0].isupper() and start > 0) or at < 0 or bool(self.table.named[at])
            kind, other = self._replacement(at, named, changed)
            if other:
                is_name = word[0].isupper() and start > 0
                other = other.capitalize() if is_name else _inflect(low, other)
                changed[kind] = text[:start] + other + text[end:]
            if len(changed) == 3:
                break
        return [(new, kind) for kind, new in changed.items()]

    def _replacement(self, at: int, named: bool, changed: dict[str, str]) -> tuple[str, str]:
        """Draw a kind that is not in `changed`, and a word of it; ("", "") if there is none."""
        pool = self.names if named else self.common
        if at < 0:
            return "name", self.words[self.random.choice(pool)]
        word = np.full(len(pool), at, dtype=np.int64)
        code = self.table.relation(word, pool.astype(np.int64))
        near = self.table.vectors[pool] @ self.table.vectors[at]
        apart = self.table.lemma[pool] != self.table.lemma[at]
        for kind, fits in (
            ("opposite", (code == AGAINST) & apart),
            ("name" if named else "sibling", (code == SIBLING) & apart & (near < 0.93)),
            ("name" if named else "other", (code == NONE) & apart & (near > 0.25) & (near < 0.75)),
        ):
            if kind not in changed and fits.any():
                return kind, self.words[self.random.choice(pool[fits])]
        return "", ""

    def _synonym(self, text: str) -> str:
        for start, end, word in self._spots(text):
            at = self.table.find(word.lower())
            if at < 0 or word.lower() in lexicon.STOP or word[0].isupper() or len(word) < 4:
                continue
            words = np.full(len(self.common), at, dtype=np.int64)
            code = self.table.relation(words, self.common.astype(np.int64))
            near = self.table.vectors[self.common] @ self.table.vectors[at]
            synonyms = (code == SAME) & (near > 0.6)
            if synonyms.any():
                synonym = self.words[self.random.choice(self.common[synonyms])]
                return text[:start] + _inflect(word, synonym) + text[end:]
        return ""


def _inflect(word: str, lemma: str) -> str:
    """Give `lemma` the ending of `word`, roughly."""
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and not lemma.endswith(ending) and len(word) > 4:
            return (lemma[:-1] if lemma.endswith("e") and ending != "s" else lemma) + ending
    return lemma
