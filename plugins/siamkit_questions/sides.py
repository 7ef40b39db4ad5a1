"""The two texts of each pair as content words, and the features made from them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamkit_questions.lexical import Analysis

UNMATCHED = 6  # words of each text without an equal in the other that are compared one by one


class Features(dict[str, "NDArray[np.float32]"]):
    """Named columns, (n,) float32 each, in the order in which the model reads them."""

    def __setitem__(self, name: str, values: NDArray[Any]) -> None:
        super().__setitem__(name, values.astype(np.float32))

    def set_both(self, name: str, left: NDArray[Any], right: NDArray[Any]) -> None:
        """Add the smaller and the larger value of the two texts, so that neither comes first."""
        self[f"{name} min"] = np.minimum(left, right)
        self[f"{name} max"] = np.maximum(left, right)


class Unmatched(NamedTuple):
    """The first UNMATCHED words of n texts that the other text lacks; all arrays are (n, words)."""

    present: NDArray[np.bool_]  # False where a text has fewer
    token: NDArray[np.int32]
    weight: NDArray[np.float32]
    kind: NDArray[np.uint8]
    before: NDArray[np.int64]  # lemma of the content word before; -1 at the start
    after: NDArray[np.int64]


class Side:
    """One text of each of n pairs: (n, words) arrays of its content words."""

    def __init__(self, analysis: Analysis, rows: NDArray[np.int64]) -> None:
        self.token = analysis.content[rows]
        self.lemma = analysis.lemma[self.token]
        self.kind = analysis.kind[self.token]
        self.weight = analysis.weight[self.token]
        self.governor = analysis.governor[rows]
        self.present = self.token > 0
        self.matched = np.zeros_like(self.present)  # the other text has the word too; see match()

    @cached_property
    def total_weight(self) -> NDArray[np.float32]:
        """(n,) weight of all content words."""
        weight: NDArray[np.float32] = (self.weight * self.present).sum(axis=1)
        return weight

    @cached_property
    def unmatched(self) -> Unmatched:
        is_unmatched = self.present & ~self.matched
        width = min(UNMATCHED, is_unmatched.shape[1])
        at = np.argsort(~is_unmatched, axis=1, kind="stable")[:, :width]
        present = np.take_along_axis(is_unmatched, at, 1)
        edge = np.full((len(at), 1), -1, dtype=self.lemma.dtype)
        framed = np.concatenate([edge, self.lemma, edge], axis=1)
        return Unmatched(
            present,
            np.where(present, np.take_along_axis(self.token, at, 1), 0),
            np.where(present, np.take_along_axis(self.weight, at, 1), 0),
            np.where(present, np.take_along_axis(self.kind, at, 1), 0),
            np.take_along_axis(framed, at, 1),
            np.take_along_axis(framed, at + 2, 1),
        )


def match(a: Side, b: Side) -> NDArray[np.bool_]:
    """Mark the words that both texts have; returns (n, words of a, words of b), True if equal."""
    equal: NDArray[np.bool_] = np.equal(a.lemma[:, :, None], b.lemma[:, None, :])
    equal &= a.present[:, :, None] & b.present[:, None, :]
    a.matched, b.matched = np.any(equal, axis=2), np.any(equal, axis=1)
    return equal


def ratio(part: NDArray[np.float32], total: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide part by total; 1 where the total is 0."""
    return np.where(total > 0, part / np.maximum(total, np.float32(1e-6)), 1).astype(np.float32)
