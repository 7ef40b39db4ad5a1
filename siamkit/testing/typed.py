"""Whether a region is made of what its class says, so that the store can keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from siamkit.types import Region

EDGES = {"image": (4,), "audio": (2,)}  # of a region, by kind; else a box or a span


def ill_typed(region: Region, kind: str) -> str:
    """What is wrong, '' if nothing: "where=array([0., 0., 20., 10.])"."""
    fits: Mapping[str, Callable[[Any], bool]] = {
        "where": lambda v: v is None or (_numbers(v) and len(v) in EDGES.get(kind, (2, 4))),
        "score": lambda v: _numbers((v,)),
        "label": lambda v: isinstance(v, str),
        "parts": lambda v: isinstance(v, tuple) and all(_numbers(p) and len(p) == 2 for p in v),
        "mask": lambda v: v is None or isinstance(v, np.ndarray),
        "landmarks": lambda v: v is None or isinstance(v, np.ndarray),
    }
    for name, good in fits.items():
        if not good(value := getattr(region, name)):
            return f"{name}={value!r:.60}"
    return ""


def _numbers(values: Any) -> bool:
    """A tuple of Python's own numbers; numpy's float64 is one of them."""
    return isinstance(values, tuple) and all(isinstance(v, int | float) for v in values)
