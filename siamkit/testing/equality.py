"""Compare two media, or other values that a plugin returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from siamkit.testing.outcome import NotRun


def same_value(left: Any, right: Any) -> bool:
    """True if two values are equal in type and in every number; NaN equals NaN.

    Raises NotRun for objects that do not tell whether they are equal.
    """
    try:
        return _same(left, right)
    except RecursionError as error:
        raise _incomparable(left) from error


def _same(left: Any, right: Any) -> bool:
    kind = type(left)
    if left is right or kind is not type(right):
        return left is right
    if isinstance(left, np.ndarray):
        return _same_arrays(left, right)
    if isinstance(left, float):
        return bool(left == right or (left != left and right != right))
    if is_dataclass(left):  # whose own == cannot compare arrays
        return all(_same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    if hasattr(kind, "__array__"):  # tensors and tables, whose == is a tensor or a table
        return _same_arrays(np.asarray(left), np.asarray(right))
    if vars(object)["__eq__"] is not kind.__eq__:  # it defines ==
        if isinstance(equal := left == right, bool | np.bool_):
            return bool(equal)
        raise _incomparable(left)
    return _same_attributes(left, right)


def _same_attributes(left: Any, right: Any) -> bool:
    """Compare by attributes. One that only one of the two has is a cached value."""
    states = [_attributes(value) for value in (left, right)]
    if not (shared := states[0].keys() & states[1].keys()):  # it holds what Python cannot see
        raise _incomparable(left)
    return all(_same(states[0][name], states[1][name]) for name in shared)


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object by name, from its dictionary and its slots."""
    state = value.__getstate__()
    parts = state if isinstance(state, tuple) else (state,)
    return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}


def _same_arrays(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    if left.dtype.kind == "O":
        return all(map(_same, left.ravel(), right.ravel()))
    return np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")


def _incomparable(medium: Any) -> NotRun:
    return NotRun(f"two objects of {type(medium).__name__} cannot be compared: give it an __eq__")
