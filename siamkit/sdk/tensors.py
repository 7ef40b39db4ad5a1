"""Read the tensors of a safetensors file that comes with a package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import MissingWeights


def read_tensors(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Return a file's tensors by name, as float32, and its metadata.

    Raises MissingWeights if it is absent or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in names}
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise MissingWeights(
            f"the weights in {path.name} cannot be read: {error}", hint="reinstall siamkit"
        ) from error
