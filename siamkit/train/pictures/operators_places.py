"""Operators of ONNX over the places of (n, channels, …): convolutions, pools, normalisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from siamkit.train.pictures.operator_types import Attributes, Operator

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
MEAN_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _edges(
    attributes: Attributes, planes: Tensor, kernel: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Return the padding before and after the places of (n, c, …), by `auto_pad` or `pads`."""
    count = len(kernel)
    strides = attributes.get("strides", (1,) * count)
    dilations = attributes.get("dilations", (1,) * count)
    mode = attributes.get("auto_pad", b"NOTSET")
    if mode in (b"SAME_UPPER", b"SAME_LOWER"):
        begins, ends = [], []
        for size, stride, dilation, length in zip(
            kernel, strides, dilations, planes.shape[2:], strict=True
        ):
            reach = (math.ceil(length / stride) - 1) * stride + (size - 1) * dilation + 1
            total = max(0, reach - length)
            less, more = total // 2, total - total // 2
            begins.append(less if mode == b"SAME_UPPER" else more)
            ends.append(more if mode == b"SAME_UPPER" else less)
    else:
        pads = attributes.get("pads", (0,) * 2 * count) if mode == b"NOTSET" else (0,) * 2 * count
        begins, ends = list(pads[:count]), list(pads[count:])
    return begins, ends


def _pad(
    attributes: Attributes, planes: Tensor, kernel: Sequence[int], value: float = 0.0
) -> Tensor:
    """Pad the places of (n, c, …) as `auto_pad` or `pads` say."""
    begins, ends = _edges(attributes, planes, kernel)
    if not any(begins + ends):
        return planes
    flat = [edge for pair in zip(begins[::-1], ends[::-1], strict=True) for edge in pair]
    return functional.pad(planes, flat, value=value)


def convolve(attributes: Attributes, planes: Tensor, kernel: Tensor, bias: Any = None) -> Tensor:
    count = kernel.ndim - 2
    strides = tuple(attributes.get("strides", (1,) * count))
    dilations = tuple(attributes.get("dilations", (1,) * count))
    begins, ends = _edges(attributes, planes, kernel.shape[2:])
    padding: Any = 0
    if begins == ends:
        padding = tuple(begins)  # faster than a padded copy
    else:
        planes = _pad(attributes, planes, kernel.shape[2:])
    groups = attributes.get("group", 1)
    convolution: Operator = CONVOLUTIONS[count]
    convolved: Tensor = convolution(planes, kernel, bias, strides, padding, dilations, groups)
    return convolved


def pool_most(attributes: Attributes, planes: Tensor) -> Tensor:
    kernel = attributes["kernel_shape"]
    padded = _pad(attributes, planes, kernel, -math.inf)
    pool: Operator = MAX_POOLS[len(kernel)]
    pooled: Tensor = pool(
        padded,
        tuple(kernel),
        tuple(attributes.get("strides", (1,) * len(kernel))),
        dilation=tuple(attributes.get("dilations", (1,) * len(kernel))),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )
    return pooled


def pool_mean(attributes: Attributes, planes: Tensor) -> Tensor:
    kernel = tuple(attributes["kernel_shape"])
    strides = tuple(attributes.get("strides", (1,) * len(kernel)))
    is_ceil = bool(attributes.get("ceil_mode", 0))
    pool: Operator = MEAN_POOLS[len(kernel)]
    padded = _pad(attributes, planes, kernel)
    pooled: Tensor = pool(padded, kernel, strides, ceil_mode=is_ceil)
    if padded is planes or attributes.get("count_include_pad", 0):
        return pooled
    weights = _pad(attributes, torch.ones_like(planes[:1, :1]), kernel)
    pooled /= pool(weights, kernel, strides, ceil_mode=is_ceil)
    return pooled


def normalise_batch(
    attributes: Attributes, planes: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
    return functional.batch_norm(
        planes, mean, var, scale, bias, eps=attributes.get("epsilon", 1e-5)
    )


def normalise_instance(
    attributes: Attributes, planes: Tensor, scale: Tensor, bias: Tensor
) -> Tensor:
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.instance_norm(planes, weight=scale, bias=bias, eps=epsilon)


def resize(
    attributes: Attributes, planes: Tensor, _roi: Any = None, scales: Any = None, sizes: Any = None
) -> Tensor:
    """Resize (n, c, h, w), nearest or bilinear, as exporters of convolutional networks write it."""
    mode = attributes.get("mode", b"nearest").decode()
    target = (
        sizes.tolist()[2:]
        if sizes is not None
        else [
            int(size * by) for size, by in zip(planes.shape[2:], scales.tolist()[2:], strict=True)
        ]
    )
    if mode == "nearest":
        return functional.interpolate(planes, target, mode="nearest")
    is_aligned = attributes.get("coordinate_transformation_mode") == b"align_corners"
    return functional.interpolate(planes, target, mode="bilinear", align_corners=is_aligned)
