"""Samples embedded in a page: a text to read, a picture to see or a sound to play.

A file is a picture if it decodes as one, else a sound if it decodes as one, else only its name.
"""

from __future__ import annotations

import base64
import hashlib
import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.reports.html import escaped
from siamkit.sdk.media import load_image

if TYPE_CHECKING:
    from PIL import Image as PILImage

SIDE = 160  # px: the longer side of a picture, at most
TEXT = 600  # characters of a text, at most
AS_IS = 100_000  # bytes: sounds up to this size are embedded as they are
SECONDS, RATE = 12.0, 24_000  # s, Hz of the others, which are converted
MAX_BYTES = 100_000_000  # larger files show their name
# MIME types that browsers play, by the first bytes of the file.
PLAYED = {b"RIFF": "audio/wav", b"fLaC": "audio/flac", b"OggS": "audio/ogg", b"ID3": "audio/mpeg"}


def exhibit(sample: Path | str, digest: bytes | None = None) -> str:
    """Build a figure of a sample, of its first part if it is long. Unreadable files show a name.

    digest: the SHA-256 of an enrolled sample's content; a file with another one shows its name.
    """
    if isinstance(sample, str):
        return f"<blockquote>{escaped(sample, TEXT)}</blockquote>"
    medium = ""
    with suppress(BadInput):
        content = foreign.read_bytes(sample, MAX_BYTES)
        if digest in (None, hashlib.sha256(content).digest()):
            medium = _picture(content) or _sound(content)
    name = escaped(to_text(Path(*sample.parts[-2:])))
    return f"<figure>{medium or '<p class=soft>no preview</p>'}<small>{name}</small></figure>"


def _picture(content: bytes) -> str:
    try:
        pixels = load_image(content).pixels
    except SiamkitError:
        return ""
    from PIL import Image as pil

    return picture_tag(pil.fromarray(pixels))


def picture_tag(picture: PILImage.Image, side: int = SIDE) -> str:
    """Embed a picture, made smaller so that its longer side is at most `side` px."""
    small, target = picture.convert("RGB"), io.BytesIO()
    small.thumbnail((side, side))
    small.save(target, "JPEG", quality=80)
    return f'<img alt="" src="{_data("image/jpeg", target.getvalue())}">'


def _sound(content: bytes) -> str:
    """Embed a small file as it is, else its first seconds as MP3, which every browser plays."""
    import soundfile

    from siamkit.sdk.sound import stream_clip

    try:
        samples = next(stream_clip(content, RATE)).samples
        note, target = "", io.BytesIO()
        kinds = PLAYED.items() if len(content) <= AS_IS else ()
        mime = next((kind for start, kind in kinds if content.startswith(start)), "")
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
