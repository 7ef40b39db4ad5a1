"""Open pictures with Pillow: its plugins, its warnings, the memory it needs, what files state."""

from __future__ import annotations

import ctypes
import io
import logging
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import Image as pil
from PIL import ImagePalette, UnidentifiedImageError, _imaging

from siamkit.sdk import deep, formats

# Formats whose decoders read the header first and start no other program.
COMMON = ("BMP", "GIF", "JPEG", "PNG", "PPM")  # loaded with Pillow
OTHERS = ("AVIF", "JPEG2000", "TIFF", "WEBP")  # loaded with all of Pillow's plugins
HEIF = "HEIF"  # the name under which pillow-heif registers itself
FORMATS = ", ".join(sorted((*COMMON, *OTHERS, HEIF)))
# Bytes per pixel that Pillow holds in a mode, others 4; and that a decoder holds while it works.
STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
DECODER = {"AVIF": 8, "HEIF": 6, "JPEG2000": 16, "WEBP": 12}
COEFFICIENTS = 2  # bytes per pixel and channel of a JPEG that is stored coarse to fine
RESULT = 3  # bytes per pixel of RGB
_NOWHERE = logging.NullHandler()
_lock = threading.Lock()
_silencers: list[warnings.catch_warnings] = []
_silent_threads = 0


def _silence_libtiff() -> None:
    """Keep libtiff, which Pillow brings along, from writing to standard error."""
    try:
        library = ctypes.CDLL(_imaging.__file__)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)
    except (AttributeError, OSError):  # it is linked in another way
        pass


_silence_libtiff()


@contextmanager
def silenced() -> Iterator[None]:
    """Keep Pillow's warnings and log lines from the user: what matters becomes an error or a note.

    Filters of warnings belong to the process, so the first thread sets one and the last removes it.
    """
    global _silent_threads
    with _lock:
        _silent_threads += 1
        if _silent_threads == 1:
            _silencers.append(warnings.catch_warnings())
            _silencers[0].__enter__()
            warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\b")
            logging.getLogger("PIL").addHandler(_NOWHERE)
    try:
        yield
    finally:
        with _lock:
            _silent_threads -= 1
            if _silent_threads == 0:
                _silencers.pop().__exit__(None, None, None)


def open_picture(content: bytes) -> pil.Image:
    """Read a picture's header. Raises UnidentifiedImageError, or any class for damage."""
    try:
        return pil.open(io.BytesIO(content), formats=COMMON)
    except UnidentifiedImageError:
        pil.init()
        names = [name for name in OTHERS if name in pil.OPEN]
        if formats.recognise(content[: formats.HEAD]) is formats.HEIC and _register_heif():
            names.append(HEIF)
        return pil.open(io.BytesIO(content), formats=names)


def _register_heif() -> bool:
    """Register pillow-heif; returns False if it is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    if HEIF not in pil.OPEN:
        pillow_heif.register_heif_opener(thumbnails=False)
    return True


def bytes_per_pixel(picture: pil.Image, tags: Mapping[int, Any]) -> int:
    """Return what decoding takes at its peak, besides the file. tags: of a TIFF."""
    stored = STORED.get(picture.mode, 4)
    working = DECODER.get(picture.format or "", RESULT)
    if picture.info.get("progressive"):
        working = max(RESULT, COEFFICIENTS * len(picture.getbands()))
    if tags:  # it may be turned while it is loaded, or be a single strip
        working = max(RESULT, stored, deep.strip_bytes(tags))
    return stored + working


def mend_palette(picture: pil.Image, tags: Mapping[int, Any]) -> None:
    """Scale a TIFF's palette as TIFF 6.0 asks, if a program has written 8 bits instead of 16."""
    colours = tags.get(deep.COLOUR_MAP, ())
    if picture.mode == "P" and colours and max(colours) < 256:
        picture.palette = ImagePalette.raw("RGB;L", bytes(colours))
