"""Read sounds as mono: one clip, or block by block if a recording is too long to hold in memory.

soundfile decodes and soxr resamples; ffmpeg decodes the formats that soundfile cannot read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import UnreadableSample
from siamkit.protocols import Source
from siamkit.sdk import ffmpeg
from siamkit.types import Clip

Block = NDArray[np.float32]

MAX_CLIP_SECONDS = 1800.0  # s, limit of load_clip: 115 MB at 16 kHz, and some copies of it
BLOCK_SECONDS, READ_SECONDS = 60.0, 10.0  # s: length of a stream's clips; sound decoded at a time
FORMATS = "WAV, FLAC, OGG, MP3, AIFF"  # that soundfile reads, for people
CHANNELS = 64  # at most
LOUDEST = 1e6  # largest sample; floats may leave [-1, 1], but not by so much
CANCELLED = 0.5  # of the power that one channel alone would have in the mean
SLACK = 0.1  # s that may be missing at the end: an encoder's delay
FIRST = 200  # bytes of an MP3's first frame in which its length may be stated
UNWRITTEN = 1 << 62  # frames: libsndfile's length for a FLAC that was written to a pipe


def load_clip(source: Source, rate: int) -> Clip:
    """Decode a sound to one clip: (n,) float32 at `rate` Hz, full scale [-1, 1].

    source: a path, or the file's content. The clip is the mean of the channels, or the loudest one
    if they cancel each other out. Raises UnreadableSample for a text, and if the file is not a
    sound, is damaged or incomplete, has no samples, holds NaN or infinity, or is longer than half
    an hour.
    """
    if isinstance(source, str):
        raise UnreadableSample("give a recording as a file or its content, not text")
    limit = int(MAX_CLIP_SECONDS * rate)
    blocks, length = [], 0
    for block in _blocks(source, rate):
        blocks.append(block)
        length += len(block)
        if length > limit:
            raise UnreadableSample(
                f"the recording is longer than the limit of {MAX_CLIP_SECONDS:,.0f} s",
                hint="cut out the part you need; `siamkit query --timeline` takes any length",
            )
    return Clip(np.concatenate(blocks), rate)


def stream_clip(source: Path | bytes, rate: int) -> Iterator[Clip]:
    """Yield the sound that `load_clip` returns in clips of 60 s, the last one shorter; any length.

    Raises UnreadableSample as `load_clip` does, at the latest where the damage is.
    """
    size = int(BLOCK_SECONDS * rate)
    buffer: Block = np.empty(0, np.float32)
    for block in _blocks(source, rate):
        buffer = np.concatenate([buffer, block])
        while len(buffer) >= size:
            yield Clip(buffer[:size], rate)
            buffer = buffer[size:]
    if len(buffer):
        yield Clip(buffer, rate)


def _blocks(source: Path | bytes, rate: int) -> Iterator[Block]:
    """Yield checked mono blocks at `rate` Hz, at least one sample in all."""
    import soundfile

    content = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        file = soundfile.SoundFile(content)
        refused = "it does not state its length" if _is_endless(file, source) else ""
    except soundfile.LibsndfileError as error:
        refused = str(error.error_string).rstrip(".")
    decoded: Iterator[Block]
    if refused:
        decoded = map(_mono, ffmpeg.decode(source, rate, f"({FORMATS}): {refused}"))
    else:
        decoded = _resampled(file, rate)
    length = 0
    for block in decoded:
        if bad := int((~(np.abs(block) <= LOUDEST)).sum()):
            raise UnreadableSample(
                f"{bad:,} of its samples are NaN, infinite or beyond {LOUDEST:g}"
            )
        length += len(block)
        yield block
    if not length:
        raise UnreadableSample("the file has a header and no samples")


def _resampled(file: Any, rate: int) -> Iterator[Block]:
    """Yield the mono blocks of an open soundfile at `rate` Hz; closes it."""
    import soundfile
    import soxr

    with file:
        if file.channels > CHANNELS:
            raise UnreadableSample(
                f"it has {file.channels} channels, and at most {CHANNELS} are read"
            )
        resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
        size, count = max(1024, int(READ_SECONDS * file.samplerate / file.channels)), 0
        try:
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                count += len(block)
                mono = _mono(block)
                yield mono if file.samplerate == rate else resampler.resample_chunk(mono)
        except soundfile.LibsndfileError as error:
            reason = str(error.error_string).removeprefix("Error : ").rstrip(".")
            raise UnreadableSample(f"the recording is damaged: {reason}") from error
        if file.frames - count > SLACK * file.samplerate:
            end, stated = count / file.samplerate, file.frames / file.samplerate
            raise UnreadableSample(
                f"the recording is damaged: it ends after {end:.1f} of {stated:.1f} s"
            )
        if file.samplerate != rate:
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _is_endless(file: Any, source: Path | bytes) -> bool:
    """True if libsndfile does not know the length; for an MP3, only if ffmpeg is there to read it.

    libsndfile guesses the length of an MP3 that does not state it from the first frame's bit rate,
    and stops there.
    """
    if file.format != "MP3":
        return bool(file.frames >= UNWRITTEN)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        head = stream.read(10)
        if head.startswith(b"ID3"):  # a tag comes first; its size has seven bits in each byte
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            stream.seek(10 + size)
        frame = head + stream.read(FIRST)
    stated = any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))
    return not stated and ffmpeg.find_program() is not None


def _mono(block: Block) -> Block:
    """(n, channels) to (n,): the mean, or the loudest channel if they cancel each other out."""
    mono = np.ascontiguousarray(block.mean(axis=1))
    if block.shape[1] > 1 and len(block):
        power = np.einsum("nc,nc->c", block, block)
        # The mean of equal channels has the power of each; of one among n, 1/n² of its power.
        if mono @ mono < CANCELLED * power.max() / block.shape[1] ** 2:
            return np.ascontiguousarray(block[:, power.argmax()])
    return mono
