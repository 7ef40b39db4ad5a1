"""Graphs written without the package `onnx`, read by it and by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from siamkit.sdk.graph_writer import RUNTIME, TYPES, GraphWriter, Port
from siamkit.sdk.onnx import encoder_session

ROWS = Port("rows", "float32", ("n", 3))
OUT = Port("out", "float32", ("n", 2))
MATRIX = np.arange(6, dtype=np.float32).reshape(3, 2)


def product(graph: GraphWriter) -> bytes:
    scaled = graph.node("LeakyRelu", "rows", alpha=0.25)
    graph.node("MatMul", scaled, MATRIX.T.copy().T, output="out")  # an array not in C order
    return graph.model("product", [ROWS], [OUT])


def test_a_graph_is_valid_and_computes_what_it_says():
    content = product(GraphWriter())
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(numpy_helper.to_array(model.graph.initializer[0]), MATRIX)
    rows = np.array([[1, 2, -4]], np.float32)
    (out,) = encoder_session(content).run(None, {"rows": rows})
    assert np.array_equal(out, np.array([[1, 2, -1]], np.float32) @ MATRIX)
    assert content == product(GraphWriter())


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_and_kind_of_attribute_reads_back(dtype):
    graph = GraphWriter()
    values = np.array([[1, 0, 1]]).astype(dtype)
    node = {"axis": -1, "perm": (1, -2), "auto_pad": "SAME_UPPER", "alpha": 0.5, "group": 300}
    name = graph.node("Anything", values, "", output="out", domain=RUNTIME, **node)
    model = onnx.load_from_string(graph.model("g", [Port("in", dtype, None)], [OUT]))
    constant = numpy_helper.to_array(model.graph.initializer[0])
    assert constant.dtype == dtype
    assert np.array_equal(constant, values)
    (written,) = model.graph.node
    stated = {a.name: onnx.helper.get_attribute_value(a) for a in written.attribute}
    assert stated == {**node, "perm": [1, -2], "auto_pad": b"SAME_UPPER"}
    assert (list(written.output), written.input[1], written.domain) == ([name], "", RUNTIME)
    assert not model.graph.input[0].type.tensor_type.HasField("shape")


def test_large_constants_go_to_a_file_beside_the_graph(tmp_path):
    with (tmp_path / "tensors.bin").open("wb") as file:
        content = product(GraphWriter(file, "tensors.bin", least=8))
    assert (tmp_path / "tensors.bin").read_bytes() == MATRIX.tobytes()
    assert MATRIX.tobytes() not in content
    opened = encoder_session(content, tensors=tmp_path / "tensors.bin")
    (out,) = opened.run(None, {"rows": np.eye(3, dtype=np.float32)})
    assert np.array_equal(out, MATRIX)
