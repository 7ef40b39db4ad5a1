"""Take samples from memory, as the content of a file: arrays, Pillow's pictures, and sounds."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.sources import InMemory, Refused
from siamkit.protocols import Source
from siamkit.types import Clip, Image, Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image as PILImage

EXPECTED = {
    "image": "a path, bytes, PIL image or array",
    "audio": "a path, bytes or (samples, rate)",
    "text": "a text, bytes or path",
}
PLAIN_MODES = ("L", "RGB")  # of Pillow; the pixels of others are encoded as PNG first
PNG_MODES = (*PLAIN_MODES, "1", "LA", "P", "RGBA", "I;16")
WIDE_MODES = ("I", "F")  # of Pillow; their pixels have no fixed range
WAVE_FORMATS = {"int16": 1, "int32": 1, "float32": 3}  # dtype -> the code in a WAV's header


def take_source(value: Any, argument: str, kind: Kind) -> Source:
    """Return a path, text or content as it is, and a sample in memory as the content of a file.

    value: of pictures (height, width, 3) uint8 RGB, (height, width) grey, a PIL image or an Image;
    of sounds (samples, rate), samples (n,) or (n, channels), float in [-1, 1] or int16, or a Clip.
    The content is uncompressed and exact; no file is written. Raises BadInput, naming the argument.
    """
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, os.PathLike):
        return value  # type: ignore[return-value]  # a Path in all but name
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    try:
        if kind == "image" and (picture := _take_picture(value)):
            return picture
        if kind == "audio" and (sound := _take_sound(value)):
            return sound
    except SiamkitError as error:
        raise type(error)(f"{argument}: {error}", hint=error.hint) from error
    expected = EXPECTED.get(kind, "a path or bytes")
    raise BadInput(f"{argument}: expected {expected}; got {_describe(value)}", hint=_advise(value))


def take_each(values: Iterable[Any], argument: str, kind: Kind) -> Iterator[Source]:
    """Yield every source; for what cannot be one, a Refused, which raises its error when read.

    values: a single path, text or content is taken as one, not as its letters: a "/" among them
    would be the folder of all files.
    """
    if isinstance(values, str | bytes | bytearray | memoryview | os.PathLike):
        values = [values]
    for number, value in enumerate(values):
        yield take_or_refuse(value, f"{argument}[{number}]", kind)


def take_or_refuse(value: Any, argument: str, kind: Kind) -> Source:
    """Return a source as `take_source` does, or a Refused for what cannot be one."""
    try:
        return take_source(value, argument, kind)
    except SiamkitError as error:
        return Refused(argument, error)


def take_all(value: Any, argument: str, kind: Kind) -> Iterator[Source]:
    """Yield the source, or each of a batch; of a single one, raise BadInput at once."""
    if is_batch(value):
        return take_each(value, argument, kind)
    return iter([take_source(value, argument, kind)])


def are_several(value: Any) -> TypeGuard[Iterable[Any]]:
    """Return True for an iterable of samples, False for a single one, however bad."""
    if isinstance(value, str | bytes | bytearray | memoryview | os.PathLike) or _is_array(value):
        return False
    return isinstance(value, Iterable) and not _is_sound(value)


def is_batch(value: Any) -> TypeGuard[Sequence[Any]]:
    """Return True for a list, or a tuple that is not a sound: each of its items is a sample."""
    return isinstance(value, list) or (isinstance(value, tuple) and not _is_sound(value))


def _describe(value: Any) -> str:
    """Return a type for people: 'a dict', 'an array of float64 (480, 640)'."""
    if value is None:
        return "None"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of {value.dtype} {tuple(value.shape)}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _advise(value: Any) -> str:
    if isinstance(value, Iterable):
        return "query, classify, find, enrol and embed take a list; methods in _many any iterable"
    return ""


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and hasattr(value, "shape")


# --- pictures ---


def _take_picture(value: Any) -> Source | None:
    if isinstance(value, Image):
        return _from_pixels(value.pixels)
    if "PIL.Image" in sys.modules and isinstance(value, sys.modules["PIL.Image"].Image):
        return _from_pillow(value)
    return _from_pixels(value) if _is_array(value) else None


def _from_pixels(array: Any) -> InMemory:
    """Return the content of a PPM or PGM file, or of a PNG where pixels are transparent."""
    import numpy as np

    pixels = np.asarray(array)
    shape = pixels.shape
    if len(shape) == 3 and shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 4:
        raise BadInput(f"an array of {shape} is several pictures", hint="give a list: list(array)")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and shape[2] not in (3, 4)):
        first = len(shape) == 3 and shape[0] in (1, 3, 4)
        raise BadInput(
            f"an array of shape {shape} is not a picture: (height, width, 3) RGB or (height, width)"
            " grey is",
            hint="its channels come first: array.transpose(1, 2, 0)" if first else "",
        )
    if pixels.dtype != np.uint8:
        raise BadInput(
            f"pixels must be uint8 from 0 to 255, not {pixels.dtype}", hint=_to_8_bits(pixels)
        )
    if not pixels.size:
        raise BadInput(f"an array of shape {shape} has no pixels")
    height, width = pixels.shape[:2]
    if shape[2:] == (4,):
        from PIL import Image as pil

        return _from_pillow(pil.fromarray(pixels))
    header = b"P%d\n%d %d\n255\n" % (5 if pixels.ndim == 2 else 6, width, height)
    return InMemory(header + pixels.tobytes(), _name_picture(width, height))


def _to_8_bits(pixels: NDArray[Any]) -> str:
    """Return how to make uint8 of pixels of another type."""
    if pixels.dtype.kind == "b":
        return "array.astype('uint8') * 255"
    if pixels.dtype.kind == "f":
        top = float(pixels.max(initial=0.0))
        return (
            "(array * 255).round().astype('uint8')"
            if top <= 1
            else "array.clip(0, 255).astype('uint8')"
        )
    if pixels.dtype.kind not in "iu":
        return ""
    if str(pixels.dtype) == "uint16" or 255 < pixels.max(initial=0) <= 65_535:
        return "(array / 257).round().astype('uint8')"
    return "array.clip(0, 255).astype('uint8')"


def _from_pillow(picture: PILImage.Image) -> InMemory:
    """Return the content of a PPM, PGM or PNG file; upright, as its EXIF data says."""
    from io import BytesIO

    import numpy as np
    from PIL import ImageOps

    try:
        if picture.mode in WIDE_MODES:
            hint = f"with array = numpy.asarray(picture): {_to_8_bits(np.asarray(picture))}"
            raise BadInput(f"pixels must be from 0 to 255, not of mode {picture.mode}", hint=hint)
        upright = ImageOps.exif_transpose(picture)
        if upright.mode not in PNG_MODES:
            upright = upright.convert("RGB")
        name = _name_picture(*upright.size)
        content = BytesIO()
        if upright.mode in PLAIN_MODES and "transparency" not in upright.info:
            upright.save(content, "PPM")
        else:
            upright.save(content, "PNG", compress_level=1)
    except (OSError, SyntaxError, ValueError) as error:  # it is decoded only now
        raise BadInput(f"the PIL image cannot be read: {error}") from error
    return InMemory(content.getvalue(), name)


def _name_picture(width: int, height: int) -> str:
    return f"picture of {width} x {height} px"


# --- sounds ---


def _is_sound(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and any(_is_array(item) for item in value)
        and any(_is_whole(item) for item in value)
    )


def _is_whole(value: Any) -> bool:
    return (
        hasattr(value, "__index__")
        and not hasattr(value, "__len__")
        and not getattr(value, "shape", ())
    )


def _take_sound(value: Any) -> InMemory | None:
    if isinstance(value, Clip):
        return _from_samples(value.samples, value.rate)
    if _is_sound(value):
        first, second = value
        # scipy gives (rate, samples), all others (samples, rate)
        return (
            _from_samples(second, int(first))
            if _is_whole(first)
            else _from_samples(first, int(second))
        )
    if _is_array(value):
        raise BadInput("a sound needs its rate", hint="give (samples, rate), the rate in Hz")
    return None


def _from_samples(array: Any, rate: int) -> InMemory:
    """Return the content of a WAV file with the same samples."""
    import numpy as np

    samples = np.asarray(array)
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    if samples.ndim not in (1, 2) or not samples.size:
        raise BadInput(f"samples of shape {samples.shape} are not a sound: (n,) or (n, channels)")
    if str(samples.dtype) not in WAVE_FORMATS:
        raise BadInput(
            f"samples must be float in [-1, 1] or int16, not {samples.dtype}",
            hint="(samples / peak).astype('float32'), where peak is the highest value of the type",
        )
    if rate <= 0:
        raise BadInput(f"a rate of {rate} Hz is not possible")
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:  # torchaudio's (channels, n)
        samples = samples.T
    data = np.ascontiguousarray(samples).astype(samples.dtype.newbyteorder("<")).tobytes()
    return InMemory(
        _wave_header(samples, rate, len(data)) + data, f"sound of {len(samples) / rate:.1f} s"
    )


def _wave_header(samples: NDArray[np.generic], rate: int, size: int) -> bytes:
    """Return the head of a WAV file with one chunk of data, `size` bytes long."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    width = samples.dtype.itemsize
    form = WAVE_FORMATS[samples.dtype.name]
    facts = struct.pack(
        "<HHIIHH", form, channels, rate, rate * channels * width, channels * width, 8 * width
    )
    return (
        b"".join((b"RIFF", struct.pack("<I", 36 + size), b"WAVEfmt ", struct.pack("<I", 16), facts))
        + b"data"
        + struct.pack("<I", size)
    )
