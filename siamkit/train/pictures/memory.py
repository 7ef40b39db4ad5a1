"""Memory of a step of the descent: a smaller size is proposed where it does not suffice.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from siamkit.errors import BadInput
from siamkit.train.pictures.backbone import Backbone

LEAST_SIDE = 32  # px: below, the deeper layers have no place left
SHARE = 0.8  # of what is free


def require_memory(name: str, backbone: Backbone, height: int, width: int) -> None:
    """Raise BadInput, naming the picture, if a step needs more memory than there is."""
    if backbone.memory(height, width) > _free():
        raise too_large(name, backbone, height, width)


@contextmanager
def enough_memory(name: str, backbone: Backbone, height: int, width: int) -> Iterator[None]:
    """Turn an error of the memory into a BadInput, which proposes a smaller size."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError, and subclasses
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise too_large(name, backbone, height, width) from error


def too_large(name: str, backbone: Backbone, height: int, width: int) -> BadInput:
    """Return the error of a picture that the memory does not suffice for."""
    memory = backbone.memory(height, width)
    share = min(0.5, (_free() / memory) ** 0.5)
    smaller = max(LEAST_SIDE, int(share * max(height, width)) // 16 * 16)
    return BadInput(
        f"{name}: a step at {width:,} x {height:,} px takes about {memory / 2**30:.1f} GB of"
        " memory, and there is not so much",
        hint=f"paint it smaller: `--size {smaller}`",
    )


def _free() -> float:
    import psutil

    return SHARE * float(psutil.virtual_memory().available)
