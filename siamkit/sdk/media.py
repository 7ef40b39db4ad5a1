"""Read pictures: bytes or a path to (height, width, 3) RGB. Pillow is imported on first use.

This is the only decoder of pictures: plugins, reports and training call it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from siamkit.errors import UnreadableSample
from siamkit.io import pages
from siamkit.protocols import Source
from siamkit.sdk import formats
from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage

    from siamkit.sdk.container import Container
    from siamkit.sdk.levels import Pixels

MAX_PIXELS = 107_000_000  # all that MAX_MEMORY holds of RGB with 8 bits: panoramas, phones
MAX_MEMORY = 750_000_000  # bytes: with the libraries and an encoder below 1 GB


def load_image(source: Source) -> Image:
    """Decode a picture to (height, width, 3) uint8 RGB, upright.

    source: a path, or the file's content. EXIF orientation is applied, transparent pixels are laid
    over white, values of any depth become 8 bits, and an animation gives its first frame; the
    picture's notes say what was left out or guessed. The page of a PDF is drawn. Raises
    UnreadableSample for a text, and if the file is not a picture, is damaged or incomplete, has
    more than 107 million pixels, needs more than 750 MB to be decoded or, as a document, has more
    than one page.
    """
    if isinstance(source, str):
        raise UnreadableSample("give a picture as a file or its content, not text")
    content = source if isinstance(source, bytes) else source.read_bytes()
    if not content:
        raise UnreadableSample("the file is empty")
    from siamkit.sdk.pillow import silenced

    try:
        with silenced():
            is_document = content.startswith(pages.START)
            return _decode(pages.draw(content) if is_document else content)
    except UnreadableSample:
        raise
    except MemoryError as error:
        raise UnreadableSample("there is not enough memory to decode it") from error
    except Exception as error:  # decoders raise any class on damaged content
        reason = str(error) or type(error).__name__
        raise UnreadableSample(f"the picture is damaged: {reason}") from error


def load_opacity(content: bytes) -> Pixels | None:
    """Return the (height, width) opacity of a picture, uint8, upright; None if it is all opaque.

    content: of a file that `load_image` has decoded.
    """
    import numpy as np

    from siamkit.sdk.container import open_container
    from siamkit.sdk.exif import read_orientation
    from siamkit.sdk.pillow import open_picture, silenced

    container = open_container(content)
    with silenced():
        try:
            picture = open_picture(container.content)
        except Exception:  # a page of a PDF, or a TIFF that Pillow does not read: opaque
            return None
        with picture:
            if not (picture.has_transparency_data and container.page == 0):
                return None
            opacity = np.asarray(picture.convert("RGBA").getchannel("A"))
            orientation = container.orientation
            if picture.format in ("AVIF", "WEBP"):
                exif, xmp = picture.info.get("exif", b""), picture.info.get("xmp", b"")
                orientation = read_orientation(exif, xmp)
    return None if opacity.min() == 255 else _turn(opacity, orientation)


def estimate_bytes(content: bytes) -> int:
    """Estimate the memory that decoding a picture takes, besides its file; 0 if it is not one."""
    from siamkit.sdk.container import open_container
    from siamkit.sdk.pillow import RESULT, bytes_per_pixel, open_picture, silenced

    if content.startswith(pages.START):
        return pages.MOST_PIXELS * (RESULT + 1)  # PDFium draws four channels
    try:
        with silenced(), open_picture(open_container(content).content) as picture:
            return min(picture.width * picture.height * bytes_per_pixel(picture, {}), MAX_MEMORY)
    except Exception:  # which decoding will report
        return 0


def encode_png(picture: PILImage.Image) -> bytes:
    """Return the content of a PNG file, of an example for instance."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _decode(content: bytes) -> Image:
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    from siamkit.sdk import deep, tiff
    from siamkit.sdk.container import open_container
    from siamkit.sdk.pillow import RESULT, open_picture

    container = open_container(content)
    if container.is_raw:
        raise _refusal(formats.CAMERA)
    if container.pages > 1:
        raise UnreadableSample(
            f"it has {container.pages} pages, and one must be chosen",
            hint="save the page you need as a picture of its own",
        )
    held = len(content) + (container.content is not content) * len(container.content)
    tags = deep.read_tags(container.content) if content.startswith(tiff.STARTS) else None
    try:
        if tags and deep.is_beyond_pillow(tags):
            raise UnidentifiedImageError
        with open_picture(container.content) as picture:
            if container.page:
                picture.seek(container.page)
                tags = picture.tag_v2  # type: ignore[attr-defined]
            return _load(picture, container, tags, held)
    except DecompressionBombError:
        raise _too_large() from None
    except UnidentifiedImageError:
        if not tags:
            raise _unknown(content) from None
    size, depth = deep.dimensions(tags)
    _require_memory(size, depth + RESULT, held)
    return Image(*deep.read_tiff(tags, container.content))


