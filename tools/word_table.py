"""What a dictionary knows of common words, packed for the pair scorer of questions.

`build(wordnet, words, vectors)` reads a folder of WordNet 3.0 (Debian's package wordnet-base puts
it into /usr/share/wordnet) and gives the arrays that siamkit_questions.words reads: pairs of words
that mean the same, the opposite, or come of one stem; the kinds of thing that a word names, so
that two of one kind are seen to differ; lemmas; and the words' own vectors in few dimensions.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from siamkit_questions.words import stems

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
SENSES = 3  # a word's first senses, the most frequent: the later ones are rarely meant
KINDS = 3  # kinds of thing kept for a word
ENDINGS = {
    "n": (("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("ies", "y"),
          ("men", "man"), ("s", "")),
    "v": (("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"),
          ("ing", ""), ("s", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}  # fmt: skip


class WordNet:
    """Synsets, the words' senses in order of frequency, and the pointers between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words: dict[tuple[str, int], list[str]] = {}
        self.pointers: dict[tuple[str, int], list[tuple[str, str, int, int, int]]] = {}
        self.senses: dict[str, dict[str, list[tuple[str, int]]]] = defaultdict(dict)
        self.irregular: dict[str, dict[str, str]] = {}
        for name, part in PARTS.items():
            for line in _lines(folder / f"data.{name}"):
                self._synset(part, line.split(" | ")[0].split())
            for line in _lines(folder / f"index.{name}"):
                fields = line.split()
                count = int(fields[2])
                self.senses[fields[0]][part] = [(part, int(at)) for at in fields[-count:]]
            pairs = (line.split()[:2] for line in _lines(folder / f"{name}.exc"))
            self.irregular[part] = dict(pairs)

    def _synset(self, part: str, fields: list[str]) -> None:
        at, count = int(fields[0]), int(fields[3], 16)
        words = [word.split("(")[0].lower() for word in fields[4 : 4 + 2 * count : 2]]
        self.words[part, at] = words
        rest = fields[4 + 2 * count :]
        found = []
        for k in range(int(rest[0])):
            symbol, target, other, where = rest[1 + 4 * k : 5 + 4 * k]
            other = "a" if other == "s" else other
            found.append((symbol, other, int(target), int(where[:2], 16), int(where[2:], 16)))
        self.pointers[part, at] = found

    def lemmas(self, word: str) -> dict[str, str]:
        """Part of speech -> lemma, for each part of speech that the word may be."""
        found = {}
        for part in PARTS.values():
            if part in self.senses.get(word, {}):
                found[part] = word
            elif word in self.irregular[part]:
                found[part] = self.irregular[part][word]
            else:
                for ending, instead in ENDINGS[part]:
                    stem = word[: -len(ending)] + instead
                    if word.endswith(ending) and part in self.senses.get(stem, {}):
                        found[part] = stem
                        break
        return found

    def first(self, lemma: str, part: str) -> list[tuple[str, int]]:
        return self.senses.get(lemma, {}).get(part, [])[:SENSES]

    def known(self) -> list[str]:
        """Single words, most frequent senses first, that the sense-tagged texts have twice."""
        found: dict[str, int] = defaultdict(int)
        for line in _lines(self.folder / "cntlist.rev"):
            key, _, count = line.split()
            found[key.split("%")[0]] += int(count)
        kept = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return [word for word, count in kept if count > 1 and word.isascii() and word.isalpha()]


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="latin-1")
    return [line for line in text.splitlines() if line and not line.startswith("  ")]


