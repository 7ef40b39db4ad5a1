"""Find data files, such as weights, that an installed package ships."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from siamkit.errors import MissingWeights


def packaged_file(package: str, path: str, *, hint: str) -> Path:
    """Return a file or folder that a package ships, without importing the package.

    package: its import name. path: from the package's folder. hint: how to install it.
    Raises MissingWeights if the package is not installed, or lacks the file.
    """
    spec = find_spec(package)
    file = Path(spec.origin).parent / path if spec and spec.origin else None
    if file is None or not file.exists():
        raise MissingWeights(f"{path} is missing: the package {package} ships it", hint=hint)
    return file
