"""Networks: a trunk known by name, and a head that projects its features to an embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.errors import BadInput, MissingWeights
from siamkit.io.sources import shorten
from siamkit.sdk.efficientnet_lite0 import NAME as LITE0
from siamkit.sdk.efficientnet_lite0 import lite0
from siamkit.train.config import TrainConfig

DIM = 128  # of the vectors, by default
Views: TypeAlias = Callable[[Tensor], Sequence[Tensor]]


class Pixels(nn.Module):
    """Scale (n, h, w) or (n, h, w, c) uint8 images to the (n, c, h, w) float32 of the trunk."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        planes = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return (planes.float() / 255 - self.mean) / self.std


class Network(nn.Module):
    """Map arrays to embeddings that are not normalised: `trunk` to features, `head` to embeddings.

    In evaluation mode the unit embeddings of all views are concatenated: a cosine is then the mean
    of the views' cosines, which errs less than any one of them.
    """

    def __init__(self, trunk: nn.Module, features: int, dim: int, views: Views | None) -> None:
        super().__init__()
        self.trunk, self.views = trunk, views
        # Batch normalisation keeps the features' scale out of the projection
        # (Luo et al. 2019, "Bag of tricks … person re-identification", BNNeck).
        self.head = nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, dim))

    def forward(self, arrays: Tensor) -> Tensor:
        if self.training or self.views is None:
            return self._embed(arrays)
        embeddings = [normalize(self._embed(view), dim=1) for view in self.views(arrays)]
        return torch.cat(embeddings, dim=1)

    def _embed(self, arrays: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.trunk(arrays).float())
        return embeddings


def build_network(
    config: TrainConfig, backbone: str, shape: tuple[int, ...], views: Views | None = None
) -> Network:
    """Build a network with a timm trunk for images of `shape`, (h, w) or (h, w, c).

    views: the views that a served vector consists of, config.dim numbers each; see
    siamkit.protocols.Viewed.

    Raises BadInput for a name that timm does not know, MissingWeights if published weights cannot
    be fetched.
    """
    channels = {2: 1, 3: shape[-1]}.get(len(shape), 0)
    if not channels:
        raise BadInput(f"arrays of shape {shape} are not images, and {backbone} needs images")
    if backbone == LITE0:
        model, mean, std = _build_lite0(channels, config.pretrained), 0.5, 0.5
    else:  # ImageNet's mean and deviation, of grey
        model, mean, std = _build_timm(backbone, channels, config.pretrained), 0.449, 0.226
    trunk = nn.Sequential(Pixels(mean, std), model.to(memory_format=torch.channels_last))
    return Network(trunk, _width(trunk, backbone, shape), config.dim, views)


def _width(trunk: nn.Module, backbone: str, shape: tuple[int, ...]) -> int:
    """Count the features of a trunk. Raises BadInput if it does not take images of this shape."""
    try:
        with torch.no_grad():
            features = trunk.eval()(torch.zeros((1, *shape), dtype=torch.uint8))
    except Exception as error:  # timm's networks raise all kinds
        raise BadInput(
            f"{backbone} does not take images of {shape[1]} x {shape[0]} px:"
            f" {shorten(str(error) or type(error).__name__)}",
            hint="take a convolutional network such as mobilenetv3_small_100",
        ) from error
    trunk.train()
    if features.ndim != 2:
        raise BadInput(f"{backbone} returns features of shape {tuple(features.shape)}, not rows")
    return int(features.shape[1])


def require_backbone(name: str) -> None:
    """Raise BadInput for a backbone that timm does not know."""
    import timm

    if name == LITE0 or timm.is_model(name):
        return
    near = ", ".join(get_close_matches(name, [LITE0, *timm.list_models()], n=5))
    listing = "python -c 'import timm; print(timm.list_models())' lists them"
    raise BadInput(f"timm has no backbone {name!r}", hint=f"near: {near}" if near else listing)


def _build_timm(name: str, channels: int, pretrained: bool) -> nn.Module:
    import timm

    require_backbone(name)
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=pretrained, in_chans=channels, num_classes=0
        )
    except Exception as error:  # the hub and the connection raise all kinds
        if not pretrained:
            raise BadInput(f"timm cannot build {name}: {shorten(str(error))}") from error
        raise MissingWeights(
            f"the weights of {name} cannot be fetched: {type(error).__name__}: {error}",
            hint="--set pretrained=false begins with random weights, --set"
            " backbone=efficientnet-lite0 with installed ones",
        ) from error
    return model


def _build_lite0(channels: int, pretrained: bool) -> nn.Module:
    model: nn.Module = lite0(pretrained=pretrained)
    if channels != 3:
        stem = cast(nn.Conv2d, model.conv_stem)
        # A grey image equals a colour one with three equal planes, so the three kernels are summed.
        # Several grey planes share the sum: at first the network sees their mean.
        grey = stem.weight.detach().sum(dim=1, keepdim=True)
        stem.weight = nn.Parameter(grey.repeat(1, channels, 1, 1) / channels)
        stem.in_channels = channels
    return model
