"""Tensors of a graph, and the operators that rearrange them: slices, shapes, joins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from siamkit.sdk.graph_reader import Node

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Axis:
    """The part of an axis of the input that each position of a tensor's axis sees."""

    source: int  # axis of the graph's input
    stride: int = 1
    field: int = 1
    offset: int = 0  # below 0: the first positions see padding, too


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a graph, as far as it is known without running it."""

    shape: tuple[int, ...] | None = None
    axes: tuple[Axis | None, ...] = ()  # of each of its axes; None: unknown, or all of the input
    source: str = ""  # the graph's input that the axes are of
    values: NDArray[Any] | None = None  # of small ones

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape. Raises ValueError if it is unknown."""
        if self.shape is None:
            raise ValueError("the shape is unknown")
        return self.shape

    @property
    def numbers(self) -> list[int]:
        """The values as a flat list. Raises ValueError if they are unknown."""
        if self.values is None:
            raise ValueError("the values are unknown")
        return [int(value) for value in self.values.reshape(-1)]


def unite(axes: list[Axis | None]) -> Axis | None:
    """Return the axis that sees what any of them sees; None if they step differently."""
    sources = [axis for axis in axes if axis is not None]
    if not sources or len({(axis.source, axis.stride) for axis in sources}) > 1:
        return None
    start = min(axis.offset for axis in sources)
    stop = max(axis.offset + axis.field for axis in sources)
    return Axis(sources[0].source, sources[0].stride, stop - start, start)


def shift(axis: Axis | None, positions: int) -> Axis | None:
    """Return the axis without its first positions; with more of them if below 0."""
    return axis and replace(axis, offset=axis.offset + axis.stride * positions)


def named_axes(node: Node, inputs: list[Tensor], rank: int) -> set[int]:
    """Return the axes that an operator names, as an attribute or, in later opsets, as an input."""
    stated = node.attributes.get("axes")
    if stated is None and len(inputs) > 1:
        stated = inputs[1].numbers
    return {int(axis) % rank for axis in stated or ()}


