"""Bytes to media: one decoder for each kind, its imports inside."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import UnreadableSample
from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage

MAX_PIXELS = 100_000_000  # a 100-megapixel photograph is 300 MB of RGB; more is refused undecoded


def load_image(source: Path | bytes) -> Image:
    """Decode a picture to (height, width, 3) uint8 RGB, upright.

    EXIF orientation is applied. Transparency is laid over white, 16-bit is scaled to 8,
    CMYK and greyscale become RGB, and of an animation the first frame is taken.
    Raises UnreadableSample for what is not a whole picture, or is larger than MAX_PIXELS.
    """
    import numpy as np
    from PIL import Image as pil
    from PIL import ImageOps, UnidentifiedImageError

    content = source if isinstance(source, bytes) else source.read_bytes()
    if not content:
        raise UnreadableSample("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MAX_PIXELS decides, not pillow's own two limits
            limit, pil.MAX_IMAGE_PIXELS = pil.MAX_IMAGE_PIXELS, None
            try:
                picture = pil.open(io.BytesIO(content))
            finally:
                pil.MAX_IMAGE_PIXELS = limit
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise UnreadableSample(
                    f"{width} x {height} pixels is over the limit of {MAX_PIXELS:,}",
                    hint="scale the picture down first",
                )
            upright = ImageOps.exif_transpose(picture)
            return Image(np.ascontiguousarray(np.asarray(_to_rgb(upright), dtype=np.uint8)))
    except UnidentifiedImageError:
        raise UnreadableSample("not a picture in a format that pillow reads") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UnreadableSample(f"the picture is damaged: {error}") from error


def _to_rgb(picture: PILImage.Image) -> PILImage.Image:
    import numpy as np
    from PIL import Image as pil

    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture, dtype=np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        return pil.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        rgba = picture.convert("RGBA")
        white = pil.new("RGBA", rgba.size, (255, 255, 255, 255))
        return pil.alpha_composite(white, rgba).convert("RGB")
    return picture.convert("RGB")