def _load(
    picture: PILImage.Image, container: Container, tags: Mapping[int, Any] | None, held: int
) -> Image:
    """Decode an open picture. held: bytes of its file in memory."""
    from siamkit.sdk import complete, deep
    from siamkit.sdk.exif import read_orientation
    from siamkit.sdk.levels import Statement, to_rgb
    from siamkit.sdk.pillow import RESULT, bytes_per_pixel, mend_palette

    _require_memory(picture.size, bytes_per_pixel(picture, tags or {}), held)
    frames = max(container.frames, getattr(picture, "n_frames", 1)) if tags is None else 1
    bits = container.bits or 16
    white = 2.0**bits - 1 if bits < 16 else None
    stated = Statement(white) if tags is None else deep.statement(tags)
    if tags:
        mend_palette(picture, tags)
    picture.load()
    complete.require(picture, container.content)
    pixels, notes = to_rgb(picture, stated)
    is_wide = picture.mode in ("I", "F") or picture.mode.startswith("I;16")
    is_rounded_up = picture.format == "JPEG2000" and bits > 8 and container.bits is not None
    is_dim = picture.format in deep.FORMATS and bits > 8 and pixels.max() < deep.DIMMEST
    if not is_wide and (is_rounded_up or is_dim):
        _require_memory(picture.size, deep.MOST_BYTES + RESULT, held)
        pixels, notes = deep.read_all_bits(container.content, stated) or (pixels, notes)
    orientation = container.orientation
    if picture.format in ("AVIF", "WEBP"):
        orientation = read_orientation(picture.info.get("exif", b""), picture.info.get("xmp", b""))
    if frames > 1:
        notes = (*notes, f"it has {frames} frames: the first is used")
    return Image(_turn(pixels, orientation), notes)


def _require_memory(size: tuple[int, int], depth: float, held: int) -> None:
    """Raise UnreadableSample if a picture is too large. depth: bytes per pixel while decoding."""
    if size[0] * size[1] > MAX_PIXELS:
        raise _too_large()
    if (needed := size[0] * size[1] * depth + held) > MAX_MEMORY:
        raise UnreadableSample(
            f"it would take {needed / 1e6:,.0f} MB of memory to decode, more than the limit of"
            f" {MAX_MEMORY / 1e6:,.0f} MB",
            hint="scale the picture down first, or save it as a PNG or JPEG with 8 bits",
        )


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    """Turn a picture upright, given the EXIF orientation."""
    import numpy as np

    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _too_large() -> UnreadableSample:
    return UnreadableSample(
        f"it has more than {MAX_PIXELS:,} pixels", hint="scale the picture down first"
    )


def _refusal(kind: formats.Format) -> UnreadableSample:
    return UnreadableSample(f"it is {kind.name}, which is not read", hint=kind.picture_hint)


def _unknown(content: bytes) -> UnreadableSample:
    from siamkit.sdk.pillow import FORMATS

    if (kind := formats.recognise(content[: formats.HEAD])) is None:
        return UnreadableSample(f"not a picture in a known format ({FORMATS})")
    if kind.name.endswith("picture") and not kind.picture_hint:
        return UnreadableSample(f"the picture is damaged: {kind.name} was begun here")
    return _refusal(kind) if kind.picture_hint else UnreadableSample(f"it is {kind.name}")
