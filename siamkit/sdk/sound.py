"""Bytes to sound: one mono clip, or block by block where a recording is too long to hold.

soundfile decodes and soxr resamples; what soundfile cannot read goes through ffmpeg.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import UnreadableSample
from siamkit.sdk import ffmpeg
from siamkit.types import Clip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Block = NDArray[np.float32]

LONGEST = 1800.0  # s that load_clip takes: 115 MB at 16 kHz, and some copies of it
BLOCK, READ = 60.0, 10.0  # s of the clips of a stream, and that are decoded at a time
KNOWN = "WAV, FLAC, OGG, MP3, AIFF"  # by soundfile, for people
CHANNELS = 64  # at most
LOUDEST = 1e6  # of a sample, which should be in [-1, 1]: floats may go beyond, but not so far
CANCELLED = 0.5  # of the power that one channel alone would have in the mean
SLACK = 0.1  # s that may be lacking: an encoder's delay
FIRST = 200  # bytes of an MP3's first frame in which its length may be stated
UNWRITTEN = 1 << 62  # frames: libsndfile says so of a FLAC that was written to a pipe


def load_clip(source: Path | bytes, rate: int) -> Clip:
    """Decode a sound to (n,) float32 mono at `rate` Hz, the mean of its channels.

    Full scale is [-1, 1]. Raises UnreadableSample for what is not a whole sound, has no or unusable
    samples, or is longer than half an hour.
    """
    import numpy as np

    limit = int(LONGEST * rate)
    blocks, length = [], 0
    for block in _blocks(source, rate):
        blocks.append(block)
        length += len(block)
        if length > limit:
            raise UnreadableSample(
                f"the recording is longer than {LONGEST:,.0f} s, and is needed whole",
                hint="cut out the part that counts; `siamkit query --timeline` takes any length",
            )
    return Clip(np.concatenate(blocks), rate)


def stream_clip(source: Path, rate: int) -> Iterator[Clip]:
    """The same sound in clips of 60 s, one after the other; only one is held."""
    import numpy as np

    size = int(BLOCK * rate)
    kept: Block = np.empty(0, np.float32)
    for block in _blocks(source, rate):
        kept = np.concatenate([kept, block])
        while len(kept) >= size:
            yield Clip(kept[:size], rate)
            kept = kept[size:]
    if len(kept):
        yield Clip(kept, rate)


def _blocks(source: Path | bytes, rate: int) -> Iterator[Block]:
    """Mono at `rate`, checked; at least one sample in all."""
    import numpy as np
    import soundfile

    content = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        file = soundfile.SoundFile(content)
        refused = "its length is not written in it" if _is_endless(file, source) else ""
    except soundfile.LibsndfileError as error:
        refused = str(error.error_string).rstrip(".")
    decoded: Iterator[Block]
    if refused:
        decoded = map(_mono, ffmpeg.decode(source, rate, f"({KNOWN}): {refused}"))
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
        raise UnreadableSample("there is no sound in it: it has a header and no samples")


def _resampled(file: Any, rate: int) -> Iterator[Block]:
    import numpy as np
    import soundfile
    import soxr

    with file:
        if file.channels > CHANNELS:
            raise UnreadableSample(
                f"it has {file.channels} channels, and at most {CHANNELS} are read"
            )
        resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
        size, found = max(1024, int(READ * file.samplerate / file.channels)), 0
        try:
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                found += len(block)
                mono = _mono(block)
                yield mono if file.samplerate == rate else resampler.resample_chunk(mono)
        except soundfile.LibsndfileError as error:
            why = str(error.error_string).removeprefix("Error : ").rstrip(".")
            raise UnreadableSample(f"the recording is damaged: {why}") from error
        if file.frames - found > SLACK * file.samplerate:
            has, wanted = (frames / file.samplerate for frames in (found, file.frames))
            raise UnreadableSample(
                f"the recording is damaged: it ends after {has:.1f} of {wanted:.1f} s"
            )
        if file.samplerate != rate:
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _is_endless(file: Any, source: Path | bytes) -> bool:
    """True where libsndfile does not know the length, and another decoder is here.

    Of an MP3 that does not state it, it guesses by the first frame's bit rate, and stops there.
    """
    if file.format != "MP3":
        return bool(file.frames >= UNWRITTEN)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        head = stream.read(10)
        if head.startswith(b"ID3"):  # a tag of so many bytes, seven bits each, comes first
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            stream.seek(10 + size)
        frame = head + stream.read(FIRST)
    stated = any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))
    return not stated and ffmpeg.find() is not None


def _mono(block: Block) -> Block:
    """(n, channels) to (n,): the mean, or the loudest where channels cancel each other out."""
    import numpy as np

    mono = np.ascontiguousarray(block.mean(axis=1))
    if block.shape[1] > 1 and len(block):
        power = np.einsum("nc,nc->c", block, block)
        # Of equal channels the mean is as loud as each; of one among n, 1/n² as loud.
        if mono @ mono < CANCELLED * power.max() / block.shape[1] ** 2:
            return np.ascontiguousarray(block[:, power.argmax()])
    return mono