def rearrange(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    """Return the outputs of an operator that moves or joins elements; none if it is another.

    Raises ValueError if what it needs is unknown.
    """
    if node.op == "Split":
        return _split(node, inputs)
    handler = _HANDLERS.get(node.op)
    return [handler(node, inputs)] if handler else []


def _picked(tensor: Tensor, places: list[int]) -> Tensor:
    sizes = tensor.sizes
    return Tensor(
        tuple(sizes[n] for n in places), tuple(tensor.axes[n] for n in places), tensor.source
    )


def _changed(tensor: Tensor, place: int, size: int, axis: Axis | None) -> Tensor:
    sizes, axes = list(tensor.sizes), list(tensor.axes)
    sizes[place], axes[place] = size, axis
    return Tensor(tuple(sizes), tuple(axes), tensor.source)


def _transpose(node: Node, inputs: list[Tensor]) -> Tensor:
    order = node.attributes.get("perm") or list(range(len(inputs[0].sizes)))[::-1]
    return _picked(inputs[0], order)


def _unsqueeze(node: Node, inputs: list[Tensor]) -> Tensor:
    first, sizes, axes = inputs[0], list(inputs[0].sizes), list(inputs[0].axes)
    count = len(node.attributes.get("axes") or inputs[1].numbers)
    for place in sorted(named_axes(node, inputs, len(sizes) + count)):
        sizes.insert(place, 1)
        axes.insert(place, None)
    return Tensor(tuple(sizes), tuple(axes), first.source)


def _squeeze(node: Node, inputs: list[Tensor]) -> Tensor:
    sizes = inputs[0].sizes
    dropped = named_axes(node, inputs, len(sizes)) or {
        n for n, size in enumerate(sizes) if size == 1
    }
    return _picked(inputs[0], [number for number in range(len(sizes)) if number not in dropped])


def _flatten(node: Node, inputs: list[Tensor]) -> Tensor:
    sizes = inputs[0].sizes
    axis = node.attributes.get("axis", 1) % (len(sizes) + 1)
    return _regroup(inputs[0], [_product(sizes[:axis]), _product(sizes[axis:])])


def _reshape(node: Node, inputs: list[Tensor]) -> Tensor:
    sizes, target = inputs[0].sizes, list(inputs[1].numbers)
    target = [sizes[n] if size == 0 else size for n, size in enumerate(target)]
    if -1 in target:
        target[target.index(-1)] = _product(sizes) // -_product(tuple(target))
    return _regroup(inputs[0], target)


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _regroup(tensor: Tensor, target: list[int]) -> Tensor:
    """Reshape: an axis keeps its field if its size, and the size of all before it, stay."""
    before: dict[tuple[int, int], Axis | None] = {}
    count = 1
    for size, axis in zip(tensor.sizes, tensor.axes, strict=True):
        if size > 1:
            before[count, size] = axis
        count *= size
    axes, count = [], 1
    for size in target:
        axes.append(before.get((count, size)))
        count *= size
    return Tensor(tuple(target), tuple(axes), tensor.source)


def _pad(node: Node, inputs: list[Tensor]) -> Tensor:
    tensor, pads = inputs[0], node.attributes.get("pads") or inputs[1].numbers
    rank = len(tensor.sizes)
    places = range(rank)
    if len(inputs) > 3 and inputs[3].values is not None:
        places = [axis % rank for axis in inputs[3].numbers]  # type: ignore[assignment]
    for number, place in enumerate(places):
        before, after = pads[number], pads[number + len(places)]
        size = tensor.sizes[place] + before + after
        tensor = _changed(tensor, place, size, shift(tensor.axes[place], -before))
    return tensor


def _slice(node: Node, inputs: list[Tensor]) -> Tensor:
    tensor = inputs[0]
    starts = node.attributes.get("starts") or inputs[1].numbers
    stops = node.attributes.get("ends") or inputs[2].numbers
    stated = node.attributes.get("axes") or (inputs[3].numbers if len(inputs) > 3 else None)
    steps = inputs[4].numbers if len(inputs) > 4 else [1] * len(starts)
    places = stated or range(len(starts))
    for place, start, stop, step in zip(places, starts, stops, steps, strict=True):
        at = place % len(tensor.sizes)
        numbers = range(tensor.sizes[at])[start:stop:step]
        axis = tensor.axes[at]
        if axis is not None:  # a mirrored axis counts backwards: no field is stated for it
            axis = shift(axis, numbers.start) if step > 0 else None
            axis = axis and replace(axis, stride=axis.stride * step)
        tensor = _changed(tensor, at, len(numbers), axis)
    return tensor


def _gather(node: Node, inputs: list[Tensor]) -> Tensor:
    tensor, index = inputs[0], inputs[1].sizes
    place = node.attributes.get("axis", 0) % len(tensor.sizes)
    sizes, axes = list(tensor.sizes), list(tensor.axes)
    sizes[place : place + 1] = index
    axes[place : place + 1] = [None] * len(index)
    return Tensor(tuple(sizes), tuple(axes), tensor.source)


def _concat(node: Node, inputs: list[Tensor]) -> Tensor:
    sizes = [tensor.sizes for tensor in inputs]
    place = node.attributes["axis"] % len(sizes[0])
    axes = [unite([tensor.axes[n] for tensor in inputs]) for n in range(len(sizes[0]))]
    axes[place] = None
    source = next((tensor.source for tensor in inputs if tensor.source), "")
    joined = Tensor(sizes[0], tuple(axes), source)
    return _changed(joined, place, sum(shape[place] for shape in sizes), None)


def _split(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    tensor, count = inputs[0], len(node.outputs)
    place = node.attributes.get("axis", 0) % len(tensor.sizes)
    stated = inputs[1].numbers if len(inputs) > 1 else None
    parts = node.attributes.get("split") or stated or [tensor.sizes[place] // count] * count
    outputs, start = [], 0
    for size in parts:
        outputs.append(_changed(tensor, place, size, shift(tensor.axes[place], start)))
        start += size
    return outputs


def _matmul(node: Node, inputs: list[Tensor]) -> Tensor:
    left, right = inputs[0], inputs[1].sizes
    size = right[0] if node.attributes.get("transB") else right[-1]
    rank = len(left.sizes)
    if len(right) < 2 or rank < 2:
        raise ValueError("a product of vectors")
    return _changed(left, rank - 1, size, None)


_HANDLERS: Mapping[str, Callable[[Node, list[Tensor]], Tensor]] = {
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Pad": _pad,
    "Slice": _slice,
    "Gather": _gather,
    "Concat": _concat,
    "MatMul": _matmul,
    "Gemm": _matmul,
}
