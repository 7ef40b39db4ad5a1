"""The folder for what siamkit builds once and may delete at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Where built encoders live: SIAMKIT_CACHE, else the platform's cache directory."""
    if given := os.environ.get("SIAMKIT_CACHE"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("siamkit")
