"""The network of a run, the part of it that learns, and what that part takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamkit.train.localise.augment import vary
from siamkit.train.localise.config import LocaliserConfig
from siamkit.train.localise.features import Features
from siamkit.train.localise.network import Answers, Localiser
from siamkit.train.localise.prepare import NOTHING, Pictures


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Input of the part that learns, with the targets."""

    inputs: tuple[Tensor, ...]  # pixels (b, size, size, 3) uint8, or both maps of features
    labels: Tensor  # (b,)
    boxes: Tensor  # (b, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A localiser: its head alone learns if there are features, else all of it does."""

    whole: Localiser
    dataset: Pictures
    config: LocaliserConfig
    features: Features | None

    @property
    def trained(self) -> nn.Module:
        return self.whole if self.features is None else self.whole.head

    def batch(self, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Return pictures with their targets: variants drawn by `rng`, or as they are if None."""
        labels = torch.from_numpy(self.dataset.labels[rows])
        if self.features is not None:
            views = np.zeros(len(rows), np.int64)
            if rng is not None:
                views = rng.integers(0, 1 + self.features.views, len(rows))
            boxes = torch.from_numpy(self.features.boxes[rows, views])
            return Batch(self.features.maps(rows, views), labels, boxes)
        pixels, boxes_of = self.dataset.arrays[rows], np.array(self.dataset.boxes[rows])
        if rng is not None and self.config.augment:
            pixels = np.array(pixels)
            for place, row in enumerate(rows):
                there = self.dataset.labels[row] != NOTHING
                pixels[place], box = vary(pixels[place], boxes_of[place] if there else None, rng)
                boxes_of[place] = 0 if box is None else box
        return Batch((torch.from_numpy(np.array(pixels)),), labels, torch.from_numpy(boxes_of))

    def parameter_groups(self) -> list[tuple[nn.Module, float]]:
        """Return the modules that learn, each with its share of the learning rate."""
        groups: list[tuple[nn.Module, float]] = [(self.whole.head, 1.0)]
        if self.features is None:
            groups.append((self.whole.backbone, self.config.backbone_rate))
        return groups

    def train(self) -> None:
        """Set the part that learns to learn; the backbone keeps its batch statistics."""
        self.whole.eval()
        self.whole.head.train()

    def answer(self, batch: Batch, device: str) -> Answers:
        answers: Answers = self.trained(*(tensor.to(device) for tensor in batch.inputs))
        return answers
