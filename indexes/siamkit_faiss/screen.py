"""Rule out pairs of rows that cannot be near by a few numbers of each.

Turned into their principal axes, two rows have the dot product of their first m coordinates plus
that of the others, which is at most the product of the others' norms (Cauchy-Schwarz). So m
coordinates and one norm bound each cosine from above. Pairs whose bound is below the floor are
passed over; the few that remain are scored in full. No near pair is lost. How many coordinates are
the cheapest depends on the rows and the floor, so that is measured: see `choose_screen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Vectors

    Rows: TypeAlias = NDArray[np.signedinteger[Any]]  # (n,) row numbers
    RowPairs: TypeAlias = tuple[Rows, Rows, NDArray[np.float32]]  # and their cosines

FITTED = 16_384  # rows that the axes are fitted to
COORDINATES = (16, 32, 48, 64, 96, 128, 192, 256)  # to choose from, up to half of the dimensions
SCORED = 60.0  # multiplications per dimension that it costs to score a pair alone, by measurement
SCANNED = 16.0  # multiplications that it costs to compare a bound with the floor
DENSE = 0.02  # share of pairs not ruled out from which one product of all is faster
ROUNDING = 1e-5  # of float32 dot products
REST = 1e-6  # added to a squared norm: the difference of two float32 numbers that are nearly equal
PAIRS_AT_ONCE = 4_096  # pairs scored alone at once: their rows stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """The first m principal axes of some rows, and the cosine from which a pair is near."""

    floor: float
    axes: Vectors | None = None  # (dim, m) orthonormal; None to score all pairs in full

    def shorten(self, rows: Vectors) -> Vectors:
        """Return (n, m + 1) of (n, dim) rows: coordinates and the norm of what they leave out."""
        if self.axes is None:
            return rows
        return _shorten(rows, rows @ self.axes)

    def near_pairs(
        self,
        vectors: Vectors,
        rows: Rows,
        columns: Rows,
        bounds: NDArray[np.float32],
        *,
        once: bool = False,
    ) -> RowPairs:
        """Return the near pairs between two lists of row numbers, none of a row with itself.

        bounds: the (rows, columns) dot products of the shortened rows. once: only the pairs whose
        row has the smaller number; for two lists of the same rows.
        """
        limit = np.float32(self.floor if self.axes is None else self.floor - ROUNDING)
        places, scores = np.flatnonzero(bounds >= limit), bounds
        is_dense = len(places) > DENSE * bounds.size
        if self.axes is not None and is_dense:
            scores = vectors[rows] @ vectors[columns].T
            places = np.flatnonzero(scores >= np.float32(self.floor))
        a, b = np.divmod(places, max(1, len(columns)))
        left, right = rows[a], columns[b]
        counts = left < right if once else left != right
        left, right = left[counts], right[counts]
        if self.axes is None or is_dense:
            return left, right, scores.ravel()[places[counts]]
        return self._score(vectors, left, right)

    def _score(self, vectors: Vectors, left: Rows, right: Rows) -> RowPairs:
        scores = np.empty(len(left), np.float32)
        for start in range(0, len(left), PAIRS_AT_ONCE):
            block = slice(start, start + PAIRS_AT_ONCE)
            scores[block] = np.einsum("ij,ij->i", vectors[left[block]], vectors[right[block]])
        near = scores >= np.float32(self.floor)
        return left[near], right[near], scores[near]


def principal_axes(vectors: Vectors) -> Vectors:
    """Return the (dim, dim) axes of (n, dim) rows about the origin, the longest first."""
    rng = np.random.default_rng(0)
    fitted = np.sort(rng.choice(len(vectors), min(FITTED, len(vectors)), replace=False))
    rows = np.asarray(vectors[fitted], np.float64)
    _, axes = np.linalg.eigh(rows.T @ rows)
    return np.ascontiguousarray(axes[:, ::-1], np.float32)


def choose_screen(
    vectors: Vectors,
    axes: Vectors,
    floor: float,
    tasks: Sequence[tuple[Rows, Rows]],
    most: int,
) -> Screen:
    """Return the screen that is the cheapest for some lists of rows and columns to compare.

    most: coordinates, at most.
    """
    dim = vectors.shape[1]
    turned = [(vectors[rows] @ axes, vectors[columns] @ axes) for rows, columns in tasks]
    best, least = Screen(floor), dim + SCANNED
    for count in COORDINATES:
        if count > min(dim // 2, most):
            break
        passed = pairs = 0
        for rows, columns in turned:
            bounds = _shorten(rows, rows[:, :count]) @ _shorten(columns, columns[:, :count]).T
            passed += int(np.count_nonzero(bounds >= np.float32(floor - ROUNDING)))
            pairs += bounds.size
        cost = count + 1 + SCANNED + SCORED * dim * passed / max(1, pairs)
        if cost < least:
            best, least = Screen(floor, np.ascontiguousarray(axes[:, :count])), cost
    return best


def _shorten(rows: Vectors, coordinates: Vectors) -> Vectors:
    rest = np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", coordinates, coordinates)
    norm = np.sqrt(np.maximum(rest, 0) + np.float32(REST))
    return np.concatenate([coordinates, norm[:, None]], axis=1)
