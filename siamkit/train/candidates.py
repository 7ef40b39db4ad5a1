"""The samples that a step compares: those of all processes and chunks, and of earlier steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamkit.train.config import TrainConfig
from siamkit.train.relations import Relations, relations

# Share of the steps before which nothing is remembered, since embeddings still drift fast: 1,000
# of 35,000 in the code of Wang et al. 2020.
REMEMBER_AFTER = 0.03
PARTS = 1_000_000  # of a score, to count it in whole numbers


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Samples of several identities, whose rows stand together.

    Where samples are varied, those of one identity are varied alike within a draw, and may become
    another identity than in the next draw: positives are of one draw.
    """

    arrays: NDArray[Any]  # (b, …)
    labels: NDArray[np.int64]  # (b,) 0, 1, … among the training identities
    impostor: NDArray[np.bool_]  # (b,)
    rows: NDArray[np.int64]  # (b,) of the training set; no sample is its own positive
    draw: int = 0  # its number; 0 if samples are not varied
    teacher: NDArray[np.float32] | None = None  # (b, t) unit rows of the samples, not varied
    scores: NDArray[np.float32] | None = None  # (b / 2,) if rows 2i and 2i + 1 are scored pair i


def describe(batches: Sequence[Batch], device: str) -> Tensor:
    """Return (n, 5) int64 of the samples of batches: label, impostor, row, draw, score.

    The last is that of the pair whose two sides stand together, in PARTS, or -1.
    """
    draws = [np.full(len(batch.rows), batch.draw) for batch in batches]
    columns = (
        np.concatenate([batch.labels for batch in batches]),
        np.concatenate([batch.impostor for batch in batches]),
        np.concatenate([batch.rows for batch in batches]),
        np.concatenate(draws),
        np.concatenate([_score_parts(batch) for batch in batches]),
    )
    return torch.from_numpy(np.stack(columns, 1).astype(np.int64)).to(device)


def _score_parts(batch: Batch) -> NDArray[np.int64]:
    if batch.scores is None:
        return np.full(len(batch.rows), -1)
    return np.repeat(np.round(PARTS * batch.scores), 2).astype(np.int64)


def relate(about: Tensor, anchors: int) -> Relations:
    """Relate the first rows of (c, 5) `describe`, the anchors, to all of them."""
    labels, impostor, rows, draws, parts = about.unbind(1)
    related = relations(labels, impostor.bool(), anchors, rows=rows, draws=draws)
    scored = (parts[:anchors] >= 0).nonzero()[:, 0].reshape(-1, 2)
    if not len(scored):
        return related
    return replace(related, scored=scored, scores=parts[scored[:, 0]] / PARTS)


class Memory:
    """The latest embeddings of earlier steps, as candidates (XBM: Wang et al. 2020).

    As in the paper they are negatives and, unless samples are varied, positives, too. Its loss is
    that of the batch plus that against the memory; here one loss has both as candidates.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._size = config.memory
        self._after = max(config.warmup_steps, config.count_steps(REMEMBER_AFTER))
        self._content: tuple[Tensor, Tensor] | None = None  # newest first

    def recall(self, embeddings: Tensor, about: Tensor) -> tuple[Tensor, Tensor]:
        """Append what is remembered to the (n, d) embeddings and (n, 5) facts of a step."""
        if self._content is None:
            return embeddings, about
        return torch.cat([embeddings, self._content[0]]), torch.cat([about, self._content[1]])

    def remember(self, step: int, embeddings: Tensor, about: Tensor) -> None:
        """Take in the embeddings of a step; the oldest ones beyond the size are forgotten."""
        if not self._size or step <= self._after:
            return
        latest, facts = self.recall(embeddings.detach(), about)  # the newest first
        self._content = latest[: self._size], facts[: self._size]

    def tensors(self) -> dict[str, Tensor]:
        """Return all that `load` needs."""
        if self._content is None:
            return {}
        return dict(zip(("embeddings", "about"), self._content, strict=True))

    def load(self, tensors: dict[str, Tensor], device: str) -> None:
        if tensors:
            self._content = tensors["embeddings"].to(device), tensors["about"].to(device)
