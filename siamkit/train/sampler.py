"""Which samples make a batch: P identities with K samples each (Hermans et al. 2017, §2).

A batch is a pure function of the seed, the step and the process, so a run that is resumed draws
what it would have drawn. Each identity comes once before any comes again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
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
    genuine: tuple[Rows, ...]  # rows by identity; each has two or more
    impostors: tuple[Rows, ...]  # rows that imitate each identity; may be empty
    shape: BatchShape
    seed: int

    def draw(self, step: int, *, rank: int = 0, world: int = 1, hard: Rows | None = None) -> Rows:
        """(b,) row numbers for one process, b <= P * (K + F).

        hard: (n, k) of every row the wrong neighbours that mining found, -1 for none. Half of
        the identities then bring the identity of such a neighbour along, by that very row.
        """
        rng = np.random.default_rng([self.seed, step, rank])
        seeds = self.shape.identities
        if hard is not None:
            seeds = max(1, seeds // 2)
        chosen: dict[int, list[int]] = {}  # identity -> rows that must be in
        for identity in self._turn(step * world + rank, seeds):
            chosen.setdefault(identity, [])
            if hard is not None:
                row = int(rng.choice(self.genuine[identity]))
                wrong = hard[row][hard[row] >= 0]
                chosen[identity].append(row)
                if len(wrong):
                    partner = int(rng.choice(wrong))
                    chosen.setdefault(int(self.labels[partner]), []).append(partner)
        return np.concatenate([self._rows(i, rows, rng) for i, rows in chosen.items()])

    def _turn(self, turn: int, count: int) -> list[int]:
        """The identities of a turn: each epoch is a permutation of all."""
        total = len(self.genuine)
        count = min(count, total)
        found: dict[int, None] = {}
        for position in itertools.count(turn * count):
            epoch, place = divmod(position, total)
            found.setdefault(int(_permutation(total, self.seed, epoch)[place]))
            # One that closes an epoch may open the next as well: then another one comes early.
            if len(found) == count:
                break
        return list(found)

    def _rows(self, identity: int, wanted: list[int], rng: np.random.Generator) -> Rows:
        parts = []
        for rows, count in (
            (self.genuine[identity], self.shape.samples),
            (self.impostors[identity], self.shape.impostors),
        ):
            must = np.intersect1d(rows, np.array(wanted, np.int64))[:count]
            others = np.setdiff1d(rows, must)
            more = min(count - len(must), len(others))
            parts += [must, rng.choice(others, more, replace=False)]
        return np.concatenate(parts)


def sampler(labels: Rows, impostor: NDArray[np.bool_], shape: BatchShape, seed: int) -> Sampler:
    """Sample the (n,) rows of a training set; labels are 0, 1, … without a gap."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return Sampler(
        labels,
        tuple(rows[~impostor[rows]] for rows in groups),
        tuple(rows[impostor[rows]] for rows in groups),
        shape,
        seed,
    )


@lru_cache(maxsize=2)
def _permutation(total: int, seed: int, epoch: int) -> Rows:
    return np.random.default_rng([seed, epoch, 1]).permutation(total)
