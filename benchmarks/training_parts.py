"""Parts that the benchmarks of training share: small networks, vectors of whole samples, errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import siamkit as sk
from siamkit.stats.metrics import eer

BATCH = 32  # samples


class Pixels(nn.Module):
    """Grey values of (n, h, w) uint8 pictures, as (n, 1, h, w) in [0, 1]."""

    def forward(self, arrays: torch.Tensor) -> torch.Tensor:
        return arrays.unsqueeze(1).float() / 255


def four_blocks(width: int, *, bias: bool) -> Iterator[nn.Module]:
    """Yield the layers of four 3 x 3 convolutions, each halving the picture.

    See Vinyals and others 2016, and Snell and others 2017.
    """
    for channels in (1, width, width, width):
        yield nn.Conv2d(channels, width, 3, padding=1, bias=bias)
        yield nn.BatchNorm2d(width)
        yield nn.ReLU()
        yield nn.MaxPool2d(2)


def embed_whole(
    ws: sk.Workspace, modality: str, samples: Sequence[str | Path], encoder: Path | None
) -> NDArray[np.float32]:
    """Return (n, dim) unit vectors of samples without a detector; None is the default encoder."""
    pipeline = ws.pipeline(modality, encoder=encoder and str(encoder), detector=None)
    vectors = []
    for start in range(0, len(samples), BATCH):
        contents = [pipeline.read(sample) for sample in samples[start : start + BATCH]]
        crops = [pipeline.crop(pipeline.load(c), sk.Region(), c) for c in contents]
        vectors.append(pipeline.embed(crops)[0])
    return np.concatenate(vectors)


def error(cosines: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the equal error rate of all pairs of an (n, n) matrix, in per cent."""
    same = labels[:, None] == labels
    upper = np.triu(np.ones_like(same), 1)
    return 100 * eer(cosines[same & upper], cosines[~same & upper])[0]