def build(
    wordnet: WordNet, words: list[str], opposites: list[str], synonyms: list[str]
) -> dict[str, np.ndarray]:
    """Arrays over `words`; pairs of indices a < b are stored as a * 2**16 + b, sorted.

    opposites: lines of words by hand, each word of a line differing from its others.
    """
    index = {word: k for k, word in enumerate(words)}
    forms = {word: wordnet.lemmas(word) for word in words}
    by_lemma: dict[str, set[int]] = defaultdict(set)
    for word, found in forms.items():
        for lemma in found.values():
            by_lemma[lemma].add(index[word])
    same: set[tuple[int, int]] = set()
    against: set[tuple[int, int]] = set()
    kin: set[tuple[int, int]] = set()

    def join(pairs: set[tuple[int, int]], left: str, right: str) -> None:
        for a in by_lemma.get(left, ()):
            for b in by_lemma.get(right, ()):
                if a != b:
                    pairs.add((min(a, b), max(a, b)))

    for lemma in by_lemma:
        for part in PARTS.values():
            for sense in wordnet.first(lemma, part):
                for other in wordnet.words[sense]:
                    if other != lemma and sense in wordnet.senses[other][part][: 2 * SENSES]:
                        join(same, lemma, other)
                for symbol, other_part, at, source, target in wordnet.pointers[sense]:
                    if source and wordnet.words[sense][source - 1] != lemma:
                        continue
                    there = wordnet.words[other_part, at]
                    if symbol == "!":
                        join(against, lemma, there[target - 1])
                    elif symbol in ("+", "\\", "<") and target:
                        join(kin, lemma, there[target - 1])
                    elif symbol == "&":  # like its satellites: also opposite to their antonyms
                        for deeper in wordnet.pointers[other_part, at]:
                            if deeper[0] == "!":
                                far = wordnet.words[deeper[1], deeper[2]]
                                join(against, lemma, far[max(deeper[4], 1) - 1])
    for lines, pairs, instead in ((opposites, against, same), (synonyms, same, against)):
        for line in lines:
            for left, right in combinations(line.split(), 2):
                if left in index and right in index:
                    pair = (min(index[left], index[right]), max(index[left], index[right]))
                    pairs.add(pair)
                    instead.discard(pair)
    kinds = np.zeros((len(words), KINDS), dtype=np.uint16)
    numbers: dict[tuple[str, int], int] = {}
    named = np.zeros(len(words), dtype=np.uint8)
    for word, found in forms.items():
        mine: list[tuple[str, int]] = []
        instance = bool(found)
        for part, lemma in found.items():
            for rank, sense in enumerate(wordnet.first(lemma, part)[:2]):
                for symbol, other_part, at, *_ in wordnet.pointers[sense]:
                    if symbol in ("@", "@i", "&") and other_part in "nva":
                        mine.append((other_part, at))
                instance &= rank > 0 or any(p[0] == "@i" for p in wordnet.pointers[sense])
        for k, key in enumerate(dict.fromkeys(mine)):
            if k < KINDS:
                kinds[index[word], k] = numbers.setdefault(key, len(numbers) + 1)
        named[index[word]] = instance or not found
    lemma_of = np.arange(len(words), dtype=np.uint16)
    for word, found in forms.items():
        options = [lemma for lemma in found.values() if lemma in index]
        if options and word not in found.values():
            lemma_of[index[word]] = index[min(options, key=lambda lemma: (len(lemma), lemma))]
    against -= same
    return {
        "same": _packed(same),
        "against": _packed(against),
        "kin": _packed(kin - same - against),
        "kinds": kinds,
        "named": named,
        "lemma": lemma_of,
    }


def _packed(pairs: set[tuple[int, int]]) -> np.ndarray:
    return np.array(sorted(a << 16 | b for a, b in pairs), dtype=np.uint32)


def reduced(vectors: np.ndarray, dim: int) -> np.ndarray:
    """(n, 384) unit vectors -> (n, dim) int8 principal components, each row scaled as a whole."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    best = axes[:, ::-1][:, :dim]
    best *= np.sign(best[np.abs(best).argmax(axis=0), np.arange(dim)])
    rows = centred @ best
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9
    return np.round(rows * (127 / np.abs(rows).max())).astype(np.int8)


def chosen(
    wordnet: WordNet, first: list[str], frequent: list[str], seen: list[str], count: int
) -> list[str]:
    """`count` words: `first` all, then frequent ones, those seen in questions, and WordNet's.

    A form that `stems` leads from to its lemma is left out: the lemma stands for it.
    """
    half = count * 2 // 3
    others = [word for two in zip(frequent[half:], wordnet.known(), strict=False) for word in two]
    kept: dict[str, None] = {}
    for word in dict.fromkeys(first + frequent[:half] + seen + others):
        lemmas = set(wordnet.lemmas(word).values())
        form = word not in lemmas and any(s in kept and s in lemmas for s in stems(word)[:1])
        if len(kept) < count and (word in first or not form):
            kept[word] = None
    return list(kept)
