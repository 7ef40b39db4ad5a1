"""Samples embedded in a page: a text to read, a picture to see or a sound to play.

A file is a picture if it decodes as one, else a sound if it decodes as one, else only its name.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

from siamkit.errors import SiamkitError
from siamkit.io.sources import to_text
from siamkit.reports.html import escaped
from siamkit.sdk.media import load_image

SIDE = 160  # px: the longer side of a picture, at most
TEXT = 600  # characters of a text, at most
AS_IS = 100_000  # bytes: sounds up to this size are embedded as they are
SECONDS, RATE = 12.0, 24_000  # s, Hz of the others, which are converted
MAX_PICTURE_BYTES = 100_000_000  # bytes: larger files are not tried as pictures
# MIME types that browsers play, by the first bytes of the file.
PLAYED = {b"RIFF": "audio/wav", b"fLaC": "audio/flac", b"OggS": "audio/ogg", b"ID3": "audio/mpeg"}


def exhibit(sample: Path | str) -> str:
    """Build a figure of a sample, of its first part if it is long. Unreadable files show a name."""
    if isinstance(sample, str):
        return f"<blockquote>{escaped(sample, TEXT)}</blockquote>"
    medium = _picture(sample) or _sound(sample) or "<p class=soft>no preview</p>"
    name = escaped(to_text(Path(*sample.parts[-2:])))
    return f"<figure>{medium}<small>{name}</small></figure>"


def _picture(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > MAX_PICTURE_BYTES:
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
    """Embed a small file as it is, else its first seconds as MP3, which every browser plays."""
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
