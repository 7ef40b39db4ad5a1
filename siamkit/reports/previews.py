"""Samples embedded in a page: a text to read, a picture to see or a sound to play.

A file is a picture if it decodes as one, else a sound if it decodes as one, else only its name.
"""

from __future__ import annotations

import base64
import hashlib
import io
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import foreign, pages, sources
from siamkit.io.sources import to_text
from siamkit.reports.html import escaped
from siamkit.reports.regions import cut
from siamkit.sdk import boxes
from siamkit.sdk.media import load_image
from siamkit.types import Region

if TYPE_CHECKING:
    from PIL import Image as PILImage

MARGIN = 0.12  # of the longer side of a region, shown around it
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
        content, own_digest = _read(sample)
        if digest in (None, own_digest):
            medium = _picture(content) or _sound(content)
    name = escaped(to_text(Path(*sample.parts[-2:])))
    return f"<figure>{medium or '<p class=soft>no preview</p>'}<small>{name}</small></figure>"


@dataclass(slots=True)
class Previews:
    """Pictures and sounds of files, small, until so many bytes of a page are full."""

    most: int  # bytes
    _size: int = field(default=0, init=False)
    is_full: bool = field(default=False, init=False)

    def show(self, sample: Path | bytes, region: Region | None) -> str:
        """Return a thumbnail of a picture or of its region, or a player; '' for other files."""
        if self._size >= self.most:
            self.is_full = True
            return ""
        medium = ""
        with suppress(BadInput):
            content = sample if isinstance(sample, bytes) else _read(sample)[0]
            medium = _picture(content, region) or _sound(content)
        self._size += len(medium)
        return medium


def _read(sample: Path) -> tuple[bytes, bytes]:
    """Return the content of a file, or the picture of a page, and its digest."""
    if pages.split(sample)[1] is not None:
        page = sources.read(sample)
        assert isinstance(page.data, bytes)
        return page.data, page.digest
    content = foreign.read_bytes(sample, MAX_BYTES)
    return content, hashlib.sha256(content).digest()


def _picture(content: bytes, region: Region | None = None) -> str:
    try:
        image = load_image(content)
    except SiamkitError:
        return ""
    box = replace(region, mask=None) if region else Region()
    return picture_tag(cut(image, box))


def picture_of_region(content: bytes, region: Region, side: int) -> bytes | None:
    """Return a JPEG of a region of a picture with a little around it; None for other files."""
    try:
        image = load_image(content)
    except SiamkitError:
        return None
    if region.where is not None and len(region.where) == 4:
        left, top, right, bottom = region.where
        border = MARGIN * max(right - left, bottom - top)
        height, width = image.pixels.shape[:2]
        wide = (left - border, top - border, right + border, bottom + border)
        region = Region(boxes.clip(wide, width, height))
    return thumbnail(cut(image, replace(region, mask=None)), side)


def picture_tag(picture: PILImage.Image, side: int = SIDE) -> str:
    """Embed a picture, made smaller so that its longer side is at most `side` px."""
    return f'<img alt="" src="{data_address("image/jpeg", thumbnail(picture, side))}">'


def thumbnail(picture: PILImage.Image, side: int = SIDE) -> bytes:
    """Return a JPEG of a picture, made smaller so that its longer side is at most `side` px."""
    small, target = picture.convert("RGB"), io.BytesIO()
    small.thumbnail((side, side))
    small.save(target, "JPEG", quality=80)
    return target.getvalue()


def _sound(content: bytes) -> str:
    """Embed a small file as it is, else its first seconds."""
    if (sound := playable(content, AS_IS)) is None:
        return ""
    mime, content, note = sound
    return f'<audio controls src="{data_address(mime, content)}"></audio><small>{note}</small>'


def playable(content: bytes, as_is: int) -> tuple[str, bytes, str] | None:
    """Return the MIME type, the content, and a note on a sound that browsers play; None for others.

    A file that they play is left as it is, up to `as_is` bytes; of others the first seconds become
    MP3, which every browser plays.
    """
    import soundfile

    from siamkit.sdk.sound import stream_clip

    try:
        samples = next(stream_clip(content, RATE)).samples
        for start, mime in PLAYED.items() if len(content) <= as_is else ():
            if content.startswith(start):
                return mime, content, ""
        is_cut, target = len(samples) > SECONDS * RATE, io.BytesIO()
        soundfile.write(target, samples[: int(SECONDS * RATE)].clip(-1, 1), RATE, format="MP3")
    except (SiamkitError, OSError, soundfile.SoundFileError, ValueError):
        return None
    return "audio/mpeg", target.getvalue(), f"first {SECONDS:.0f} s of " if is_cut else ""


def data_address(mime: str, content: bytes) -> str:
    """Return an address that holds the content itself (RFC 2397)."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
