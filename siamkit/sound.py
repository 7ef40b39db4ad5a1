"""Bytes to sound: one mono clip, or block by block where a recording is too long to hold.

soundfile decodes and soxr resamples. What soundfile cannot read (M4A, WMA, video) goes through
ffmpeg, the one on the PATH or the one inside of the package imageio-ffmpeg.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import UnreadableSample
from siamkit.types import Clip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Block = NDArray[np.float32]

LONGEST = 1800.0  # s that load_clip takes: 115 MB at 16 kHz, and some copies of it
BLOCK, READ = 60.0, 10.0  # s of the clips of a stream, and that are decoded at a time
KNOWN = "WAV, FLAC, OGG, MP3, AIFF"  # by soundfile, for people
CANCELLED = 0.5  # of the power that one channel alone would have in the mean
# Demuxers that ffmpeg may use: containers of sound, none that names other files or addresses.
DEMUXERS = "aac,ac3,amr,ape,asf,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,mp3,mpeg,ogg,tta,wv"


def load_clip(source: Path | bytes, rate: int) -> Clip:
    """Decode a sound to (n,) float32 mono in [-1, 1] at `rate` Hz, the mean of its channels.

    Raises UnreadableSample for what is not a whole sound, has no or unusable samples, or is longer
    than LONGEST.
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
    """The same sound in clips of BLOCK seconds, one after the other; only one is held."""
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
    length = 0
    try:
        decoded = _resampled(soundfile.SoundFile(content), rate)
    except soundfile.LibsndfileError as error:
        decoded = _by_ffmpeg(source, rate, str(error.error_string).rstrip("."))
    for block in decoded:
        if bad := int((~np.isfinite(block)).sum()):
            raise UnreadableSample(f"{bad:,} of its samples are NaN or infinite")
        length += len(block)
        yield block
    if not length:
        raise UnreadableSample("there is no sound in it: it has a header and no samples")


def _resampled(file: Any, rate: int) -> Iterator[Block]:
    import numpy as np
    import soundfile
    import soxr

    with file:
        # libsndfile knows the length of an MP3 without a header by guess; of the others it is told.
        promised = 0 if file.format == "MPEG" else file.frames
        resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
        found = 0
        try:
            for block in file.blocks(int(READ * file.samplerate), dtype="float32", always_2d=True):
                found += len(block)
                mono = _mono(block)
                yield mono if file.samplerate == rate else resampler.resample_chunk(mono)
        except soundfile.LibsndfileError as error:
            raise _damaged(str(error.error_string).removeprefix("Error : ")) from error
        if found < promised:
            has, wanted = (frames / file.samplerate for frames in (found, promised))
            raise _damaged(f"it ends after {has:.1f} of {wanted:.1f} s")
        if file.samplerate != rate:
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _mono(block: Block) -> Block:
    """(n, channels) to (n,): the mean, or the loudest where channels cancel each other out."""
    import numpy as np

    mono = np.ascontiguousarray(block.mean(axis=1))
    if block.shape[1] > 1:
        power = np.square(block).mean(axis=0)
        # Of equal channels the mean is as loud as each; of one among n, 1/n² as loud.
        if np.square(mono).mean() < CANCELLED * power.max() / block.shape[1] ** 2:
            return np.ascontiguousarray(block[:, power.argmax()])
    return mono


def _damaged(why: str) -> UnreadableSample:
    return UnreadableSample(f"the recording is damaged: {why.rstrip('.').lower()}")


def _by_ffmpeg(source: Path | bytes, rate: int, why: str) -> Iterator[Block]:
    """What soundfile refused, `why`, decoded by another program."""
    import numpy as np

    program = _ffmpeg()
    if program is None:
        raise UnreadableSample(
            f"not a sound of a known format ({KNOWN}): {why}",
            hint="for other formats install ffmpeg, or: pip install imageio-ffmpeg",
        )
    with _as_file(source) as path:
        command = [
            program, "-nostdin", "-v", "error", "-protocol_whitelist", "file",
            "-format_whitelist", DEMUXERS, "-i", f"file:{path}", "-map", "0:a:0", "-ac", "1",
            "-ar", str(rate), "-f", "f32le", "pipe:1",
        ]  # fmt: skip
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as running,
        ):
            assert running.stdout is not None
            found = 0
            try:
                while part := running.stdout.read(4 * int(READ * rate)):
                    found += len(part) // 4
                    yield np.frombuffer(part[: len(part) // 4 * 4], "<f4").astype(np.float32)
                code = running.wait()
            finally:
                running.kill()  # whoever asked may have heard enough
            if code:
                said.seek(0)
                if found:
                    raise _damaged(_last_line(said.read()))
                raise UnreadableSample(f"not a whole sound of a known format ({KNOWN}): {why}")


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "ffmpeg gave up"


def _ffmpeg() -> str | None:
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        program: str = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None
    return program


@contextmanager
def _as_file(source: Path | bytes) -> Iterator[Path]:
    """A path that ffmpeg can seek in: some containers have their index at the end."""
    if isinstance(source, Path):
        yield source.absolute()
        return
    with tempfile.NamedTemporaryFile(prefix="siamkit-") as file:
        file.write(source)
        file.flush()
        yield Path(file.name)
