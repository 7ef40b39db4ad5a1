"""Examples and the labels that they bear, one or several each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

Array: TypeAlias = "NDArray[np.float64]"
Flags: TypeAlias = "NDArray[np.bool_]"


@dataclass(frozen=True, eq=False)
class LabelledVectors:
    """Every example bears a label, and every label is borne. One entry a label of an example."""

    vectors: Vectors  # (n, dim)
    rows: Ids  # (m,) the example of an entry, rising
    labels: Ids  # (m,) its label, in 0 … classes - 1

    @classmethod
    def from_matrix(cls, vectors: Vectors, bears: Flags) -> LabelledVectors:
        """From a matrix: bears (n, classes)."""
        return cls(vectors, *np.nonzero(bears))

    @cached_property
    def counts(self) -> Ids:
        """(classes,) how many examples bear a label."""
        return np.bincount(self.labels)

    @cached_property
    def sums(self) -> Array:
        """(classes, dim) the sum of the vectors that bear a label."""
        found = np.empty((len(self.counts), self.vectors.shape[1]))
        for total, rows in zip(found, np.split(*self.by_label), strict=True):
            self.vectors[rows].sum(axis=0, dtype=np.float64, out=total)
        return found

    @cached_property
    def by_label(self) -> tuple[Ids, Ids]:
        """(m,) examples, those of a label together, and where each label but the first begins."""
        order = np.argsort(self.labels, kind="stable")
        return self.rows[order], np.cumsum(self.counts)[:-1]

    @cached_property
    def total(self) -> Array:
        """(dim,) the sum of all vectors."""
        found: Array = self.vectors.sum(axis=0, dtype=np.float64)
        return found

    def entries(self, rows: Ids) -> tuple[Ids, Ids]:
        """Which of some examples, as places in `rows`, bears which label: one a label of each."""
        first, last = (np.searchsorted(self.rows, rows, side=side) for side in ("left", "right"))
        numbers = last - first
        places = np.repeat(np.arange(len(rows)), numbers)
        before = np.cumsum(numbers) - numbers  # entries of the rows before it
        return places, self.labels[np.arange(len(places)) + (first - before)[places]]

    def bears(self, rows: Ids) -> Flags:
        """(len(rows), classes): which labels some of the examples bear."""
        found = np.zeros((len(rows), len(self.counts)), np.bool_)
        found[self.entries(rows)] = True
        return found
