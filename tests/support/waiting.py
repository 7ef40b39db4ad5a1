"""Wait for what another process or thread does, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait until something is true; whether it is at last."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()
