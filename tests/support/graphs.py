"""ONNX graphs that do harm, for rows of 8 numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

BIG = 2**31  # numbers, 8 GB
FLOAT = TensorProto.FLOAT


def serialise(
    nodes: Sequence[NodeProto],
    tensors: Sequence[TensorProto] = (),
    *,
    sparse: Sequence[object] = (),
    columns: int = 8,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, ["n", None])],
        [helper.make_tensor_value_info("y", FLOAT, ["n", columns])],
        list(tensors),
        sparse_initializer=list(sparse),
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def node(operator: str, inputs: str, output: str, **attributes: object) -> NodeProto:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def whole(name: str, *values: int) -> TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def scalar(name: str, value: float, dtype: type = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


# Adds the sum of `big` to the input.
SUM = (node("ReduceSum", "big", "sum", keepdims=0), node("Add", "x sum", "y"))


def identity(name: str = "copy", columns: int = 8) -> bytes:
    """A graph that returns its input, or its first columns."""
    cut = [whole("start", 0), whole("stop", columns), whole("axis", 1)]
    nodes = [node("Slice", "x start stop axis", name), node("Identity", name, "y")]
    return serialise(nodes, cut, columns=columns)


def doubled(start: str, axis: int, times: int = 28) -> list[NodeProto]:
    names = [start, *(f"twice{number}" for number in range(times - 1)), "big"]
    return [
        node("Concat", f"{before} {before}", after, axis=axis)
        for before, after in itertools.pairwise(names)
    ]


def outer() -> list[NodeProto]:
    nodes, before = [], "x"
    for number in range(4):
        nodes.append(node("Reshape", f"{before} column", f"c{number}"))
        nodes.append(node("Reshape", f"{before} row", f"r{number}"))
        before = "big" if number == 3 else f"m{number}"
        nodes.append(node("MatMul", f"c{number} r{number}", before))
    return nodes


def branches() -> bytes:
    body = helper.make_graph(
        [node("ConstantOfShape", "size", "inner")],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", FLOAT, None)],
        [whole("size", BIG)],
    )
    choose = node("If", "true", "big", then_branch=body, else_branch=body)
    return serialise([choose, *SUM], [scalar("true", True, np.bool_)])


BOMBS: dict[str, Callable[[], bytes]] = {
    "constant": lambda: serialise(
        [node("ConstantOfShape", "size", "big"), *SUM], [whole("size", BIG)]
    ),
    "expand": lambda: serialise(
        [node("ReduceSum", "x", "x0", keepdims=0), node("Expand", "x0 size", "big"), *SUM],
        [whole("size", BIG)],
    ),
    "tile": lambda: serialise(
        [node("Tile", "x times", "big"), *SUM], [whole("times", 1, BIG >> 6)]
    ),
    "range": lambda: serialise(
        [node("Range", "from to by", "big"), *SUM],
        [scalar("from", 0), scalar("to", BIG), scalar("by", 1)],
    ),
    "pad": lambda: serialise([node("Pad", "x pads", "big"), *SUM], [whole("pads", 0, BIG, 0, 0)]),
    "random": lambda: serialise([node("RandomNormal", "", "big", shape=[BIG]), *SUM]),
    "doubled": lambda: serialise([*doubled("x", 1), *SUM]),
    "doubled constant": lambda: serialise(
        [*doubled("seed", 0), *SUM], [numpy_helper.from_array(np.ones(8, np.float32), "seed")]
    ),
    "outer product": lambda: serialise(
        [*outer(), *SUM], [whole("column", -1, 1), whole("row", 1, -1)]
    ),
    "branch": branches,
}


def external(location: str = "weights.bin") -> bytes:
    weights = numpy_helper.from_array(np.eye(8, dtype=np.float32), "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location
    return serialise([node("MatMul", "x weights", "y")], [weights])


def external_constant() -> bytes:
    weights = numpy_helper.from_array(np.eye(8, dtype=np.float32), "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    return serialise(
        [node("Constant", "", "weights", value=weights), node("MatMul", "x weights", "y")]
    )


def loop() -> bytes:
    body = helper.make_graph(
        [node("Identity", "go", "go on"), node("Add", "value value", "next")],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", FLOAT, ["n", 8]),
        ],
        [
            helper.make_tensor_value_info("go on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, ["n", 8]),
        ],
    )
    tensors = [scalar("most", 2**62, np.int64), scalar("true", True, np.bool_)]
    return serialise([node("Loop", "most true x", "y", body=body)], tensors)


def sparse() -> object:
    values = numpy_helper.from_array(np.ones(1, np.float32), "big")
    return helper.make_sparse_tensor(values, whole("at", 5), [2**29])


def sparse_constant() -> bytes:
    constant = node("Constant", "", "big")
    attribute = AttributeProto(name="sparse_value", type=AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.CopyFrom(sparse())
    constant.attribute.append(attribute)
    return serialise([constant, *SUM])


REFUSED: dict[str, Callable[[], bytes]] = {
    "external": external,
    "external constant": external_constant,
    "external, upwards": lambda: external("../weights.bin"),
    "external, a device": lambda: external("/dev/zero"),
    "external, an address": lambda: external("*/_ORT_MEM_ADDR_/*"),
    "loop": loop,
    "sparse": lambda: serialise([*SUM], sparse=[sparse()]),
    "sparse constant": sparse_constant,
    "not ONNX": lambda: b"\x00" * 100,
}
