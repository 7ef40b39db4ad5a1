"""Read sounds as mono: one clip, or block by block if a recording is too long to hold in memory.

soundfile decodes and soxr resamples; ffmpeg decodes the formats that soundfile cannot read. This is
the only decoder of sounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import UnreadableSample
from siamkit.protocols import Source
from siamkit.sdk import ffmpeg, formats
from siamkit.sdk.sound_file import SLACK, Header, ends_early, open_stream, read_header
from siamkit.types import Clip

Block = NDArray[np.float32]

MAX_CLIP_SECONDS = 1800.0  # s, limit of load_clip: 115 MB at 16 kHz, and some copies of it
BLOCK_SECONDS, READ_SECONDS = 60.0, 10.0  # s: length of a stream's clips; sound decoded at a time
FORMATS = "WAV, FLAC, OGG, MP3, AIFF"  # that soundfile reads, for people
COMPRESSION, SPEECH_RATE = 40, 16_000  # floats per byte of a file, bytes × 4; Hz
CHANNELS = 64  # at most
RATES = (1_000, 1_000_000)  # Hz: others are not a sound, or damage
LOUDEST = 64.0  # of full scale, 36 dB: floats may leave [-1, 1], but not by so much
FULL_SCALES = (32768.0, 8388608.0, 2147483648.0)  # of floats that hold integers of 16 to 32 bits
SHIFT, SHIFT_SHARE = 0.02, 0.5  # of full scale, of the level: a larger mean is not part of a sound
READ_FRAMES = 1 << 20  # decoded at a time, at most
CANCELLED = 0.5  # of the power that one channel alone would have in the mean
UNWRITTEN = 1 << 62  # frames: libsndfile's length for a FLAC that was written to a pipe


def load_clip(source: Source, rate: int) -> Clip:
    """Decode a sound to one clip: (n,) float32 at `rate` Hz, full scale [-1, 1].

    source: a path, or the file's content. The clip is the mean of the channels, or the loudest one
    if they cancel each other out; its notes say what was left out or guessed. Raises
    UnreadableSample for a text, and if the file is not a sound, is damaged or incomplete, has no
    samples, holds NaN or infinity, or is longer than half an hour.
    """
    if isinstance(source, str):
        raise UnreadableSample("give a recording as a file or its content, not text")
    limit = int(MAX_CLIP_SECONDS * rate)
    blocks, length = [], 0
    notes: list[str] = []
    for block in _blocks(source, rate, notes):
        blocks.append(block)
        length += len(block)
        if length > limit:
            raise UnreadableSample(
                f"the recording is longer than the limit of {MAX_CLIP_SECONDS:,.0f} s",
                hint="cut out the part you need; `siamkit timeline` takes any length",
            )
    return Clip(np.concatenate(blocks), rate, tuple(notes))


def estimate_bytes(size: int) -> int:
    """Estimate the bytes that `load_clip` takes for a file of some bytes, compressed as speech."""
    return min(size * COMPRESSION, int(8 * MAX_CLIP_SECONDS * SPEECH_RATE))


def stream_clip(source: Path | bytes, rate: int) -> Iterator[Clip]:
    """Yield the sound that `load_clip` returns in clips of 60 s, the last one shorter; any length.

    The first one has the notes. Raises UnreadableSample as `load_clip` does, at the latest where
    the damage is.
    """
    size = int(BLOCK_SECONDS * rate)
    notes: list[str] = []
    buffer: Block = np.empty(0, np.float32)
    for block in _blocks(source, rate, notes):
        buffer = np.concatenate([buffer, block])
        while len(buffer) >= size:
            yield Clip(buffer[:size], rate, tuple(notes))
            buffer = buffer[size:]
            notes.clear()
    if len(buffer):
        yield Clip(buffer, rate, tuple(notes))


def find_runs(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return (k, 2) start and stop of every run of True in (n,) flags, in order."""
    steps = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)], axis=1)


def _blocks(source: Path | bytes, rate: int, notes: list[str]) -> Iterator[Block]:
    """Yield checked mono blocks at `rate` Hz, at least one sample in all; adds to the notes."""
    length, shift = 0, np.float32(0)
    try:
        for block in _decode(source, rate, notes):
            if bad := int((~(np.abs(block) <= LOUDEST)).sum()):
                raise UnreadableSample(
                    f"{bad:,} of its samples are NaN, infinite or beyond {LOUDEST:g}"
                )
            if not length:
                shift = _find_shift(block, notes)
            length += len(block)
            yield block - shift if shift else block
    except MemoryError as error:
        raise UnreadableSample("there is not enough memory to decode it") from error
    if not length:
        raise UnreadableSample("the file has a header and no samples")


