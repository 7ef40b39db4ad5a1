"""Whether two media, or what else a plugin gives, are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def alike(left: Any, right: Any) -> bool:
    """Equal in type and in every number; NaN equals NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        nan = left.dtype.kind in "fc"
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=nan)
    if is_dataclass(left):
        return all(alike(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(alike(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(alike, left, right))
    if hasattr(left, "__dict__"):  # a class of the plugin's own
        return alike(vars(left), vars(right))
    return bool(left == right)
