"""Samples as people see, hear or read them on a page that needs no other file.

What a sample is shows itself: a text is read, a file is a picture if it decodes as one, else a
sound if it decodes as that, else only its name is left.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

from siamkit.errors import SiamkitError
from siamkit.io.sources import to_text
from siamkit.reports.html import escaped
from siamkit.sdk.media import load_image

SIDE = 160  # px of a picture, at most
TEXT = 600  # characters of a text
AS_IS, SECONDS, RATE = 100_000, 12.0, 24_000  # bytes of a sound that is kept; s, Hz of a cut one
LARGEST = 100_000_000  # bytes of a file that is tried as a picture
# By the first bytes; browsers play these.
PLAYED = {b"RIFF": "audio/wav", b"fLaC": "audio/flac", b"OggS": "audio/ogg", b"ID3": "audio/mpeg"}


def exhibit(sample: Path | str) -> str:
    """A figure with a sample: its first part, if it is long. What cannot be read is a name."""
    if isinstance(sample, str):
        return f"<blockquote>{escaped(sample, TEXT)}</blockquote>"
    medium = _picture(sample) or _sound(sample) or "<p class=soft>cannot be shown</p>"
    name = escaped(to_text(Path(*sample.parts[-2:])))
    return f"<figure>{medium}<small>{name}</small></figure>"


def _picture(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return ""
        pixels = load_image(path).pixels
    except (SiamkitError, OSError):
        return ""
    from PIL import Image as pil

    small, target = pil.fromarray(pixels), io.BytesIO()
    small.thumbnail((SIDE, SIDE))
    small.save(target, "JPEG", quality=80)
    return f'<img alt="" src="{_data("image/jpeg", target.getvalue())}">'


def _sound(path: Path) -> str:
    """A short file as it is, else its first seconds, as MP3: every browser plays that."""
    import soundfile

    from siamkit.sdk.sound import stream_clip

    try:
        if not path.is_file():
            return ""
        samples = next(stream_clip(path, RATE)).samples
        note, target = "", io.BytesIO()
        content = path.read_bytes() if path.stat().st_size <= AS_IS else b""
        mime = next((kind for start, kind in PLAYED.items() if content.startswith(start)), "")
        if not mime:
            if len(samples) > SECONDS * RATE:
                samples, note = samples[: int(SECONDS * RATE)], f"first {SECONDS:.0f} s of "
            soundfile.write(target, samples.clip(-1, 1), RATE, format="MP3")
            mime, content = "audio/mpeg", target.getvalue()
    except (SiamkitError, OSError, soundfile.SoundFileError, ValueError):
        return ""
    return f'<audio controls src="{_data(mime, content)}"></audio><small>{note}</small>'


def _data(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
