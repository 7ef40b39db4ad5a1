"""The folder for files that siamkit can rebuild, so that they may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Return SIAMKIT_CACHE if it is set, else the platform's cache directory."""
    if root := os.environ.get("SIAMKIT_CACHE"):
        return Path(root)
    from platformdirs import user_cache_path

    return user_cache_path("siamkit")
