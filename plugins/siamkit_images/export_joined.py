"""Encoders of two small networks side by side, before their last layers. Needs torch.

The last layers of a network of ImageNet's keep what tells its 1,000 classes apart; the features
before them keep more of a mark's shape, and where in the crop it is. See docs/regions.md for what
that is worth on logos.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.efficientnet_lite0 import lite0
from siamkit.sdk.model_folder import Card, read_card, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.sdk.quiet import quiet
from siamkit.sdk.torch_export import require_same, write_graph
from siamkit_images.prepare import PREPARED, prepare, read_recipe

WEIGHTS = Path(__file__).with_name("mobilenet_v2.safetensors")
STRIDE = 32  # px of the picture for each feature, each way
# Mean and deviation of the colours that each network was trained on, of 255.
LITE0_COLOURS = ((127.5,) * 3, (127.5,) * 3)
MOBILENET_COLOURS = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
SAME = 0.9999  # least cosine of a served vector and torch's, from the same pixels


@dataclass(frozen=True, slots=True)
class Design:
    """Input and layers of one of the encoders."""

    side: int  # px of its square input
    crop: float
    mode: str  # this, crop and interpolation: see siamkit_images.prepare.Recipe
    interpolation: str
    adds_last: bool  # the last layer of EfficientNet-Lite0, averaged, is a third part

    def preprocessing(self) -> dict[str, Any]:
        return {
            "size": [self.side, self.side],
            "crop": self.crop,
            "mode": self.mode,
            "interpolation": self.interpolation,
            "fill": [128, 128, 128],
            "prepared": PREPARED,
        }


DESIGNS = {
    # Crops: all of it is seen, since a logo is wide, and its ends tell most. 224 px distinguished
    # logos no better than 128, and take 3 times as long.
    "detail": Design(128, 1.0, "squash", "bilinear", adds_last=False),
    # Whole photographs: what matters is in the middle, and is a thing, not a mark.
    "fused": Design(224, 0.875, "center", "bicubic", adds_last=True),
}


def build(folder: Path, card: Card) -> None:
    """Write the encoder folder: EfficientNet-Lite0 from its package, MobileNetV2 as shipped.

    Fills in the card's dim and preprocessing. Raises MissingWeights.
    """
    import torch

    design = DESIGNS[card.name]
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, design.side, design.side, 3), dtype=np.uint8)
    probes, file = torch.from_numpy(pixels), io.BytesIO()
    with quiet():
        network = _join([(lite0(), LITE0_COLOURS), (_mobilenet(), MOBILENET_COLOURS)], design)
        dim = write_graph(network, (probes,), file, {"pixels": {0: "n"}}, model=card.name)
        card = replace(card, dim=dim, preprocessing=design.preprocessing())
        write_folder(folder, file.getvalue(), card)
    recipe = read_recipe(read_card(folder).preprocessing)
    encoder: OnnxEncoder[NDArray[np.uint8]] = OnnxEncoder(folder, lambda p: prepare(p, recipe))
    prepared = torch.from_numpy(np.stack([prepare(picture, recipe) for picture in pixels]))
    with torch.inference_mode():
        require_same(encoder.embed(list(pixels)), network(prepared).numpy(), SAME, peer="torch")


def _mobilenet() -> Any:
    """Create MobileNetV2 with the weights that the plugin ships, its last layers random."""
    import timm
    from safetensors.torch import load_file

    model = timm.create_model("mobilenetv2_100", num_classes=0)
    model.load_state_dict(model.state_dict() | load_file(WEIGHTS))
    return model


def _join(
    networks: list[tuple[Any, tuple[tuple[float, ...], tuple[float, ...]]]], design: Design
) -> Any:
    """Return a module: (n, side, side, 3) uint8 to unit vectors, whose parts count alike.

    networks: timm's of the EfficientNet family, with the mean and deviation of their colours. Each
    adds its features in 2 x 2 cells, averaged in each.
    """
    import torch

    normalize = torch.nn.functional.normalize
    cell = design.side // STRIDE // 2
    reach = design.side // STRIDE - cell  # of an odd number of features, both cells have the middle

    class Joined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.models = torch.nn.ModuleList(model for model, _ in networks)
            self.colours: list[tuple[torch.Tensor, ...]] = [
                tuple(torch.tensor(values).view(3, 1, 1) for values in colours)
                for _, colours in networks
            ]

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            planes = pixels.permute(0, 3, 1, 2).float()
            parts = []
            for (model, _), (mean, std) in zip(networks, self.colours, strict=True):
                features = model.blocks(model.bn1(model.conv_stem((planes - mean) / std)))
                cells = torch.nn.functional.avg_pool2d(features, reach, stride=cell)
                parts.append(normalize(cells.flatten(1), dim=1))
                if design.adds_last and model is networks[0][0]:
                    last = model.bn2(model.conv_head(features))
                    parts.append(normalize(last.mean((2, 3)), dim=1))
            vectors: torch.Tensor = torch.cat(parts, dim=1) / len(parts) ** 0.5
            return vectors

    return Joined().eval()
