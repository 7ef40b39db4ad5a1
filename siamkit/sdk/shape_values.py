"""Compute the small tensors of a graph that depend on shapes alone, such as padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from siamkit.sdk.graph_reader import LARGEST, Constant, Node

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.sdk.tensor_layouts import Tensor

    Values = NDArray[np.generic]

INTEGERS = (2, 3, 5, 6, 7, 12, 13)  # TensorProto.data_type


def evaluate(node: Node, inputs: list[Tensor]) -> NDArray[Any] | None:
    """Return the values of an operator's first output; None if they are unknown, or large."""
    import numpy as np

    if node.op == "Constant":
        return _constant(node)
    if node.op == "Shape":
        shape = inputs[0].shape
        if shape is None:
            return None
        part = shape[node.attributes.get("start", 0) : node.attributes.get("end")]
        return np.array(part, np.int64)
    compute = _COMPUTED.get(node.op)
    operands = [tensor.values for tensor in inputs]
    if compute is None or not operands or operands[0] is None:
        return None
    if any(values is None and node.op != "Clip" for values in operands):
        return None
    values = np.asarray(compute(node, operands))
    return values if values.size <= LARGEST else None


def _constant(node: Node) -> NDArray[Any] | None:
    import numpy as np

    content = node.attributes.get("value")
    if isinstance(content, Constant):
        return content.values
    for name, dtype in {"value_int": np.int64, "value_ints": np.int64}.items():
        if name in node.attributes:
            return np.array(node.attributes[name], dtype)
    for name in ("value_float", "value_floats"):
        if name in node.attributes:
            return np.array(node.attributes[name], np.float32)
    return None


def _cast(node: Node, known: list[Any]) -> Any:
    return known[0].astype("int64" if node.attributes["to"] in INTEGERS else "float64")


def _clip(node: Node, known: list[Any]) -> Any:
    import numpy as np

    least, most = [*known[1:], None, None][:2]
    least = node.attributes.get("min", -np.inf) if least is None else least
    return np.minimum(np.maximum(known[0], least), np.inf if most is None else most)


def _constant_of_shape(node: Node, known: list[Any]) -> Any:
    import numpy as np

    size = tuple(int(n) for n in known[0])
    if int(np.prod(size, dtype=np.float64)) > LARGEST:
        raise ValueError("too large")
    content = node.attributes.get("value")
    stated = content.values if isinstance(content, Constant) else None
    return np.full(size, 0.0 if stated is None else stated.reshape(-1)[0])


def _slice(node: Node, known: list[Any]) -> Any:
    starts = node.attributes.get("starts") or known[1].tolist()
    stops = node.attributes.get("ends") or known[2].tolist()
    axes = known[3].tolist() if len(known) > 3 else node.attributes.get("axes")
    steps = known[4].tolist() if len(known) > 4 else [1] * len(starts)
    values, places = known[0], axes or range(len(starts))
    for place, start, stop, step in zip(places, starts, stops, steps, strict=True):
        cut: list[Any] = [slice(None)] * values.ndim
        stop = None if step < 0 and stop < -values.shape[place] else stop
        cut[place] = slice(start, stop, step)
        values = values[tuple(cut)]
    return values


def _divide(node: Node, known: list[Any]) -> Any:
    whole = all(values.dtype.kind in "iu" for values in known)
    return known[0] // known[1] if whole else known[0] / known[1]


def _unsqueeze(node: Node, known: list[Any]) -> Any:
    import numpy as np

    axes = node.attributes.get("axes") or known[1].reshape(-1).tolist()
    return np.expand_dims(known[0], tuple(axes))


def _squeeze(node: Node, known: list[Any]) -> Any:
    import numpy as np

    axes = node.attributes.get("axes") or (known[1].reshape(-1).tolist() if known[1:] else None)
    return np.squeeze(known[0], None if axes is None else tuple(axes))


def _concat(node: Node, known: list[Any]) -> Any:
    import numpy as np

    return np.concatenate(known, node.attributes["axis"])


def _with_numpy(name: str) -> Callable[[Node, list[Any]], Any]:
    def compute(node: Node, known: list[Any]) -> Any:
        import numpy as np

        return getattr(np, name)(*known)

    return compute


_COMPUTED: Mapping[str, Callable[[Node, list[Any]], Any]] = {
    "Identity": lambda node, known: known[0],
    "Cast": _cast,
    "Clip": _clip,
    "ConstantOfShape": _constant_of_shape,
    "Slice": _slice,
    "Gather": lambda node, known: known[0].take(
        known[1].astype("int64"), axis=node.attributes.get("axis", 0)
    ),
    "Concat": lambda node, known: _with_numpy("concatenate")(
        node, [known, node.attributes["axis"]]
    ),
    "Reshape": lambda node, known: known[0].reshape([int(n) for n in known[1]]),
    "Transpose": lambda node, known: known[0].transpose(node.attributes.get("perm")),
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Div": _divide,
    **{
        op: _with_numpy(name)
        for op, name in {
            "Add": "add",
            "Sub": "subtract",
            "Mul": "multiply",
            "Ceil": "ceil",
            "Floor": "floor",
            "Max": "maximum",
            "Min": "minimum",
        }.items()
    },
}
