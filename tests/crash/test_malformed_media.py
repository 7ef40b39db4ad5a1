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
from bad_media import PICTURES, SOUNDS, mutate

from siamkit import UnreadableSample
from siamkit.sdk import ffmpeg
from siamkit.sdk.media import load_image
from siamkit.sdk.sound import load_clip
from siamkit.types import Clip
from siamkit.types import Image as Picture

MUTANTS = 60  # of each file
RATE = 16_000
SLOWEST = 5.0  # s for one file, on a busy machine


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
import struct, zlib
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
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.timeout(120)
def test_pictures_just_below_the_limit_fit_into_memory():
    done = subprocess.run([sys.executable, "-c", BOMBS], check=True, capture_output=True, text=True)
    *shapes, peak = done.stdout.splitlines()
    assert shapes == ["(9450, 9450, 3)"] * 2
    assert int(peak) < 800  # MB
