"""Draw batches of P identities with K samples each (Hermans et al. 2017, §2).

A batch depends on the seed, the step and the process alone, so a resumed run draws what it would
have drawn. Each identity is drawn once before any is drawn again; where batches keep to one
category, as they do in open-metric-learning's category samplers, some are drawn early to fill the
last batch of their category.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BatchShape:
    """Upper limits of a batch; there are fewer rows where the training set has fewer."""

    identities: int  # P
    samples: int  # K, genuine ones of each identity
    impostors: int  # F, of each identity


@dataclass(frozen=True, slots=True, eq=False)
class Sampler:
    """The training rows of each identity, from which batches of a shape are drawn."""

    labels: Rows  # (n,) the identity of every row: 0, 1, …
    genuine: tuple[Rows, ...]  # rows by identity
    impostors: tuple[Rows, ...]  # rows that imitate each identity; may be empty
    shape: BatchShape
    seed: int
    categories: tuple[Rows, ...]  # identities to draw; those of a batch are of one category
    repeats: bool  # draw genuine samples again where an identity has fewer than K

    def draw(self, step: int, *, rank: int = 0, world: int = 1, hard: Rows | None = None) -> Rows:
        """Draw (b,) row numbers for one process, b <= P * (K + F).

        hard: (n, k) hard negatives of every row, -1 if absent. Half of the identities then each
        bring along the identity of such a negative, with that very row.
        """
        rng = np.random.default_rng([self.seed, step, rank])
        seeds = self.shape.identities
        if hard is not None:
            seeds = max(1, seeds // 2)
        required: dict[int, list[int]] = {}  # identity -> rows that must be drawn
        for identity in self._identities(step * world + rank, seeds):
            required.setdefault(identity, [])
            if hard is not None:
                row = int(rng.choice(self.genuine[identity]))
                negatives = hard[row][hard[row] >= 0]
                required[identity].append(row)
                if len(negatives):
                    negative = int(rng.choice(negatives))
                    required.setdefault(int(self.labels[negative]), []).append(negative)
        return np.concatenate([self._rows(i, rows, rng) for i, rows in required.items()])

    def _identities(self, turn: int, count: int) -> list[int]:
        """Return the identities of a turn; each epoch is a permutation of all."""
        if len(self.categories) > 1:
            return self._of_one_category(turn, count)
        drawn = self.categories[0]
        total = len(drawn)
        count = min(count, total)
        identities: dict[int, None] = {}
        for position in itertools.count(turn * count):
            epoch, index = divmod(position, total)
            identities.setdefault(int(drawn[_permutation(total, self.seed, epoch)[index]]))
            # An identity may end one epoch and begin the next; then another one is drawn early.
            if len(identities) == count:
                break
        return list(identities)

    def _of_one_category(self, turn: int, count: int) -> list[int]:
        """Return the identities of a turn; each epoch is a permutation of the categories' parts."""
        parts = [
            (number, start)
            for number, members in enumerate(self.categories)
            for start in range(0, len(members), count)
        ]
        epoch, index = divmod(turn, len(parts))
        number, start = parts[_permutation(len(parts), self.seed, epoch)[index]]
        members = self.categories[number]
        order = np.random.default_rng([self.seed, epoch, 2, number]).permutation(members)
        # The last part goes on with those that were first.
        identities: list[int] = np.roll(order, -start)[:count].tolist()
        return identities

    def _rows(self, identity: int, required: list[int], rng: np.random.Generator) -> Rows:
        """Draw the rows of one identity, the required ones first."""
        parts = []
        for rows, count in (
            (self.genuine[identity], self.shape.samples),
            (self.impostors[identity], self.shape.impostors),
        ):
            first = np.intersect1d(rows, np.array(required, np.int64))[:count]
            remaining = np.setdiff1d(rows, first)
            more = min(count - len(first), len(remaining))
            parts += [first, rng.choice(remaining, more, replace=False)]
        genuine, missing = self.genuine[identity], self.shape.samples - len(self.genuine[identity])
        while self.repeats and missing > 0:
            parts.append(rng.permutation(genuine)[:missing])
            missing -= len(genuine)
        return np.concatenate(parts)


def sampler(
    labels: Rows,
    impostor: NDArray[np.bool_],
    shape: BatchShape,
    seed: int,
    *,
    categories: Sequence[str] = (),
    repeats: bool = False,
    lone: bool = False,
) -> Sampler:
    """Sample the (n,) rows of a training set; labels are 0, 1, … without a gap.

    categories: of each label, if batches keep to one. A category of a single identity, which has
    no negatives, is joined with the smallest other. repeats: fill up to K samples of an identity.
    lone: draw identities with one genuine sample, too, which have no positives.
    """
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    genuine = tuple(rows[~impostor[rows]] for rows in groups)
    drawn = np.array([lone or len(rows) > 1 for rows in genuine], np.bool_)
    return Sampler(
        labels,
        genuine,
        tuple(rows[impostor[rows]] for rows in groups),
        shape,
        seed,
        _join(np.array(categories or [""] * len(groups)), drawn),
        repeats,
    )


def _join(categories: NDArray[np.str_], drawn: NDArray[np.bool_]) -> tuple[Rows, ...]:
    """Return the drawn identities of each category, two or more as far as there are any."""
    groups = [np.flatnonzero(drawn & (categories == c)) for c in np.unique(categories[drawn])]
    groups.sort(key=len)
    while len(groups) > 1 and len(groups[0]) == 1:
        groups = sorted([np.concatenate(groups[:2]), *groups[2:]], key=len)
    return tuple(groups)


@lru_cache(maxsize=2)
def _permutation(total: int, seed: int, epoch: int) -> Rows:
    return np.random.default_rng([seed, epoch, 1]).permutation(total)
