"""Bytes to media: one decoder for each kind, its imports inside."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import UnreadableSample
from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage

MAX_PIXELS = 89_478_485  # pillow's own limit: 256 MB of RGB; a larger picture is refused undecoded
# Formats whose decoders read the header first and run no program of their own.
COMMON = ("BMP", "GIF", "JPEG", "PNG", "PPM")  # pillow knows these at once
OTHERS = ("AVIF", "JPEG2000", "TIFF", "WEBP")  # and these after loading all of its plugins
SUBFILE = 0x00FE  # of TIFF 6.0: bit 0 tells a smaller copy of another page
ORIENTATION = 0x0112  # of EXIF (TIFF 6.0): what to do to see the picture upright


def load_image(source: Path | bytes) -> Image:
    """Decode a picture to (height, width, 3) uint8 RGB, upright.

    EXIF orientation is applied. Transparency is laid over white, 16-bit is scaled to 8,
    CMYK and greyscale become RGB, and of an animation the first frame is taken.
    Raises UnreadableSample for what is not a whole picture, has more than 89,478,485 pixels, or is
    a document of several pages.
    """
    import numpy as np
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    content = source if isinstance(source, bytes) else source.read_bytes()
    if not content:
        raise UnreadableSample("the file is empty")
    try:
        with _open(content) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise pil.DecompressionBombError
            if (pages := _pages(picture)) > 1:
                raise UnreadableSample(
                    f"it has {pages} pages, and one must be chosen",
                    hint="save the page that counts as a picture of its own",
                )
            rgb = _upright(_to_rgb(picture), picture.getexif().get(ORIENTATION))
            return Image(np.ascontiguousarray(np.asarray(rgb, dtype=np.uint8)))
    except (pil.DecompressionBombError, pil.DecompressionBombWarning):
        raise UnreadableSample(
            f"it has more than {MAX_PIXELS:,} pixels", hint="scale the picture down first"
        ) from None
    except UnidentifiedImageError:
        if content.startswith(b"%PDF"):
            raise UnreadableSample(
                "it is a PDF, not a picture",
                hint="make a picture of the page: pdftoppm -r 200 -png FILE.pdf page",
            ) from None
        known = ", ".join(sorted(COMMON + OTHERS))
        raise UnreadableSample(f"not a picture of a known format ({known})") from None
    except (MemoryError, UnreadableSample):
        raise
    except Exception as error:  # decoders raise what they like on damaged content
        raise UnreadableSample(f"the picture is damaged: {error}") from error


def _pages(picture: PILImage.Image) -> int:
    """How many a TIFF holds, previews not counted. Frames of an animation are no pages."""
    if picture.format != "TIFF" or getattr(picture, "n_frames", 1) == 1:
        return 1
    pages = 0
    for frame in range(picture.n_frames):  # type: ignore[attr-defined]
        picture.seek(frame)
        pages += not int(picture.tag_v2.get(SUBFILE, 0)) & 1  # type: ignore[attr-defined]
    picture.seek(0)
    return pages


def _open(content: bytes) -> PILImage.Image:
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    try:
        return pil.open(io.BytesIO(content), formats=COMMON)
    except UnidentifiedImageError:
        pil.init()
        return pil.open(io.BytesIO(content), formats=[f for f in OTHERS if f in pil.OPEN])


def _upright(picture: PILImage.Image, orientation: object) -> PILImage.Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    if isinstance(orientation, int) and orientation in turns:
        return picture.transpose(turns[orientation])
    return picture


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
