"""Operators of ONNX that choose, join or reduce axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from siamkit.train.pictures.operator_types import Attributes, Operator


def reduce_by(function: Operator) -> Operator:
    def reduce(attributes: Attributes, values: Tensor, axes: Any = None) -> Tensor:
        given = attributes.get("axes") if axes is None else axes.tolist()
        if not given and attributes.get("noop_with_empty_axes", 0):
            return values
        reduced: Tensor = function(
            values, tuple(given or range(values.ndim)), bool(attributes.get("keepdims", 1))
        )
        return reduced

    return reduce


def slice_axes(
    attributes: Attributes,
    values: Tensor,
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
) -> Tensor:
    first = attributes["starts"] if starts is None else starts.tolist()
    last = attributes["ends"] if ends is None else ends.tolist()
    along = attributes.get("axes") if axes is None else axes.tolist()
    by = [1] * len(first) if steps is None else steps.tolist()
    for axis, start, end, step in zip(along or range(len(first)), first, last, by, strict=True):
        chosen = range(values.shape[axis])[slice(start, None if end < -(1 << 60) else end, step)]
        values = values.index_select(axis, torch.tensor(list(chosen), device=values.device))
    return values


def gather(attributes: Attributes, values: Tensor, indices: Tensor) -> Tensor:
    axis = attributes.get("axis", 0) % values.ndim
    flat = indices.reshape(-1).long() % values.shape[axis]
    shape = (*values.shape[:axis], *indices.shape, *values.shape[axis + 1 :])
    return values.index_select(axis, flat).reshape(shape)


def reshape(attributes: Attributes, values: Tensor, shape: Tensor) -> Tensor:
    sizes = shape.tolist()
    if not attributes.get("allowzero", 0):
        sizes = [size or values.shape[number] for number, size in enumerate(sizes)]
    return values.reshape(sizes)


def flatten(attributes: Attributes, values: Tensor) -> Tensor:
    return values.reshape(math.prod(values.shape[: attributes.get("axis", 1)]), -1)


def squeeze(attributes: Attributes, values: Tensor, axes: Any = None) -> Tensor:
    given = attributes.get("axes") if axes is None else axes.tolist()
    return values.squeeze() if given is None else values.squeeze(tuple(given))


def unsqueeze(attributes: Attributes, values: Tensor, axes: Any = None) -> Tensor:
    given = attributes["axes"] if axes is None else axes.tolist()
    rank = values.ndim + len(given)
    for axis in sorted(axis % rank for axis in given):
        values = values.unsqueeze(axis)
    return values


def pad_constant(
    attributes: Attributes, values: Tensor, pads: Any = None, value: Any = None, axes: Any = None
) -> Tensor:
    given: list[int] = list(attributes["pads"]) if pads is None else pads.tolist()
    mode = attributes.get("mode", b"constant").decode()
    places: Sequence[int] = range(values.ndim) if axes is None else axes.tolist()
    edges = {
        axis % values.ndim: (given[n], given[n + len(places)]) for n, axis in enumerate(places)
    }
    pairs = [edges.get(axis, (0, 0)) for axis in reversed(range(values.ndim))]
    while mode != "constant" and pairs and pairs[-1] == (0, 0):
        pairs.pop()  # torch reflects the last axes alone
    flat = [edge for pair in pairs for edge in pair]
    if mode != "constant":
        return functional.pad(values, flat, {"edge": "replicate"}.get(mode, mode))
    return functional.pad(values, flat, value=0.0 if value is None else float(value))


def constant_of_shape(attributes: Attributes, shape: Tensor) -> Tensor:
    value = attributes.get("value", torch.zeros(1))
    filled: Tensor = value.reshape(()).expand(shape.tolist()).to(shape.device)
    return filled


def split(attributes: Attributes, values: Tensor, sizes: Any = None) -> Sequence[Tensor]:
    axis = attributes.get("axis", 0)
    given = attributes.get("split") if sizes is None else sizes.tolist()
    if given is None:
        return torch.tensor_split(values, attributes["outputs"], axis)
    return torch.split_with_sizes(values, list(given), axis)
