"""Build the word table of the pair scorer of questions from WordNet; used by pair_scorer.py.

`WordNet` reads a folder of WordNet 3.0 (Debian's package wordnet-base puts it into
/usr/share/wordnet). `build` makes the arrays that siamkit_questions.words reads: pairs of synonyms,
of opposites and of words with one root; the kinds of thing that a word names, which show that two
words of one kind differ; and lemmas. `reduce` packs the words' vectors.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from siamkit_questions.words import stems

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
SENSES = 3  # a word's first, most frequent senses; later ones are rarely meant
KINDS = 3  # kinds of thing stored per word
_ENDINGS = {
    "n": "ses>s xes>x zes>z ches>ch shes>sh ies>y men>man s>",
    "v": "ies>y es>e es> ed>e ed> ing>e ing> s>",
    "a": "er> est> er>e est>e",
    "r": "",
}
ENDINGS = {part: [rule.split(">") for rule in rules.split()] for part, rules in _ENDINGS.items()}


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
        tail = fields[4 + 2 * count :]
        pointers = []
        for k in range(int(tail[0])):
            symbol, target, target_part, words = tail[1 + 4 * k : 5 + 4 * k]
            target_part = "a" if target_part == "s" else target_part
            source_word, target_word = int(words[:2], 16), int(words[2:], 16)
            pointers.append((symbol, target_part, int(target), source_word, target_word))
        self.pointers[part, at] = pointers

    def lemmas(self, word: str) -> dict[str, str]:
        """Return part of speech -> lemma, for each part of speech that the word may be."""
        lemmas = {}
        for part in PARTS.values():
            if part in self.senses.get(word, {}):
                lemmas[part] = word
            elif word in self.irregular[part]:
                lemmas[part] = self.irregular[part][word]
            else:
                for ending, replacement in ENDINGS[part]:
                    stem = word[: -len(ending)] + replacement
                    if word.endswith(ending) and part in self.senses.get(stem, {}):
                        lemmas[part] = stem
                        break
        return lemmas

    def first(self, lemma: str, part: str) -> list[tuple[str, int]]:
        return self.senses.get(lemma, {}).get(part, [])[:SENSES]

    def frequent_words(self) -> list[str]:
        """List single words that the sense-tagged texts have at least twice, by frequency."""
        counts: dict[str, int] = defaultdict(int)
        for line in _lines(self.folder / "cntlist.rev"):
            key, _, count = line.split()
            counts[key.split("%")[0]] += int(count)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return [word for word, count in ranked if count > 1 and word.isascii() and word.isalpha()]


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="latin-1")
    return [line for line in text.splitlines() if line and not line.startswith("  ")]


def build(
    wordnet: WordNet, words: list[str], opposites: list[str], synonyms: list[str]
) -> dict[str, np.ndarray]:
    """Build arrays over `words`; pairs of indices a < b are stored as a * 2**16 + b, sorted.

    opposites, synonyms: hand-written lines of words, of which each two of a line make a pair.
    """
    index = {word: k for k, word in enumerate(words)}
    forms = {word: wordnet.lemmas(word) for word in words}
    by_lemma: dict[str, set[int]] = defaultdict(set)
    for word, lemmas in forms.items():
        for lemma in lemmas.values():
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
                    targets = wordnet.words[other_part, at]
                    if symbol == "!":
                        join(against, lemma, targets[target - 1])
                    elif symbol in ("+", "\\", "<") and target:
                        join(kin, lemma, targets[target - 1])
                    elif symbol == "&":  # a similar adjective: its antonyms are opposites too
                        for deeper in wordnet.pointers[other_part, at]:
                            if deeper[0] == "!":
                                antonyms = wordnet.words[deeper[1], deeper[2]]
                                join(against, lemma, antonyms[max(deeper[4], 1) - 1])
    for lines, pairs, contrary in ((opposites, against, same), (synonyms, same, against)):
        for line in lines:
            for left, right in combinations(line.split(), 2):
                if left in index and right in index:
                    pair = (min(index[left], index[right]), max(index[left], index[right]))
                    pairs.add(pair)
                    contrary.discard(pair)
    kinds = np.zeros((len(words), KINDS), dtype=np.uint16)
    numbers: dict[tuple[str, int], int] = {}
    named = np.zeros(len(words), dtype=np.uint8)
    for word, lemmas in forms.items():
        hypernyms: list[tuple[str, int]] = []
        is_instance = bool(lemmas)
        for part, lemma in lemmas.items():
            for rank, sense in enumerate(wordnet.first(lemma, part)[:2]):
                for symbol, other_part, at, *_ in wordnet.pointers[sense]:
                    if symbol in ("@", "@i", "&") and other_part in "nva":
                        hypernyms.append((other_part, at))
                is_instance &= rank > 0 or any(p[0] == "@i" for p in wordnet.pointers[sense])
        for k, key in enumerate(dict.fromkeys(hypernyms)):
            if k < KINDS:
                kinds[index[word], k] = numbers.setdefault(key, len(numbers) + 1)
        named[index[word]] = is_instance or not lemmas
    lemma_of = np.arange(len(words), dtype=np.uint16)
    for word, lemmas in forms.items():
        options = [lemma for lemma in lemmas.values() if lemma in index]
        if options and word not in lemmas.values():
            lemma_of[index[word]] = index[min(options, key=lambda lemma: (len(lemma), lemma))]
    against -= same
    return {
        "same": _pack(same),
        "against": _pack(against),
        "kin": _pack(kin - same - against),
        "kinds": kinds,
        "named": named,
        "lemma": lemma_of,
    }


def _pack(pairs: set[tuple[int, int]]) -> np.ndarray:
    return np.array(sorted(a << 16 | b for a, b in pairs), dtype=np.uint32)


def reduce(vectors: np.ndarray, dim: int) -> np.ndarray:
    """Reduce (n, 384) unit vectors to (n, dim) int8 principal components of unit rows."""
    centred = vectors - vectors.mean(axis=0)
    _, eigenvectors = np.linalg.eigh(centred.T @ centred)
    axes = eigenvectors[:, ::-1][:, :dim]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dim)])
    rows = centred @ axes
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9
    return np.round(rows * (127 / np.abs(rows).max())).astype(np.int8)


def choose_words(
    wordnet: WordNet, first: list[str], frequent: list[str], in_questions: list[str], count: int
) -> list[str]:
    """Choose `count` words: all of `first`, then frequent ones, those in questions, and WordNet's.

    An inflected form is left out if `stems` leads from it to its lemma.
    """
    head = count * 2 // 3
    tail = zip(frequent[head:], wordnet.frequent_words(), strict=False)
    others = [word for pair in tail for word in pair]
    words: dict[str, None] = {}
    for word in dict.fromkeys(first + frequent[:head] + in_questions + others):
        lemmas = set(wordnet.lemmas(word).values())
        is_form = word not in lemmas and any(s in words and s in lemmas for s in stems(word)[:1])
        if len(words) < count and (word in first or not is_form):
            words[word] = None
    return list(words)
