"""The network of a localiser: a backbone's maps of features, and a head that reads targets off.

The head votes: each cell of the finer map proposes a box, and a softmax over the cells weighs the
proposals. So the few boxes of a small data set teach every cell, and a box may lie anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from siamkit.errors import BadInput, MissingWeights
from siamkit.io.sources import shorten
from siamkit.sdk.efficientnet_lite0 import NAME as LITE0
from siamkit.sdk.efficientnet_lite0 import lite0
from siamkit.train.backbones import require_backbone

MEAN, STD = 0.5, 0.5  # of EfficientNet-Lite0's inputs
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Answers:
    """The head's reading of n pictures, before it is made probabilities."""

    presence: Tensor  # (n,) logit of "one of the objects is there"
    boxes: Tensor  # (n, 4) left, top, right, bottom as shares of the sides
    labels: Tensor  # (n, k) logits
    votes: Tensor  # (n, cells) logits: which cell's proposal counts
    proposals: Tensor  # (n, cells, 4) the box that each cell proposes
    centres: Tensor  # (cells, 2) x, y of the cells


class Head(nn.Module):
    """Read a target off two maps of features, a fine one and a coarse one."""

    def __init__(self, channels: list[int], labels: int, width: int, dropout: float) -> None:
        super().__init__()
        fine, coarse = channels
        joint = width + width // 2
        self.fine = nn.Sequential(
            nn.Conv2d(fine, width // 2, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU()
        )
        self.coarse = nn.Sequential(
            nn.Conv2d(coarse, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.context = nn.Sequential(
            nn.Dropout2d(dropout),
            nn.Conv2d(joint, joint, 5, padding=2, groups=joint, bias=False),
            nn.BatchNorm2d(joint),
            nn.Conv2d(joint, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout2d(dropout),
        )
        self.cells = nn.Conv2d(width, 5, 1)  # a vote, and a proposal
        self.dropout = nn.Dropout(dropout)
        self.at_object = nn.Linear(coarse, 1 + labels)
        self.everywhere = nn.Linear(coarse, 1)

    def forward(self, fine: Tensor, coarse: Tensor) -> Answers:
        height, width = fine.shape[-2:]
        wide = interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
        joint = torch.cat([self.fine(fine), self.coarse(wide)], dim=1)
        cells = self.cells(self.context(joint)).flatten(2)
        votes, offsets, sides = cells[:, 0], cells[:, 1:3].tanh() / 2, cells[:, 3:].sigmoid()
        centres = _centres(height, width).to(cells)
        middle = centres.T + offsets
        proposals = torch.cat([middle - sides / 2, middle + sides / 2], dim=1).transpose(1, 2)
        weights = votes.softmax(dim=1)[..., None]  # (n, cells, 1)
        boxes = (weights * proposals).sum(dim=1)
        there = (wide.flatten(2) @ weights)[..., 0]  # features where the votes are
        looked_at = self.at_object(self.dropout(there))
        around = self.everywhere(self.dropout(coarse.mean(dim=(2, 3))))
        return Answers(
            looked_at[:, 0] + around[:, 0], boxes, looked_at[:, 1:], votes, proposals, centres
        )


class Localiser(nn.Module):
    """Pixels to answers. `backbone` takes (n, 3, size, size) RGB, normalised as `mean`, `std`."""

    def __init__(
        self, backbone: nn.Module, head: Head, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.mean, self.std = mean, std

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return (n, size, size, 3) uint8 as the backbone takes them."""
        mean = torch.tensor(self.mean, device=pixels.device)
        std = torch.tensor(self.std, device=pixels.device)
        return ((pixels.float() / 255 - mean) / std).permute(0, 3, 1, 2)

    def forward(self, pixels: Tensor) -> Answers:
        fine, coarse = self.backbone(self.normalise(pixels))
        return cast(Answers, self.head(fine.float(), coarse.float()))


class Served(nn.Module):
    """The textbook's target of normalised pixels: y = [p, bx, by, bh, bw, c1 … ck], (n, 5 + k).

    p and c are probabilities, bx and by the box's centre, bh and bw its sides, all in [0, 1].
    """

    def __init__(self, network: Localiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        fine, coarse = self.network.backbone(pixels)
        answers = self.network.head(fine, coarse)
        boxes = answers.boxes
        middle, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        presence, labels = answers.presence.sigmoid()[:, None], answers.labels.softmax(dim=1)
        return torch.cat([presence, middle, sides.flip(1), labels], dim=1)


def build_localiser(
    backbone: str, labels: int, width: int, dropout: float, *, pretrained: bool
) -> Localiser:
    """Build a network for `labels` labels.

    Raises BadInput for a backbone that has no maps of features, MissingWeights if published weights
    cannot be fetched.
    """
    trunk, channels = _build_backbone(backbone, pretrained)
    head = Head(channels, labels, width, dropout)
    lite = backbone == LITE0
    mean = (MEAN,) * 3 if lite else IMAGENET_MEAN
    std = (STD,) * 3 if lite else IMAGENET_STD
    return Localiser(trunk.to(memory_format=torch.channels_last), head, mean, std)


def _build_backbone(name: str, pretrained: bool) -> tuple[nn.Module, list[int]]:
    """Build the part of a backbone that gives its last two maps; return it with their channels."""
    import timm

    require_backbone(name)
    is_lite = name == LITE0
    try:
        trunk = timm.create_model(
            "tf_efficientnet_lite0" if is_lite else name,
            pretrained=pretrained and not is_lite,
            features_only=True,
            out_indices=(-2, -1),
        )
    except Exception as error:  # timm, the hub and the connection raise all kinds
        reason = f"{type(error).__name__}: {shorten(str(error))}"
        if pretrained and not isinstance(error, RuntimeError | AttributeError):
            raise MissingWeights(
                f"the weights of {name} cannot be fetched: {reason}",
                hint=f"--set backbone={LITE0} has installed ones",
            ) from error
        raise BadInput(
            f"{name} cannot be a localiser's backbone: {reason}",
            hint="take a convolutional network such as mobilenetv3_small_100",
        ) from error
    if is_lite and pretrained:
        weights = lite0().state_dict()
        trunk.load_state_dict({key: weights[key] for key in trunk.state_dict()})
    channels: list[int] = cast(Any, trunk).feature_info.channels()
    return trunk, channels


def _centres(height: int, width: int) -> Tensor:
    """Return the centres of a map's cells, (cells, 2) x and y as shares of the sides."""
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    return torch.stack([x.flatten(), y.flatten()], dim=1)
