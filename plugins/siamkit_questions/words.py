"""The word table: vectors, kinds and relations of common English words.

tools/word_table.py makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Relations of two words: none, synonyms, one root, a kind in common, opposites.
NONE, SAME, KIN, SIBLING, AGAINST = range(5)

_INFLECTIONS = "ies>y ses>s xes>x ches>ch shes>sh s> ying>y ing> ing>e ied>y ed> ed>e"
_ENDINGS = [tuple(rule.split(">")) for rule in _INFLECTIONS.split()]


def stems(word: str) -> list[str]:
    """List the words that a word may be a form of, likeliest first: 'uploading' -> upload, ..."""
    forms = []
    for ending, replacement in _ENDINGS:
        stem = word[: -len(ending)] + replacement
        if word.endswith(ending) and len(stem) > 2 and not word.endswith("ss"):
            forms.append(stem)
            if ending in ("ing", "ed") and len(stem) > 3 and stem[-1] == stem[-2]:
                forms.append(stem[:-1])  # 'swapping' -> swap
    return forms


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """V words. Index -1 stands for a word that the table lacks."""

    index: Mapping[str, int]
    lemma: NDArray[np.int64]  # (V,) index of the word's lemma
    vectors: NDArray[np.float32]  # (V + 1, d), rows of norm 1; the last, for -1, is zero
    kinds: NDArray[np.uint16]  # (V + 1, k) kinds of thing that a word names, padded with 0
    named: NDArray[np.bool_]  # (V,) True for names: no dictionary has them as common words
    weight: NDArray[np.float32]  # (V,) information content: log of the rarity among questions
    pairs: NDArray[np.int64]  # sorted: smaller index * 2**16 + larger
    relations: NDArray[np.uint8]  # of those pairs: SAME, KIN, AGAINST

    @classmethod
    def unpack(cls, arrays: Mapping[str, NDArray[np.generic]]) -> WordTable:
        """Create the table from its arrays; without vectors and weights if they are not there."""
        words = arrays["words"].tobytes().decode("ascii").split("\n")
        vectors = arrays.get("vectors", np.zeros((len(words), 0))).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-9)
        stored = {SAME: arrays["same"], KIN: arrays["kin"], AGAINST: arrays["against"]}
        pairs = np.concatenate([stored[code].astype(np.int64) for code in stored])
        codes = np.concatenate([np.full(len(stored[c]), c, dtype=np.uint8) for c in stored])
        order = np.argsort(pairs, kind="stable")
        kinds = arrays["kinds"].astype(np.uint16)
        return cls(
            index={word: k for k, word in enumerate(words)},
            lemma=arrays["lemma"].astype(np.int64),
            vectors=np.vstack([vectors, np.zeros_like(vectors[:1])]),
            kinds=np.vstack([kinds, np.zeros_like(kinds[:1])]),
            named=arrays["named"].astype(bool),
            weight=arrays.get("weight", arrays["lemma"] * 0).astype(np.float32) * np.float32(0.05),
            pairs=pairs[order],
            relations=codes[order],
        )

    def find(self, word: str) -> int:
        """Return the index of a word, or of the word that it is a form of; -1 if it has neither."""
        if word in self.index:
            return self.index[word]
        return next((self.index[stem] for stem in stems(word) if stem in self.index), -1)

    def relation(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (n,) relations of two (n,) arrays of indices; words of one kind are SIBLINGs."""
        keys = (np.minimum(left, right) << 16) | np.maximum(left, right)
        at = np.minimum(np.searchsorted(self.pairs, keys), len(self.pairs) - 1)
        is_listed = (self.pairs[at] == keys) & (left >= 0) & (right >= 0)
        relations = np.where(is_listed, self.relations[at], NONE).astype(np.uint8)
        kinds, other_kinds = self.kinds[left], self.kinds[right]
        shared = np.zeros(len(left), dtype=bool)
        for column in range(kinds.shape[1]):
            kind = kinds[:, column : column + 1]
            shared |= ((kind == other_kinds) & (kind > 0)).any(axis=1)
        relations[shared & (relations == NONE)] = SIBLING
        return relations
