"""Damaged pictures and sounds: each is decoded or refused, soon, in little memory, in silence.

Small valid files of every format are mutated with a fixed seed: bytes flipped, numbers in headers
replaced by extreme ones, parts cut out, doubled, or swapped with another file's.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time

import numpy as np
import pytest
from mediafiles import COLOUR, NOISE, chunk, encoded, jpeg_with, png_with, segment, sound, tiff
from PIL import Image

from siamkit import UnreadableSample
from siamkit.sdk import ffmpeg
from siamkit.sdk.media import load_image
from siamkit.sdk.sound import load_clip
from siamkit.types import Clip
from siamkit.types import Image as Picture

MUTANTS = 60  # of each file
RATE = 16_000
SLOWEST = 5.0  # s for one file, on a busy machine
EXTREMES = (b"\0", b"\xff", b"\x7f\xff", b"\x80\0", b"\0\0\0\0", b"\xff" * 4, b"\x7f\xff\xff\xff",
            b"\xff\xff\xff\x7f", b"\0\1\0\0", b"\xff" * 8)  # fmt: skip
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


def mutants(files: dict[str, bytes], name: str) -> list[bytes]:
    rng, others = random.Random(name), list(files.values())
    return [mutate(files[name], rng.choice(others), rng) for _ in range(MUTANTS)]


@pytest.fixture
def without_ffmpeg(monkeypatch):
    """ffmpeg is another program, of which hundreds would be started here."""
    monkeypatch.setattr(ffmpeg, "find_program", lambda: None)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.timeout(60)
def test_damaged_pictures_are_decoded_or_refused(name, capfd):
    assert load_image(PICTURES[name]).pixels.size
    refused = 0
    for content in mutants(PICTURES, name):
        started = time.process_time()
        try:
            image = load_image(content)
        except UnreadableSample:
            refused += 1
        else:
            assert isinstance(image, Picture)
            assert image.pixels.dtype == np.uint8
            assert image.pixels.ndim == 3
            assert image.pixels.shape[2] == 3
            assert image.pixels.size
        assert time.process_time() - started < SLOWEST
    assert refused
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.timeout(60)
def test_damaged_sounds_are_decoded_or_refused(name, capfd, without_ffmpeg):
    assert load_clip(SOUNDS[name], RATE).samples.size
    refused = 0
    for content in mutants(SOUNDS, name):
        started = time.process_time()
        try:
            clip = load_clip(content, RATE)
        except UnreadableSample:
            refused += 1
        else:
            assert isinstance(clip, Clip)
            assert np.isfinite(clip.samples).all()
            assert clip.samples.size
        assert time.process_time() - started < SLOWEST
    assert refused
    assert capfd.readouterr().err == ""


BOMBS = r"""
import resource, struct, zlib
from siamkit.sdk.media import load_image

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

def png(side, bits, colours, channels):
    header = struct.pack(">IIBBBBB", side, side, bits, colours, 0, 0, 0)
    deflate, row = zlib.compressobj(1), b"\0" + bytes(side * channels * bits // 8 - 1) + b"\x80"
    data = b"".join(deflate.compress(row) for _ in range(side)) + deflate.flush()
    parts = chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

for side, bits, colours, channels in [(9450, 16, 0, 1), (9450, 8, 6, 4)]:
    print(load_image(png(side, bits, colours, channels)).pixels.shape)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.timeout(120)
def test_pictures_just_below_the_limit_fit_into_memory():
    done = subprocess.run([sys.executable, "-c", BOMBS], check=True, capture_output=True, text=True)
    *shapes, peak = done.stdout.splitlines()
    assert shapes == ["(9450, 9450, 3)"] * 2
    assert int(peak) < 800  # MB
