"""Example vectors with one or more labels each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

Array: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, eq=False)
class LabelledVectors:
    """n examples, each with a label at least; every label has an example.

    `rows` and `labels` hold one entry per label of each example.
    """

    vectors: Vectors  # (n, dim)
    rows: Ids  # (m,) an entry's example, rising
    labels: Ids  # (m,) its label, in 0 … classes - 1

    @cached_property
    def counts(self) -> Ids:
        """(classes,) number of examples with each label."""
        return np.bincount(self.labels)

    @cached_property
    def sums(self) -> Array:
        """(classes, dim) sum of the vectors with each label."""
        sums = np.empty((len(self.counts), self.vectors.shape[1]))
        for total, rows in zip(sums, np.split(*self.by_label), strict=True):
            self.vectors[rows].sum(axis=0, dtype=np.float64, out=total)
        return sums

    @cached_property
    def by_label(self) -> tuple[Ids, Ids]:
        """(m,) examples sorted by label, and where each label but the first begins."""
        order = np.argsort(self.labels, kind="stable")
        return self.rows[order], np.cumsum(self.counts)[:-1]

    @cached_property
    def total(self) -> Array:
        """(dim,) sum of all vectors."""
        total: Array = self.vectors.sum(axis=0, dtype=np.float64)
        return total

    def entries(self, rows: Ids) -> tuple[Ids, Ids]:
        """Return the labels of some examples, one entry per label: places in `rows`, and labels."""
        first, last = (np.searchsorted(self.rows, rows, side=side) for side in ("left", "right"))
        counts = last - first
        places = np.repeat(np.arange(len(rows)), counts)
        before = np.cumsum(counts) - counts  # entries of the preceding rows
        return places, self.labels[np.arange(len(places)) + (first - before)[places]]

    def has_label(self, rows: Ids) -> NDArray[np.bool_]:
        """Return (len(rows), classes) flags of the labels of some examples."""
        flags = np.zeros((len(rows), len(self.counts)), np.bool_)
        flags[self.entries(rows)] = True
        return flags
