"""Draw batches of scored pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset
from siamkit.train.pair_loss import draws_pairs
from siamkit.train.pairs import Pairs, Rows


@dataclass(frozen=True, slots=True, eq=False)
class PairSampler:
    """The pairs of a training set. Each is drawn once before any is drawn again."""

    pairs: Pairs
    count: int  # pairs of a batch, at most
    seed: int

    @classmethod
    def of(cls, dataset: Dataset, config: TrainConfig) -> PairSampler | None:
        """Return the sampler of the training pairs; None if batches are of identities.

        A batch has as many samples as one of P identities with K samples.
        """
        pairs = Pairs(dataset.pairs, dataset.scores)
        if not draws_pairs(config, pairs):
            return None
        training = pairs.where(np.logical_and(*dataset.training[dataset.pairs.T]))
        count = min(len(training), config.identities * config.samples // 2)
        return cls(training, count, config.seed)

    def draw(self, turn: int) -> tuple[Rows, NDArray[np.float32]]:
        """Return the (2p,) rows and the (p,) scores of a batch; pair i has rows 2i and 2i + 1."""
        batches = -(-len(self.pairs) // self.count)  # of an epoch; the last begins it again
        epoch, index = divmod(turn, batches)
        order = _permutation(len(self.pairs), self.seed, epoch)
        chosen = np.roll(order, -index * self.count)[: self.count]
        return self.pairs.rows[chosen].ravel(), self.pairs.scores[chosen]


@lru_cache(maxsize=2)
def _permutation(total: int, seed: int, epoch: int) -> Rows:
    return np.random.default_rng([seed, epoch, 4]).permutation(total)
