"""The encoder `detail`: two small networks side by side, before their last layers. Needs torch.

The last layers of a network of ImageNet's keep what tells its 1,000 classes apart; the features
before them keep more of a mark's shape, and where in the crop it is. See docs/regions.md for what
that is worth on logos.
"""

from __future__ import annotations

import io
from dataclasses import replace
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
SIDE = 128  # px of a crop: 224 distinguished logos no better, and takes 3 times as long
STRIDE = 32  # px of the crop for each feature, each way
CELLS = 2  # across and down, each averaged by itself
# Mean and deviation of the colours that each network was trained on, of 255.
LITE0_COLOURS = ((127.5,) * 3, (127.5,) * 3)
MOBILENET_COLOURS = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
PREPROCESSING = {
    "size": [SIDE, SIDE],
    "crop": 1.0,
    "mode": "squash",  # all of the crop is seen: a logo is wide, and its ends tell most
    "interpolation": "bilinear",
    "fill": [128, 128, 128],
    "prepared": PREPARED,
}
SAME = 0.9999  # least cosine of a served vector and torch's, from the same pixels


def build(folder: Path, card: Card) -> None:
    """Write the encoder folder: EfficientNet-Lite0 from its package, MobileNetV2 as shipped.

    Fills in the card's dim and preprocessing. Raises MissingWeights.
    """
    import torch

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    probes, file = torch.from_numpy(pixels), io.BytesIO()
    with quiet():
        network = _join([(lite0(), LITE0_COLOURS), (_mobilenet(), MOBILENET_COLOURS)])
        dim = write_graph(network, (probes,), file, {"pixels": {0: "n"}}, model=card.name)
        card = replace(card, dim=dim, preprocessing=PREPROCESSING)
        write_folder(folder, file.getvalue(), card)
    recipe = read_recipe(read_card(folder).preprocessing)
    encoder: OnnxEncoder[NDArray[np.uint8]] = OnnxEncoder(folder, lambda p: prepare(p, recipe))
    with torch.inference_mode():
        require_same(encoder.embed(list(pixels)), network(probes).numpy(), SAME, peer="torch")


def _mobilenet() -> Any:
    """Create MobileNetV2 with the weights that the plugin ships, its last layers random."""
    import timm
    from safetensors.torch import load_file

    model = timm.create_model("mobilenetv2_100", num_classes=0)
    model.load_state_dict(model.state_dict() | load_file(WEIGHTS))
    return model


def _join(networks: list[tuple[Any, tuple[tuple[float, ...], tuple[float, ...]]]]) -> Any:
    """Return a module: (n, SIDE, SIDE, 3) uint8 to unit vectors, to which each network adds alike.

    networks: timm's of the EfficientNet family, with the mean and deviation of their colours.
    """
    import torch

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
                cells = torch.nn.functional.avg_pool2d(features, SIDE // STRIDE // CELLS)
                parts.append(torch.nn.functional.normalize(cells.flatten(1), dim=1))
            vectors: torch.Tensor = torch.cat(parts, dim=1) / len(parts) ** 0.5
            return vectors

    return Joined().eval()
