"""Pictures in memory: a square of one colour on white."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as pil


def ink(colour, size=(60, 80)):
    """Return an RGB picture with a square that the toy detector `squares` finds."""
    picture = np.full((*size, 3), 255, np.uint8)
    picture[10:50, 20:60] = colour
    return picture


def png(pixels):
    content = io.BytesIO()
    pil.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
