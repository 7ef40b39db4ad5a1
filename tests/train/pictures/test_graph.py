"""Graphs in torch: the numbers of ONNX Runtime, gradients, other sizes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

import siamkit_faces.modality
import siamkit_signatures.modality
import siamkit_voices.modality
from siamkit.errors import BadInput
from siamkit.sdk.graph_writer import GraphWriter, Port
from siamkit.sdk.inverted_residuals import LITE0, NetworkWriter
from siamkit.sdk.layers import cut, read_layers
from siamkit.train.pictures.graph import GraphModule

SHIPPED = {"faces": siamkit_faces.modality, "signatures": siamkit_signatures.modality}


def shipped(module) -> bytes:
    return (Path(module.__file__).parent / "encoder" / "encoder.onnx").read_bytes()


def lite0() -> bytes:
    graph = GraphWriter()
    blocks = NetworkWriter(graph, LITE0).blocks("planes", are_named=True)
    planes = Port("planes", "float32", ("n", 3, "height", "width"))
    return graph.model("lite0", [planes], [Port(blocks["block7_1"], "float32", None)])


def served(graph: bytes, tensors, pixels: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(cut(graph, tensors), options)
    port = session.get_inputs()[0]
    kind = np.float32 if "float" in port.type else np.uint8
    return session.run(None, {port.name: pixels.astype(kind)})


@pytest.mark.parametrize("name", SHIPPED)
def test_layers_of_a_shipped_encoder_are_those_that_onnx_runtime_computes(name):
    graph = shipped(SHIPPED[name])
    layers = read_layers(graph)
    tensors = [layers[0].tensor, layers[-1].tensor]
    module = GraphModule(graph, tensors)
    shape = [size or 1 for size in module.shape]
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    inputs = torch.from_numpy(pixels).float().requires_grad_()
    outputs = module(inputs)
    for own, expected in zip(outputs, served(graph, tensors, pixels), strict=True):
        assert np.abs(own.detach().numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    outputs[-1].sum().backward()
    assert inputs.grad.abs().sum() > 0


def test_a_convolutional_graph_takes_pictures_of_any_size():
    graph, tensors = lite0(), ["stem", "block3_2", "block7_1"]
    module = GraphModule(graph, tensors)
    for shape in ((1, 3, 33, 50), (2, 3, 64, 47)):
        pixels = np.random.default_rng(1).integers(0, 256, shape)
        outputs = module(torch.from_numpy(pixels).float())
        for own, expected in zip(outputs, served(graph, tensors, pixels), strict=True):
            assert own.shape == expected.shape
            assert np.abs(own.numpy() - expected).max() < 1e-5 * np.abs(expected).max()


def test_gradients_are_those_of_small_steps():
    module = GraphModule(lite0(), ["stem", "block1_1"]).double()
    pixels = torch.rand(1, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    pixels = (pixels * 255).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: module(values)[1], pixels, eps=1e-4, atol=1e-5)


def small_graph(nodes, shape=(1, 2, 7, 6)) -> bytes:
    port = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    last = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "small", [port], [last])
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


NODES = {
    "MaxPool": {"kernel_shape": (3, 2), "strides": (2, 2), "pads": (1, 0, 1, 1)},
    "AveragePool": {"kernel_shape": (3, 3), "strides": (2, 1), "auto_pad": "SAME_LOWER"},
    "LeakyRelu": {"alpha": 0.2},
    "HardSigmoid": {"alpha": 0.1, "beta": 0.4},
    "ReduceMean": {"axes": (2, 3), "keepdims": 0},
    "Flatten": {"axis": 2},
    "Softmax": {"axis": 1},
    "LpNormalization": {"axis": 1, "p": 2},
    "GlobalMaxPool": {},
    "Transpose": {"perm": (0, 3, 1, 2)},
    "Elu": {"alpha": 0.5},
    "Shape": {},
}


@pytest.mark.parametrize("op", NODES)
def test_operators_compute_what_onnx_runtime_computes(op):
    graph = small_graph([helper.make_node(op, ["x"], ["y"], **NODES[op])])
    pixels = np.random.default_rng(2).normal(size=(1, 2, 7, 6)).astype(np.float32)
    (own,) = GraphModule(graph, ["y"])(torch.from_numpy(pixels))
    (expected,) = served(graph, ["y"], pixels)
    np.testing.assert_allclose(own.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_what_has_no_gradient_is_refused_with_its_reason():
    quantised = [helper.make_node("QuantizeLinear", ["x", "x"], ["y"])]
    with pytest.raises(BadInput, match="quantised"):
        GraphModule(small_graph(quantised), ["y"])
    with pytest.raises(BadInput, match="it has a NonZero"):
        GraphModule(small_graph([helper.make_node("NonZero", ["x"], ["y"])]), ["y"])
    with pytest.raises(BadInput, match="no tensor 'relu9_1'"):
        GraphModule(lite0(), ["relu9_1"])
    with pytest.raises(BadInput, match="it has a LSTM"):
        GraphModule(shipped(siamkit_voices.modality), ["vectors"])


def test_an_input_of_a_wrong_shape_is_refused():
    module = GraphModule(lite0(), ["stem"])
    with pytest.raises(BadInput, match="Sub cannot be computed"):
        module(torch.zeros(1, 4, 32, 32))
