"""Networks: a trunk that is known by name, and a head that makes its features an embedding."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.errors import BadInput, MissingWeights, SiamkitError
from siamkit.io.sources import shorten
from siamkit.sdk.efficientnet_lite0 import NAME as LITE0
from siamkit.sdk.efficientnet_lite0 import lite0
from siamkit.train.config import TrainConfig

DIM = 128  # of the vectors, unless configured
Views: TypeAlias = Callable[[Tensor], Sequence[Tensor]]
log = logging.getLogger("siamkit")


class Pixels(nn.Module):
    """uint8 images, (n, h, w) or (n, h, w, c), to (n, c, h, w) float32 of the trunk's range."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        planes = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return (planes.float() / 255 - self.mean) / self.std


class Network(nn.Module):
    """Arrays to embeddings, not normalised. `trunk` makes the features, `head` the embedding.

    Out of training, the unit embeddings of all views are laid end to end: their cosine is then
    the mean of the views' cosines, which errs less than any of them.
    """

    def __init__(self, trunk: nn.Module, features: int, dim: int, views: Views | None) -> None:
        super().__init__()
        self.trunk, self.views = trunk, views
        # Batch normalisation before the projection keeps the features' scale out of it
        # (Luo et al. 2019, "Bag of tricks … person re-identification", BNNeck).
        self.head = nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, dim))

    def forward(self, arrays: Tensor) -> Tensor:
        if self.training or self.views is None:
            return self._one(arrays)
        seen = self.views(arrays)
        return torch.cat([normalize(self._one(view), dim=1) for view in seen], dim=1)

    def _one(self, arrays: Tensor) -> Tensor:
        embedded: Tensor = self.head(self.trunk(arrays).float())
        return embedded


def build_network(
    config: TrainConfig, backbone: str, shape: tuple[int, ...], views: Views | None = None
) -> Network:
    """A timm trunk by name for images of `shape`: (h, w) or (h, w, c).

    views: what a served vector is made of, see siamkit.protocols.Viewed; it has config.dim
    numbers a view.

    Raises BadInput for a name that timm does not know, MissingWeights where published weights
    are wanted and not to be had.
    """
    channels = {2: 1, 3: shape[-1]}.get(len(shape), 0)
    if not channels:
        raise BadInput(f"arrays of shape {shape} are no images, and {backbone} needs images")
    model = _build_lite0(channels, config.pretrained) if backbone == LITE0 else _build_timm(
        backbone, channels, config.pretrained
    )  # fmt: skip
    mean, std = (0.5, 0.5) if backbone == LITE0 else (0.449, 0.226)  # ImageNet's, as grey
    trunk = nn.Sequential(Pixels(mean, std), model.to(memory_format=torch.channels_last))
    return Network(trunk, _width(trunk, backbone, shape), config.dim, views)


def _width(trunk: nn.Module, backbone: str, shape: tuple[int, ...]) -> int:
    """How many features a trunk gives. Raises BadInput for one that does not take the shape."""
    try:
        with torch.no_grad():
            features = trunk.eval()(torch.zeros((1, *shape), dtype=torch.uint8))
    except SiamkitError:
        raise
    except Exception as error:  # of any kind: timm has a thousand networks
        raise BadInput(
            f"{backbone} does not take images of {shape[1]} x {shape[0]} px:"
            f" {shorten(str(error) or type(error).__name__)}",
            hint="take one that does, a convolutional one such as mobilenetv3_small_100",
        ) from error
    trunk.train()
    if features.ndim != 2:
        raise BadInput(f"{backbone} gives features of shape {tuple(features.shape)}, not rows")
    return int(features.shape[1])


def require_backbone(name: str) -> None:
    """Raise BadInput for a backbone that timm does not know."""
    import timm

    if name == LITE0 or timm.is_model(name):
        return
    near = get_close_matches(name, [LITE0, *timm.list_models()], n=5)
    raise BadInput(
        f"timm knows no backbone {name!r}",
        hint=f"near: {', '.join(near)}"
        if near
        else "python -c 'import timm; print(timm.list_models())' lists them",
    )


def _build_timm(name: str, channels: int, pretrained: bool) -> nn.Module:
    import timm

    require_backbone(name)
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=pretrained, in_chans=channels, num_classes=0
        )
    except Exception as error:  # of the hub's own kinds, and the network's
        if not pretrained:
            raise BadInput(f"timm cannot make {name}: {shorten(str(error))}") from error
        raise MissingWeights(
            f"the weights of {name} are not to be had: {type(error).__name__}: {error}",
            hint="--set pretrained=false begins at random, --set backbone=efficientnet-lite0"
            " with weights that are installed",
        ) from error
    return model


def _build_lite0(channels: int, pretrained: bool) -> nn.Module:
    model: nn.Module = lite0(pretrained=pretrained)
    if channels != 3:
        stem: Any = model.conv_stem
        # A grey picture is one of three equal planes: their kernels add up. Several grey planes
        # share that sum, so that at first the network sees their mean.
        grey = stem.weight.detach().sum(dim=1, keepdim=True)
        stem.weight = nn.Parameter(grey.repeat(1, channels, 1, 1) / channels)
        stem.in_channels = channels
    return model
