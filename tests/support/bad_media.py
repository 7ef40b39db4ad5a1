"""Small valid pictures and sounds of every format, and what breaks them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from mediafiles import COLOUR, NOISE, chunk, encoded, jpeg_with, png_with, segment, sound, tiff
from PIL import Image

EXTREMES = (b"\0", b"\xff", b"\x7f\xff", b"\x80\0", b"\0\0\0\0", b"\xff" * 4, b"\x7f\xff\xff\xff",
            b"\xff\xff\xff\x7f", b"\0\1\0\0", b"\xff" * 8)  # fmt: skip
RATE = 16_000  # Hz
SMALL = NOISE[:24, :32]
TONE = 0.5 * np.sin(np.arange(4000) / 8).astype(np.float32)
EXIF = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"  # turned by 90 degrees

PICTURES = {
    "png": encoded(SMALL, "PNG"),
    "png palette": encoded(Image.fromarray(SMALL).quantize(16), "PNG", transparency=3),
    "png metadata": png_with(chunk(b"eXIf", EXIF), chunk(b"sBIT", b"\x08\x08\x08")),
    "apng": encoded(SMALL, "PNG", save_all=True, append_images=[Image.fromarray(SMALL[::-1])]),
    "jpeg": encoded(SMALL, "JPEG"),
    "jpeg exif": jpeg_with(segment(0xE1, b"Exif\0\0" + EXIF)),
    "progressive": encoded(SMALL, "JPEG", progressive=True),
    "cmyk": encoded(Image.fromarray(SMALL).convert("CMYK"), "JPEG"),
    "gif": encoded(Image.fromarray(SMALL).quantize(16), "GIF"),
    "animation": encoded(SMALL, "GIF", save_all=True, append_images=[Image.fromarray(SMALL[::-1])]),
    "webp": encoded(SMALL, "WEBP"),
    "webp lossless": encoded(SMALL, "WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "bmp": encoded(SMALL, "BMP"),
    "ppm": encoded(SMALL, "PPM"),
    "avif": encoded(SMALL, "AVIF"),
    "jpeg2000": encoded(SMALL, "JPEG2000"),
    "tiff": encoded(SMALL, "TIFF"),
    "tiff lzw": encoded(SMALL, "TIFF", compression="tiff_lzw"),
    "tiff jpeg": encoded(SMALL, "TIFF", compression="jpeg"),
    "tiff fax": encoded(Image.fromarray(SMALL).convert("1"), "TIFF", compression="group4"),
    "tiff float": tiff(COLOUR / np.float32(255), photometric="rgb", compression="zlib"),
    "tiff 16": tiff(COLOUR.astype(np.uint16) * 4, photometric="rgb", byteorder=">"),
    "bigtiff": tiff(COLOUR, photometric="rgb", bigtiff=True),
}  # fmt: skip
SOUNDS = {
    "wav": sound(TONE),
    "wav float": sound(TONE, subtype="FLOAT"),
    "wav adpcm": sound(TONE, subtype="IMA_ADPCM"),
    "wavex": sound(TONE, kind="WAVEX"),
    "rf64": sound(TONE, kind="RF64"),
    "w64": sound(TONE, kind="W64"),
    "aiff": sound(TONE, kind="AIFF"),
    "au": sound(TONE, kind="AU"),
    "caf": sound(TONE, kind="CAF"),
    "flac": sound(TONE, kind="FLAC"),
    "vorbis": sound(TONE, kind="OGG", subtype="VORBIS"),
    "opus": sound(TONE, kind="OGG", subtype="OPUS"),
    "mp3": sound(TONE, kind="MP3"),
}


def mutate(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """Change a file in one to three places, most often near its beginning."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        end = len(data) if rng.random() < 0.4 else min(len(data), 200)
        at, kind = rng.randrange(max(1, end)), rng.randrange(7)
        if kind == 0:
            data[at : at + 1] = bytes([data[at] ^ 1 << rng.randrange(8)])
        elif kind in (1, 2):
            extreme = rng.choice(EXTREMES)
            data[at : at + len(extreme)] = extreme
        elif kind == 3:
            del data[max(1, at) :]
        elif kind == 4:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 5:
            data[at:at] = data[at : at + rng.randint(1, 400)] * rng.randint(1, 3)
        else:
            data[at : at + 40] = other[at : at + 40]
        if not data:
            return b"\0"
    return bytes(data)


def write_pictures() -> None:
    for name, content in PICTURES.items():
        Path(name).write_bytes(content)


def write_sounds() -> None:
    for name, content in SOUNDS.items():
        Path(name).write_bytes(content)


def break_media(path: Path, rng: random.Random) -> str:
    """Mutate a file, now and then with a piece of another one's."""
    others = [*PICTURES.values(), *SOUNDS.values()]
    path.write_bytes(mutate(path.read_bytes(), rng.choice(others), rng))
    return "mutated"


def read_sounds() -> None:
    """Decode every sound of the folder. Raises UnreadableSample for one that is broken."""
    from siamkit.sdk import ffmpeg
    from siamkit.sdk.sound import load_clip

    ffmpeg.find_program = lambda: None  # another program, with a memory of its own
    for name in SOUNDS:
        load_clip(Path(name), RATE)
