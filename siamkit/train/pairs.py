"""Pairs of samples with a score: 1 the same, 0 different, or a degree of likeness between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

# Groups that hold more than this share of all identities cannot be split without cutting them.
GIANT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of samples, by their row numbers in a list of samples."""

    rows: Rows  # (m, 2)
    scores: NDArray[np.float32]  # (m,) in [0, 1]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def graded(self) -> bool:
        """True if a score is neither 0 nor 1."""
        return not np.isin(self.scores, (0, 1)).all()

    def equal_score(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> float | None:
        """Return the one score of all graded pairs of two chosen rows, (n,) True for these.

        None if some differ, for fewer than two such pairs, and if no pair is graded.
        """
        is_inside = np.asarray(chosen, np.bool_)[self.rows].all(1)
        scores = self.scores[is_inside & self.graded]
        return float(scores[0]) if len(scores) > 1 and np.ptp(scores) == 0 else None

    def renumbered(self, numbers: Rows) -> Pairs:
        """Return the pairs with `numbers[row]` for each row.

        Pairs with a row whose number is -1, or of one row with itself, are left out.
        """
        rows = numbers[self.rows].reshape(-1, 2)
        return self.where((rows >= 0).all(1) & (rows[:, 0] != rows[:, 1]), rows)

    def where(self, chosen: NDArray[np.bool_], rows: Rows | None = None) -> Pairs:
        """Return some of the pairs, in `rows` if these replace their row numbers."""
        return Pairs((self.rows if rows is None else rows)[chosen], self.scores[chosen])


NO_PAIRS = Pairs(np.empty((0, 2), np.int64), np.empty(0, np.float32))


def components(count: int, rows: Rows) -> Rows:
    """Return the (count,) connected component of each row, 0, 1, …, that (m, 2) pairs make."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(rows), np.int8)
    graph = coo_array((ones, (rows[:, 0], rows[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def group_labels(labels: Sequence[str], pairs: Pairs) -> dict[str, str]:
    """Map each label to that of its group: the labels that pairs connect, directly or not.

    labels: of each row. A group is named by its first label. If one group has more than the share
    GIANT of all labels, each label is a group of its own.
    """
    names = sorted(set(labels))
    numbers = {name: number for number, name in enumerate(names)}
    of_row = np.array([numbers[label] for label in labels], np.int64)
    groups = components(len(names), of_row[pairs.rows].reshape(-1, 2))
    if np.bincount(groups).max() > max(1, GIANT * len(names)):
        return {name: name for name in names}
    _, first = np.unique(groups, return_index=True)
    return {name: names[first[group]] for name, group in zip(names, groups, strict=True)}
