"""Layers of graphs: read as `onnx` and ONNX Runtime read them, with the fields that they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import identity
from onnx import TensorProto, helper, numpy_helper

import siamkit_faces.modality
import siamkit_signatures.modality
import siamkit_voices.modality
from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.graph_reader import Constant, read_graph
from siamkit.sdk.layers import Layer, expose, read_layers
from siamkit.sdk.onnx import encoder_session
from siamkit.sdk.receptive_fields import follow
from siamkit_images.modality import Images

# Each plugin's graph, its inputs, and layers whose fields are measured.
SHIPPED = {
    "faces": (
        siamkit_faces.modality,
        {"data": (1, 3, 112, 112)},
        ("conv_3_relu", "conv_7_dw_relu"),
    ),
    "signatures": (
        siamkit_signatures.modality,
        {"arrays": (1, 96, 256, 4)},
        ("layer 2", "layer 12"),
    ),
    "voices": (
        siamkit_voices.modality,
        {"pieces": (1, 120, 80), "windows": (1, 64, 40)},
        ("layer 2", "layer 7", "layer 11"),
    ),
}


def shipped(name: str) -> bytes:
    return (Path(SHIPPED[name][0].__file__).parent / "encoder" / "encoder.onnx").read_bytes()


def drawn(shapes: dict[str, tuple[int, ...]], graph: bytes) -> dict[str, np.ndarray]:
    """Draw inputs of the types that a graph takes."""
    generator = np.random.default_rng(1)
    types = {port.name: port.type for port in onnx.load_from_string(graph).graph.input}
    return {
        name: generator.integers(40, 200, shape).astype(
            helper.tensor_dtype_to_np_dtype(types[name].tensor_type.elem_type)
        )
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_a_graph_reads_as_onnx_reads_it(name):
    graph = shipped(name)
    read, expected = read_graph(graph), onnx.load_from_string(graph).graph
    assert len(read.nodes) == len(expected.node)
    for node, stated in zip(read.nodes, expected.node, strict=True):
        assert (node.op, list(node.inputs)) == (stated.op_type, list(stated.input))
        assert list(node.outputs) == list(stated.output)
        for attribute in stated.attribute:
            value = helper.get_attribute_value(attribute)
            own = node.attributes[attribute.name]
            if isinstance(own, Constant):
                assert np.array_equal(own.values, numpy_helper.to_array(value))
            else:
                assert own == (value.decode() if isinstance(value, bytes) else value)
    for tensor in expected.initializer:
        constant = read.constants[tensor.name]
        assert constant.shape == tuple(tensor.dims)
        if constant.values is not None:
            assert np.array_equal(constant.values, numpy_helper.to_array(tensor))
    assert set(read.inputs) == {port.name for port in expected.input}


@pytest.mark.parametrize("name", SHIPPED)
def test_shapes_and_fields_are_those_of_a_run(name):
    """Change one column, or frame, of the input, and see which places of each layer change."""
    _, shapes, measured = SHIPPED[name]
    graph = shipped(name)
    layers = {layer.name: layer for layer in read_layers(graph, shapes)}
    names = [layer.tensor for layer in layers.values()]
    session, inputs = encoder_session(expose(graph, names)), drawn(shapes, graph)
    before = dict(zip(names, session.run(names, inputs), strict=True))
    tensors = follow(read_graph(graph), shapes)
    assert {tensor: value.shape for tensor, value in before.items()} == {
        tensor: tensors[tensor].shape for tensor in names
    }
    for place, side in {0: 40, 1: 53}.items():
        axis = layers[measured[0]].axes[place].source
        source = layers[measured[0]].input
        changed = {key: array.copy() for key, array in inputs.items()}
        np.moveaxis(changed[source], axis, 0)[side] = 220
        after = dict(zip(names, session.run(names, changed), strict=True))
        for layer in (layers[key] for key in measured if len(layers[key].axes) > place):
            assert differing(layer, place, before, after) == seeing(layer, place, side, before)


def differing(layer: Layer, place: int, before: dict, after: dict) -> list[int]:
    number = layer.tensor_axes[place]
    change = np.abs(after[layer.tensor] - before[layer.tensor]) > 1e-5
    others = tuple(axis for axis in range(change.ndim) if axis != number)
    return np.flatnonzero(change.any(axis=others)).tolist()


def seeing(layer: Layer, place: int, side: int, before: dict) -> list[int]:
    axis = layer.axes[place]
    starts = {
        at: axis.offset + axis.stride * at
        for at in range(before[layer.tensor].shape[layer.tensor_axes[place]])
    }
    return [at for at, start in starts.items() if start <= side < start + axis.field]


def test_layers_of_an_encoder_written_by_a_plugin(tmp_path):
    Images().build("efficientnet-lite0", tmp_path)
    layers = read_layers((tmp_path / "encoder.onnx").read_bytes())
    first, *_, last = layers
    assert (first.name, first.op, first.channels) == ("layer 1", "Conv + Clip", 32)
    # Padding for even strides is one pixel less before than after the picture.
    assert (first.stride, first.field, first.offset) == ((2, 2), (3, 3), (0, 0))
    assert (last.channels, last.stride, last.field) == (1280, (32, 32), (851, 851))
    assert first.tensor_axes == (2, 3)


def network(nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "height", "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(s, np.float32), n) for n, s in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_names_that_can_be_read_are_kept_and_gates_are_followed():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["relu1_1"]),
        helper.make_node("Conv", ["relu1_1", "v"], ["d"], dilations=[2, 2]),
        helper.make_node("Sigmoid", ["d"], ["s"]),
        helper.make_node("Mul", ["d", "s"], ["m7"]),
        helper.make_node("MaxPool", ["m7"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["pool"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    graph = network(nodes, {"w": (8, 3, 3, 3), "v": (4, 8, 3, 3)})
    layers = [(layer.name, layer.op, layer.field, layer.offset) for layer in read_layers(graph)]
    assert layers == [
        ("relu1_1", "Conv + Relu", (3, 3), (-1, -1)),
        ("layer 2", "Conv + Mul", (7, 7), (-1, -1)),
        ("pool", "MaxPool", (8, 8), (-1, -1)),
    ]
    (shown,) = encoder_session(expose(graph, ["m7"])).run(
        ["m7"], {"x": np.ones((1, 3, 9, 12), np.float32)}
    )
    assert shown.shape == (1, 4, 5, 8)


def test_a_graph_without_places_has_no_layers():
    assert read_layers(identity()) == []


def test_a_damaged_graph_and_an_unknown_tensor_are_refused():
    for content in (b"\x3a\xff", b"PK\x03\x04", shipped("faces")[:50_000]):
        with pytest.raises(MissingWeights, match="not an ONNX model, or is damaged"):
            read_layers(content)
    with pytest.raises(BadInput, match="computes no tensor 'nonesuch'"):
        expose(identity(), ["copy", "nonesuch"])
