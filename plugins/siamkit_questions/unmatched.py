"""Compare the words that one question has and the other lacks, each with each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamkit_questions.lexical import Analysis
from siamkit_questions.sides import Features, Side, ratio
from siamkit_questions.tokens import NAME, NUMBER, UNIT, WORD
from siamkit_questions.words import AGAINST, KIN, SAME, SIBLING, WordTable

RELATIONS = (("same", SAME), ("kin", KIN), ("sibling", SIBLING), ("against", AGAINST))
KINDS = (("word", WORD), ("name", NAME), ("number", NUMBER), ("unit", UNIT))


class _WordPairs(NamedTuple):
    """The m pairs of an unmatched word of one text with one of the other."""

    shape: tuple[int, ...]  # (n, words, words)
    places: tuple[NDArray[np.int64], ...]  # (m,) each: where the pairs are in that shape
    kinds: tuple[NDArray[np.uint8], NDArray[np.uint8]]  # (m,) each
    near: NDArray[np.float32]  # (m,) cosine of the words' vectors
    spelt: NDArray[np.float32]  # (m,) cosine of their spellings
    relation: NDArray[np.uint8]  # (m,) codes of siamkit_questions.words
    neighbours: NDArray[np.int8]  # (m,) 0 to 2: equal words next to both

    def grid(self, values: NDArray[Any], empty: float = 0.0) -> NDArray[np.float32]:
        """Spread (m,) values over the shape."""
        full = np.full(self.shape, empty, dtype=np.float32)
        full[self.places] = values
        return full


def add_unmatched(
    features: Features, analysis: Analysis, table: WordTable, a: Side, b: Side
) -> None:
    """Add the features of the words that only one text has."""
    words = _pair_words(analysis, table, a, b)
    alike = _likeness(words)
    for name, values in (("near", words.near), ("alike", alike)):
        _add_coverage(features, name, words.grid(values, -1.0), a, b)
    grid = words.grid(alike, 1.0)
    neighbours = words.grid(words.neighbours)
    swapped, half = neighbours == 2, neighbours >= 1
    for name, mask in (("swap", swapped), ("half swap", half)):
        features[f"{name}s"] = mask.sum(axis=(1, 2))
        features[f"{name} alike"] = np.where(mask, grid, 1).min(axis=(1, 2))
    for name, relation in RELATIONS:
        related = words.grid(words.relation == relation) > 0
        features[name] = related.sum(axis=(1, 2))
        features[f"{name} swapped"] = (related & half).sum(axis=(1, 2))
    same_kind = words.kinds[0] == words.kinds[1]
    for name, kind in KINDS:
        exchanged = same_kind & (words.kinds[0] == kind) & (words.neighbours == 2)
        features[f"{name} for {name}"] = (words.grid(exchanged) > 0).sum(axis=(1, 2))
    clash = words.grid(same_kind & (words.kinds[0] == NAME) & (words.spelt < 0.6)) > 0
    features["names clash"] = clash.max(axis=(1, 2), initial=False)
    misspelt = words.grid(words.spelt) > 0.7
    features.set_both(
        "misspelt", misspelt.any(axis=2).sum(axis=1), misspelt.any(axis=1).sum(axis=1)
    )


def _pair_words(analysis: Analysis, table: WordTable, a: Side, b: Side) -> _WordPairs:
    left, right = a.unmatched, b.unmatched
    present = left.present[:, :, None] & right.present[:, None, :]
    row, i, j = np.nonzero(present)
    tokens = left.token[row, i], right.token[row, j]
    words = analysis.word[tokens[0]], analysis.word[tokens[1]]
    neighbours = (left.before[row, i] == right.before[row, j]).astype(np.int8)
    neighbours += left.after[row, i] == right.after[row, j]
    return _WordPairs(
        shape=present.shape,
        places=(row, i, j),
        kinds=(left.kind[row, i], right.kind[row, j]),
        near=_dot(table.vectors, *words),
        spelt=_dot(analysis.spelling, *tokens),
        relation=table.relation(*words),
        neighbours=neighbours,
    )


def _dot(
    rows: NDArray[np.float32], left: NDArray[np.integer[Any]], right: NDArray[np.integer[Any]]
) -> NDArray[np.float32]:
    """(m,) dot products of two rows each."""
    products: NDArray[np.float32] = np.einsum("nd,nd->n", rows[left], rows[right])
    return products


def _likeness(words: _WordPairs) -> NDArray[np.float32]:
    """(m,) about 1 for words of one meaning, 0 for different numbers and units, less if opposed."""
    alike = words.near.copy()
    for relation, least in ((SAME, 0.9), (KIN, 0.85)):
        related = words.relation == relation
        alike[related] = np.maximum(alike[related], least)
    similar = words.spelt > 0.75
    alike[similar] = np.maximum(alike[similar], words.spelt[similar])
    alike[words.relation == AGAINST] = -0.3
    left, right = words.kinds
    alike[(left == NUMBER) | (right == NUMBER) | ((left == UNIT) & (right == UNIT))] = 0
    return alike


def _add_coverage(
    features: Features, name: str, grid: NDArray[np.float32], a: Side, b: Side
) -> None:
    """Add how well the best word of the other text covers each unmatched word.

    grid: (n, words, words) similarities, -1 where there is no pair.
    """
    left = np.where(a.unmatched.present, grid.max(axis=2, initial=-1), 1)
    right = np.where(b.unmatched.present, grid.max(axis=1, initial=-1), 1)
    left, right = np.maximum(left, -0.3), np.maximum(right, -0.3)
    unmet_left = ((1 - left) * a.unmatched.weight).sum(axis=1)
    unmet_right = ((1 - right) * b.unmatched.weight).sum(axis=1)
    features.set_both(f"{name} unmet", unmet_left, unmet_right)
    features.set_both(
        f"{name} covered",
        ratio(a.total_weight - unmet_left, a.total_weight),
        ratio(b.total_weight - unmet_right, b.total_weight),
    )
    features.set_both(f"{name} worst", left.min(axis=1), right.min(axis=1))
