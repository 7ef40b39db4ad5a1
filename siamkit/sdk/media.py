"""Read pictures: bytes or a path to (height, width, 3) RGB. Pillow is imported on first use."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from siamkit.errors import UnreadableSample
from siamkit.protocols import Source
from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage

MAX_PIXELS = 89_478_485  # Pillow's own limit, 256 MB of RGB: a larger picture is never decoded
# Formats whose decoders read the header first and start no other program.
COMMON = ("BMP", "GIF", "JPEG", "PNG", "PPM")  # loaded with Pillow
OTHERS = ("AVIF", "JPEG2000", "TIFF", "WEBP")  # loaded with all of Pillow's plugins
SUBFILE = 0x00FE  # TIFF 6.0 tag: bit 0 marks a smaller copy of another page
ORIENTATION = 0x0112  # EXIF tag (TIFF 6.0): how to turn the picture upright


def load_image(source: Source) -> Image:
    """Decode a picture to (height, width, 3) uint8 RGB, upright.

    source: a path, or the file's content. EXIF orientation is applied, transparent pixels are laid
    over white, 16 bits become 8, CMYK and greyscale become RGB, and an animation gives its first
    frame. Raises UnreadableSample for a text, and if the file is not a picture, is damaged or
    incomplete, has more than 89,478,485 pixels or, as a TIFF, more than one page.
    """
    import numpy as np
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    if isinstance(source, str):
        raise UnreadableSample("give a picture as a file or its content, not text")
    content = source if isinstance(source, bytes) else source.read_bytes()
    if not content:
        raise UnreadableSample("the file is empty")
    try:
        with _open(content) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise pil.DecompressionBombError
            if (pages := _count_pages(picture)) > 1:
                raise UnreadableSample(
                    f"it has {pages} pages, and one must be chosen",
                    hint="save the page you need as a picture of its own",
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
                hint="convert the page to a picture: `pdftoppm -r 200 -png FILE.pdf page`",
            ) from None
        formats = ", ".join(sorted(COMMON + OTHERS))
        raise UnreadableSample(f"not a picture in a known format ({formats})") from None
    except (MemoryError, UnreadableSample):
        raise
    except Exception as error:  # decoders raise any class on damaged content
        raise UnreadableSample(f"the picture is damaged: {error}") from error


def encode_png(picture: PILImage.Image) -> bytes:
    """Return the content of a PNG file, of an example for instance."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _count_pages(picture: PILImage.Image) -> int:
    """Count the pages of a TIFF, without previews; 1 for other formats, animated or not."""
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
        white = 65535.0 if values.max(initial=0) > 255 else 255.0
        grey = np.clip(values * (255.0 / white), 0, 255).astype(np.uint8)
        return pil.fromarray(grey).convert("RGB")
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        rgba = picture.convert("RGBA")
        paper = pil.new("RGBA", rgba.size, (255, 255, 255, 255))
        return pil.alpha_composite(paper, rgba).convert("RGB")
    return picture.convert("RGB")
