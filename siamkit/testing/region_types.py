"""Check that a region holds the types that its class declares, so that the store can keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from siamkit.types import Region

EDGES = {"image": (4,), "audio": (2,)}  # numbers of a region by kind; else a box or a span


def region_fault(region: Region, kind: str) -> str:
    """The first attribute of a wrong type, '' if there is none: "where=array([0., 0., 2., 1.])"."""
    tests: Mapping[str, Callable[[Any], bool]] = {
        "where": lambda v: v is None or (_are_numbers(v) and len(v) in EDGES.get(kind, (2, 4))),
        "score": lambda v: _are_numbers((v,)),
        "label": lambda v: isinstance(v, str),
        "parts": lambda v: isinstance(v, tuple) and all(_are_numbers(p) and len(p) == 2 for p in v),
        "mask": lambda v: v is None or isinstance(v, np.ndarray),
        "landmarks": lambda v: v is None or isinstance(v, np.ndarray),
    }
    for name, fits in tests.items():
        if not fits(value := getattr(region, name)):
            return f"{name}={value!r:.60}"
    return ""


def _are_numbers(values: Any) -> bool:
    """True for a tuple of Python's own numbers; numpy's float64 is one of them."""
    return isinstance(values, tuple) and all(isinstance(v, int | float) for v in values)
