"""Compare embeddings with a teacher's vectors of the same samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from siamkit.train.candidates import Batch


def teacher_vectors(batches: Sequence[Batch], device: str) -> Tensor:
    """Return the (n, t) vectors of a teacher for the samples of batches that have some."""
    vectors = [batch.teacher for batch in batches if batch.teacher is not None]
    return torch.from_numpy(np.concatenate(vectors)).to(device)


def distillation(embeddings: Tensor, teacher: Tensor) -> Tensor:
    """Return a () float that is 0 where (b, d) unit rows agree with the (b, t) of a teacher.

    Of one size, they are compared directly: the mean of 1 − cos. Otherwise their cosines are, by
    the mean squared difference over all pairs of the batch (Tung and Mori 2019, equation 4, whose
    products of features are cosines here).
    """
    if embeddings.shape == teacher.shape:
        return 1 - (embeddings * teacher).sum(1).mean()
    differences = embeddings @ embeddings.T - teacher @ teacher.T
    count = len(embeddings)
    return differences.square().sum() / max(1, count * (count - 1))  # the diagonal is 0
