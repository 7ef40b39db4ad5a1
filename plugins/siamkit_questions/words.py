"""The word table: what is known of common English words. See tools/word_table.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE, SAME, KIN, SIBLING, AGAINST = range(5)  # how two words relate; SAME: synonyms

_ENDINGS = (
    ("ies", "y"), ("ses", "s"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", ""),
    ("ying", "y"), ("ing", ""), ("ing", "e"), ("ied", "y"), ("ed", ""), ("ed", "e"),
)  # fmt: skip


def stems(word: str) -> list[str]:
    """What a word may be an inflected form of, likeliest first: 'uploading' -> upload, uploade."""
    found = []
    for ending, instead in _ENDINGS:
        stem = word[: -len(ending)] + instead
        if word.endswith(ending) and len(stem) > 2 and not word.endswith("ss"):
            found.append(stem)
            if ending in ("ing", "ed") and len(stem) > 3 and stem[-1] == stem[-2]:
                found.append(stem[:-1])  # 'swapping' -> swap
    return found


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """V words. An index of -1 stands for a word that is not here."""

    index: Mapping[str, int]
    lemma: NDArray[np.int64]  # (V,) index of the word's lemma
    vectors: NDArray[np.float32]  # (V + 1, d), rows of norm 1; the last, for -1, is zero
    kinds: NDArray[np.uint16]  # (V + 1, k) kinds of thing that a word names; 0 is none
    named: NDArray[np.bool_]  # (V,) True for names: no dictionary has them as common words
    weight: NDArray[np.float32]  # (V,) how much a word tells: inverse frequency among questions
    pairs: NDArray[np.int64]  # sorted: smaller index * 2**16 + larger
    relations: NDArray[np.uint8]  # of those pairs: SAME, KIN, AGAINST

    @classmethod
    def unpack(cls, arrays: Mapping[str, NDArray[np.generic]]) -> WordTable:
        """From the arrays as they are stored."""
        words = arrays["words"].tobytes().decode("ascii").split("\n")
        vectors = arrays["vectors"].astype(np.float32)
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
            weight=arrays["weight"].astype(np.float32) * np.float32(0.05),
            pairs=pairs[order],
            relations=codes[order],
        )

    def find(self, word: str) -> int:
        """The index of a word or else of the word it is a form of; -1 if neither is here."""
        found = self.index.get(word, -1)
        if found < 0:
            for stem in stems(word):
                found = self.index.get(stem, -1)
                if found >= 0:
                    break
        return found

    def relation(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(n,) codes of two (n,) arrays of indices. Two that share a kind are SIBLINGs."""
        keys = (np.minimum(left, right) << 16) | np.maximum(left, right)
        at = np.minimum(np.searchsorted(self.pairs, keys), len(self.pairs) - 1)
        known = (self.pairs[at] == keys) & (left >= 0) & (right >= 0)
        found = np.where(known, self.relations[at], 0).astype(np.uint8)
        mine, others = self.kinds[left], self.kinds[right]
        shared = np.zeros(len(left), dtype=bool)
        for column in range(mine.shape[1]):
            one = mine[:, column : column + 1]
            shared |= ((one == others) & (one > 0)).any(axis=1)
        found[shared & (found == NONE)] = SIBLING
        return found
