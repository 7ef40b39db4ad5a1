"""The network of `strokes`: which parts of two signatures correspond, and how they differ.

It reads what the shipped encoder makes of each 8 x 8 and 16 x 16 px of a canvas, halfway through.
Each cell of one signature attends to the cells near it in the other (cross-attention, Vaswani et
al. 2017); the difference from what it finds there, and the product, are pooled. Needs torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FINE, COARSE = (40, 12, 32), (112, 6, 16)  # channels, rows and columns of the encoder's features
REACH = (2, 4)  # cells up or down, and across, that a cell attends to
WIDTHS = 28, 48, 32, 64  # channels of fine and coarse features, of keys, and after comparing
FAR = -30.0  # attention to cells out of reach, before softmax


class Strokes(nn.Module):
    """Logits that one hand wrote two signatures. They don't depend on the order of the two."""

    def __init__(self) -> None:
        super().__init__()
        fine, coarse, keys, width = WIDTHS
        described = 4 * fine + coarse
        self.in_fine, self.in_coarse = nn.BatchNorm2d(FINE[0]), nn.BatchNorm2d(COARSE[0])
        self.fine = nn.Sequential(
            nn.Conv2d(FINE[0], fine, 3, padding=1, bias=False), nn.BatchNorm2d(fine), nn.ReLU()
        )
        self.coarse = nn.Sequential(
            nn.Conv2d(COARSE[0], coarse, 1, bias=False), nn.BatchNorm2d(coarse), nn.ReLU()
        )
        self.keys = nn.Conv2d(described, keys, 1)
        self.position = nn.Parameter(torch.zeros((2 * REACH[0] + 1) * (2 * REACH[1] + 1)))
        self.sharpness = nn.Parameter(torch.tensor(2.0))  # log of the inverse temperature
        self.differ = nn.Sequential(
            nn.Conv2d(2 * described + 1, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout2d(0.1),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.weigh = nn.Sequential(
            nn.Linear(2 * width + 1, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1)
        )
        _, rows, columns = COARSE
        down = torch.arange(rows).repeat_interleave(columns)
        across = torch.arange(columns).repeat(rows)
        dy, dx = down[None] - down[:, None], across[None] - across[:, None]
        near = (dy.abs() <= REACH[0]) & (dx.abs() <= REACH[1])
        offset = (dy + REACH[0]) * (2 * REACH[1] + 1) + dx + REACH[1]
        self.register_buffer("near", near, persistent=False)
        self.register_buffer("offset", torch.where(near, offset, 0), persistent=False)

    def describe(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each cell shows (n, 160, 6, 16), and unit keys to find it by (n, 32, 6, 16).

        fine: (n, *FINE), coarse: (n, *COARSE), both of the encoder.
        """
        fine = F.pixel_unshuffle(self.fine(self.in_fine(fine)), 2)
        cells = torch.cat([fine, self.coarse(self.in_coarse(coarse))], 1)
        cells = F.dropout2d(cells, 0.1, self.training)
        return cells, F.normalize(self.keys(cells), dim=1)

    def compare(self, cells: Tensor, keys: Tensor, others: Tensor, other_keys: Tensor) -> Tensor:
        """Return (n,) logits of n pairs, from what `describe` returned of both."""
        there = self._side(cells, keys, others, other_keys)
        back = self._side(others, other_keys, cells, keys)
        return self.weigh(there + back).squeeze(1)

    def _side(self, cells: Tensor, keys: Tensor, others: Tensor, other_keys: Tensor) -> Tensor:
        attention = keys.flatten(2).transpose(1, 2) @ other_keys.flatten(2) * self.sharpness.exp()
        position = torch.where(self.near, self.position[self.offset], torch.tensor(FAR))
        shares = (attention + position).softmax(2)
        aligned = (others.flatten(2) @ shares.transpose(1, 2)).view_as(cells)
        similarity = F.cosine_similarity(cells, aligned, dim=1).unsqueeze(1)
        both = torch.cat([(cells - aligned).abs(), cells * aligned, similarity], 1)
        differences = self.differ(both).flatten(2)
        pooled = differences.mean(2), differences.amax(2), similarity.flatten(2).mean(2)
        return torch.cat(pooled, 1)
