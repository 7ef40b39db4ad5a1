"""The graph of an encoder as a torch module, differentiable from its pixels on.

A small interpreter of ONNX: onnx2torch 1.5.15 converts none of the graphs that siamkit ships
("SAME_UPPER", dynamic bounds of Clip, and DequantizeLinear stop it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.extras import require_extra
from siamkit.sdk.foreign_graph import require_plain
from siamkit.train.pictures.operators import OPERATORS, to_tensor

QUANTIZED = ("ConvInteger", "MatMulInteger", "QLinearConv", "QuantizeLinear")
LONGEST_REASON = 200  # characters of torch's own message


@dataclass(frozen=True, slots=True)
class Step:
    """An operator that waits to run."""

    op: str
    inputs: tuple[str, ...]  # "" for one that is left out
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    last_uses: list[str] = field(default_factory=list)  # tensors that no later step reads


class GraphModule(nn.Module):
    """Computes chosen tensors of a graph from its one input.

    Batches and pictures may have any size as far as the graph is convolutional. Weights are
    frozen buffers: gradients reach the input alone.
    """

    def __init__(self, graph: bytes, tensors: Sequence[str]) -> None:
        """Read a graph. Raises BadInput for a tensor that it does not compute, or that cannot be
        differentiated; MissingWeights for a damaged graph."""
        super().__init__()
        require_extra("train", "computing gradients of an encoder")
        self.tensors = tuple(tensors)
        model = _parse(graph)
        constants = {item.name: item for item in model.graph.initializer}
        ports = {port.name: port for port in model.graph.input if port.name not in constants}
        steps = _needed(model.graph.node, self.tensors)
        self._places: dict[str, str] = {}  # tensor -> buffer
        read = {name for step in steps for name in step.inputs}
        if len(read & ports.keys()) != 1:
            raise BadInput("these layers of the encoder depend on several inputs, not on a picture")
        (self.input,) = read & ports.keys()
        axes = ports[self.input].type.tensor_type.shape.dim
        self.shape = tuple(axis.dim_value or None for axis in axes)  # None: any length
        known = read & constants.keys()
        values = {name: _read(constants[name]) for name in known}
        self._steps = self._fold(steps, values)
        used = {name for step in self._steps for name in step.inputs}
        for name in sorted(values.keys() & (used | set(self.tensors))):
            self._places[name] = f"constant{len(self._places)}"
            self.register_buffer(self._places[name], values[name], persistent=False)

    def _fold(self, steps: Sequence[Step], values: dict[str, Tensor]) -> list[Step]:
        """Compute what depends on constants alone, into `values`; return the other steps."""
        left = []
        for step in steps:
            if all(not name or name in values for name in step.inputs):
                with torch.no_grad():
                    _run(step, values)
            else:
                left.append(step)
        still_used = set(self.tensors)
        for step in reversed(left):
            step.last_uses.extend({*step.inputs, *step.outputs} - still_used - values.keys())
            still_used.update(step.inputs)
        return left

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the chosen tensors. pixels: float32 of the input's layout, 0 to 255 for pictures.

        Raises BadInput if the graph cannot take an input of this size.
        """
        values = {name: getattr(self, place) for name, place in self._places.items()}
        values[self.input] = pixels
        for step in self._steps:
            _run(step, values)
            for name in step.last_uses:
                values.pop(name, None)
        return [values[name] for name in self.tensors]


def _parse(graph: bytes) -> Any:
    import onnx

    require_plain(graph)
    try:
        return onnx.load_from_string(graph)
    except Exception as error:  # of protobuf
        raise MissingWeights("the graph is not an ONNX model, or is damaged") from error


def _needed(nodes: Any, tensors: Sequence[str]) -> list[Step]:
    """Return the operators that tensors depend on, in order."""
    makers = {name: node for node in nodes for name in node.output if name}
    for name in tensors:
        if name not in makers:
            raise BadInput(f"the graph computes no tensor {name!r}")
    wanted = set(tensors)
    steps = []
    for node in reversed(nodes):
        if wanted.isdisjoint(node.output):
            continue
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            is_quantized = node.op_type in QUANTIZED
            reason = "its layers are quantised" if is_quantized else f"it has a {node.op_type}"
            raise BadInput(
                f"the encoder has no gradient as siamkit computes it: {reason}",
                hint="take another encoder: `siamkit encoders list`",
            )
        wanted.update(node.input)
        attributes = {item.name: _attribute(item) for item in node.attribute}
        if node.op_type == "Split":
            attributes["outputs"] = len(node.output)
        steps.append(Step(node.op_type, tuple(node.input), tuple(node.output), attributes))
    return steps[::-1]


def _attribute(item: Any) -> Any:
    from onnx import TensorProto, helper

    value = helper.get_attribute_value(item)
    return _read(value) if isinstance(value, TensorProto) else value


def _read(constant: Any) -> Tensor:
    from onnx import numpy_helper

    return to_tensor(numpy_helper.to_array(constant))


def _run(step: Step, values: dict[str, Tensor]) -> None:
    """Compute a step's outputs into `values`. Raises BadInput, naming the operator."""
    inputs = [values[name] if name else None for name in step.inputs]
    try:
        outputs = OPERATORS[step.op](step.attributes, *inputs)
    except (RuntimeError, IndexError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "memory" in str(error):
            raise
        reason = str(error).split("\n")[0][:LONGEST_REASON]
        raise BadInput(
            f"the encoder's {step.op} cannot be computed: {reason}",
            hint="it may need a picture of its own input's size, or of another --size",
        ) from error
    for name, value in zip(
        step.outputs, outputs if isinstance(outputs, (tuple, list)) else [outputs], strict=False
    ):
        values[name] = value
