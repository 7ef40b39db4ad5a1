"""Types of the operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Attributes: TypeAlias = Mapping[str, Any]  # ints, floats, bytes, lists of them, and tensors
Operator: TypeAlias = Callable[..., Any]  # (attributes, *inputs) -> tensor, or several