def _decode(source: Path | bytes, rate: int, notes: list[str]) -> Iterator[Block]:
    """Yield mono blocks by soundfile, or by ffmpeg if soundfile refuses or knows no length."""
    import soundfile

    header, refused = read_header(source), "it does not state its length"
    stream = open_stream(source, header)
    try:
        with header.quiet():
            file = soundfile.SoundFile(stream)
        with file:
            if not _is_endless(file, header):
                header.require_complete(file)
                notes += header.notes(file)
                yield from _resampled(file, header, rate, notes)
                return
    except (soundfile.LibsndfileError, OverflowError) as error:
        refused = str(getattr(error, "error_string", error)).rstrip(".")
    finally:
        if not isinstance(stream, str):
            stream.close()
    kind = formats.recognise(header.head)
    if kind and kind.sound_hint != formats.SOUND and not kind.name.endswith("sound"):
        raise UnreadableSample(f"it is {kind.name}, not a sound", hint=kind.sound_hint)
    yield from map(_mono, ffmpeg.decode(source, rate, f"({FORMATS}): {refused}"))


def _resampled(file: Any, header: Header, rate: int, notes: list[str]) -> Iterator[Block]:
    """Yield the mono blocks of an open soundfile at `rate` Hz."""
    import soundfile
    import soxr

    if file.channels > CHANNELS:
        raise UnreadableSample(f"it has {file.channels} channels, and at most {CHANNELS} are read")
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise UnreadableSample(
            f"it states {file.samplerate:,} samples per second; sounds have {RATES[0]:,} to"
            f" {RATES[1]:,}"
        )
    resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
    size = max(1024, int(READ_SECONDS * file.samplerate / file.channels))
    size, count = min(size, READ_FRAMES), 0
    try:
        scale = _full_scale(file, size, notes)
        while True:
            with header.quiet():
                block = file.read(size, dtype="float32", always_2d=True)
            if not len(block):
                break
            count += len(block)
            mono = _mono(block if scale == 1 else block / np.float32(scale))
            yield mono if file.samplerate == rate else resampler.resample_chunk(mono)
    except soundfile.LibsndfileError as error:
        reason = str(error.error_string).removeprefix("Error : ").rstrip(".")
        raise UnreadableSample(f"the recording is damaged: {reason}") from error
    if file.frames - count > SLACK * file.samplerate:
        raise ends_early(count / file.samplerate, file.frames / file.samplerate)
    if file.samplerate != rate:
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _full_scale(file: Any, size: int, notes: list[str]) -> float:
    """Return the sample that counts as 1: for floats far beyond it, that of integers."""
    if file.subtype not in ("FLOAT", "DOUBLE"):
        return 1.0
    peak = 0.0
    while len(block := file.read(size, dtype="float32", always_2d=True)):
        peak = max(peak, float(np.abs(block).max(where=np.isfinite(block), initial=0)))
    file.seek(0)
    if peak <= LOUDEST:
        return 1.0
    scale = next((scale for scale in FULL_SCALES if peak <= scale), None)
    if scale is None:
        raise UnreadableSample(
            f"its samples reach {peak:,g}, and full scale is 1", hint="save it with 16 bits"
        )
    bits = round(np.log2(scale)) + 1
    notes.append(f"its samples reach {peak:,.0f}: read as {bits}-bit levels")
    return scale


def _find_shift(block: Block, notes: list[str]) -> np.float32:
    """Return the constant to subtract: the mean, if it is large beside the sound itself."""
    mean = block.mean(dtype=np.float64) if len(block) else 0.0
    if abs(mean) < SHIFT or abs(mean) < SHIFT_SHARE * block.std(dtype=np.float64):
        return np.float32(0)
    notes.append(f"its samples are shifted by {mean:.2f}: the shift is removed")
    return np.float32(mean)


def _is_endless(file: Any, header: Header) -> bool:
    """True if libsndfile does not know the length; for an MP3, only if ffmpeg is there to read it.

    libsndfile guesses the length of an MP3 that does not state it from the first frame's bit rate,
    and stops there.
    """
    if file.format != "MP3":
        return bool(file.frames >= UNWRITTEN)
    stated = any(mark in header.first_frame for mark in (b"Xing", b"Info", b"VBRI"))
    return not stated and ffmpeg.find_program() is not None


@np.errstate(invalid="ignore", over="ignore")  # of what is refused later
def _mono(block: Block) -> Block:
    """(n, channels) to (n,): the mean, or the loudest channel if they cancel each other out."""
    mono = np.ascontiguousarray(block.mean(axis=1))
    if block.shape[1] > 1 and len(block):
        power = np.einsum("nc,nc->c", block, block)
        # The mean of equal channels has the power of each; of one among n, 1/n² of its power.
        if mono @ mono < CANCELLED * power.max() / block.shape[1] ** 2:
            return np.ascontiguousarray(block[:, power.argmax()])
    return mono
