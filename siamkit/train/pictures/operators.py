"""The operators of ONNX graphs as functions of torch, so that gradients pass.

Semantics are those of https://onnx.ai/onnx/operators for the default domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from siamkit.train.pictures import operators_axes as axes
from siamkit.train.pictures import operators_places as places
from siamkit.train.pictures.operator_types import Attributes, Operator

DTYPES = {  # TensorProto.data_type
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,  # float16 is a way to store weights; gradients need more
    11: torch.float64,
}


def to_tensor(values: np.ndarray[Any, Any]) -> Tensor:
    """Return a constant of a graph; float16 as float32."""
    array = values.astype(np.float32) if values.dtype == np.float16 else np.array(values)
    return torch.from_numpy(array)


def _normalise_layer(
    attributes: Attributes, values: Tensor, scale: Tensor, bias: Any = None
) -> Tensor:
    shape = values.shape[attributes.get("axis", -1) :]
    return functional.layer_norm(values, shape, scale, bias, attributes.get("epsilon", 1e-5))


def _clip(attributes: Attributes, values: Tensor, low: Any = None, high: Any = None) -> Tensor:
    least, most = attributes.get("min", low), attributes.get("max", high)
    if least is None and most is None:
        return values
    least, most = (float(edge) if isinstance(edge, Tensor) else edge for edge in (least, most))
    if least is not None and most is not None and values.is_floating_point():
        return functional.hardtanh(values, least, most)  # the same; its gradient is much faster
    return values.clamp(least, most)


def _constant(attributes: Attributes) -> Tensor:
    return next(
        torch.tensor(value) if not isinstance(value, Tensor) else value
        for value in attributes.values()
    )


def _gemm(attributes: Attributes, left: Tensor, right: Tensor, bias: Any = None) -> Tensor:
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product: Tensor = attributes.get("alpha", 1.0) * (left @ right)
    if bias is not None:
        product = product + attributes.get("beta", 1.0) * bias
    return product


def _dequantize(attributes: Attributes, values: Tensor, scale: Tensor, zero: Any = None) -> Tensor:
    """Undo quantisation by tensor, by channel of an axis, or by blocks along it."""
    axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
    shape = [-1 if number == axis else 1 for number in range(values.ndim)]

    def fit(part: Tensor) -> Tensor:
        if block:
            return part.repeat_interleave(block, axis).narrow(axis, 0, values.shape[axis])
        return part.reshape(shape) if part.numel() > 1 else part

    return (values.float() - (0.0 if zero is None else fit(zero).float())) * fit(scale)


def _divide(attributes: Attributes, left: Tensor, right: Tensor) -> Tensor:
    is_whole = not (left.is_floating_point() or right.is_floating_point())
    return torch.div(left, right, rounding_mode="trunc" if is_whole else None)


def _prelu(attributes: Attributes, values: Tensor, slope: Tensor) -> Tensor:
    return torch.where(values < 0, values * slope, values)


def _lp_norm(attributes: Attributes, values: Tensor) -> Tensor:
    return functional.normalize(
        values, p=attributes.get("p", 2), dim=attributes.get("axis", -1), eps=1e-12
    )


def _ignoring(function: Operator) -> Operator:
    """Return the operator of a function that needs no attributes."""
    return lambda _attributes, *inputs: function(*inputs)


def _many(function: Operator) -> Operator:
    """Return the operator of a function of two that takes any number."""

    def fold(_attributes: Attributes, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        for following in inputs[1:]:
            total = function(total, following)
        return total

    return fold


FUNCTIONS: Mapping[str, Operator] = {  # those that have no attributes
    "Abs": torch.abs,
    "Add": torch.add,
    "And": torch.logical_and,
    "Ceil": torch.ceil,
    "CumSum": lambda x, axis: x.cumsum(int(axis)),
    "Equal": torch.eq,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda x: x.amax(tuple(range(2, x.ndim)), keepdim=True),
    "Greater": torch.gt,
    "HardSwish": functional.hardswish,
    "Identity": lambda x: x,
    "Less": torch.lt,
    "Log": torch.log,
    "MatMul": torch.matmul,
    "Mish": functional.mish,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Pow": torch.pow,
    "Reciprocal": torch.reciprocal,
    "Relu": functional.relu,
    "Round": torch.round,
    "Shape": lambda x: torch.tensor(x.shape),
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Softplus": functional.softplus,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Where": torch.where,
}
OPERATORS: Mapping[str, Operator] = {
    **{name: _ignoring(function) for name, function in FUNCTIONS.items()},
    "AveragePool": places.pool_mean,
    "BatchNormalization": places.normalise_batch,
    "Cast": lambda attributes, x: x.to(DTYPES[attributes["to"]]),
    "Clip": _clip,
    "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
    "Constant": _constant,
    "ConstantOfShape": axes.constant_of_shape,
    "Conv": places.convolve,
    "DequantizeLinear": _dequantize,
    "Div": _divide,
    "Dropout": lambda _attributes, x, *_settings: x,
    "Elu": lambda attributes, x: functional.elu(x, attributes.get("alpha", 1.0)),
    "Expand": lambda _attributes, x, shape: torch.broadcast_to(
        x, tuple(np.broadcast_shapes(x.shape, shape.tolist()))
    ),
    "Flatten": axes.flatten,
    "Gather": axes.gather,
    "Gelu": lambda attributes, x: functional.gelu(
        x, approximate=attributes.get("approximate", b"none").decode()
    ),
    "Gemm": _gemm,
    "HardSigmoid": lambda attributes, x: (
        attributes.get("alpha", 0.2) * x + attributes.get("beta", 0.5)
    ).clamp(0, 1),
    "InstanceNormalization": places.normalise_instance,
    "LayerNormalization": _normalise_layer,
    "LeakyRelu": lambda attributes, x: functional.leaky_relu(x, attributes.get("alpha", 0.01)),
    "LpNormalization": _lp_norm,
    "Max": _many(torch.maximum),
    "MaxPool": places.pool_most,
    "Min": _many(torch.minimum),
    "PRelu": _prelu,
    "Pad": axes.pad_constant,
    "ReduceL2": axes.reduce_by(lambda x, axes, keep: x.square().sum(axes, keep).sqrt()),
    "ReduceMax": axes.reduce_by(torch.amax),
    "ReduceMean": axes.reduce_by(torch.mean),
    "ReduceMin": axes.reduce_by(torch.amin),
    "ReduceSum": axes.reduce_by(torch.sum),
    "Reshape": axes.reshape,
    "Resize": places.resize,
    "Slice": axes.slice_axes,
    "Softmax": lambda attributes, x: x.softmax(attributes.get("axis", -1)),
    "Split": axes.split,
    "Squeeze": axes.squeeze,
    "Sum": _many(torch.add),
    "Transpose": lambda attributes, x: x.permute(
        tuple(attributes.get("perm", range(x.ndim)[::-1]))
    ),
    "Unsqueeze": axes.unsqueeze,
}
