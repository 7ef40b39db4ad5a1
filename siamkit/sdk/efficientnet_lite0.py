"""EfficientNet-Lite0 with the ImageNet weights that siamkit ships; `lite0` needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME = "efficientnet-lite0"
WEIGHTS = Path(__file__).with_name("efficientnet_lite0.safetensors")  # named as timm names them


def lite0(*, pretrained: bool = True) -> Any:
    """Create the network without its classifier, as timm builds it: a torch.nn.Module.

    It takes (n, 3, height, width) float32 and returns (n, 1280). `pretrained=False` leaves random
    weights.
    """
    import timm
    from safetensors.torch import load_file

    model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    if pretrained:
        model.load_state_dict(load_file(WEIGHTS))  # into float32
    return model
