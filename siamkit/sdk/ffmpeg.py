"""Decode with the program ffmpeg what soundfile cannot read, such as M4A and video.

Uses the ffmpeg on the PATH, or else the one inside the package imageio-ffmpeg.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import UnreadableSample
from siamkit.sdk.extras import install_command

SAMPLES_PER_READ = 1 << 20  # samples read at a time
# Containers of sound; none of them can refer to other files or addresses.
DEMUXERS = "aac,ac3,amr,ape,asf,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,mp3,mpeg,ogg,tta,wv"
INPUT = f"-nostdin -v error -xerror -protocol_whitelist file -format_whitelist {DEMUXERS}"
OUTPUT = "-map 0:a:0 -vn -c:a pcm_f32be -f au"  # the first sound track
HEADER = struct.Struct(">4sIIIII")  # of an AU file: ".snd", offset, size, encoding, rate, channels


def decode(source: Path | bytes, rate: int, refused: str) -> Iterator[NDArray[np.float32]]:
    """Yield a sound block by block, (n, channels) float32 at `rate` Hz.

    refused: why soundfile could not read it, for the message. Raises UnreadableSample if ffmpeg is
    not installed, cannot read the sound either, or reports damage.
    """
    program = find_program()
    if program is None:
        raise UnreadableSample(
            f"not an audio file in a known format {refused}",
            hint=f"for other formats install ffmpeg, or run `{install_command('m4a')}`",
        )
    with _as_file(source) as path, tempfile.TemporaryFile() as log:
        command = [program, *INPUT.split(), "-i", f"file:{path}"]
        command += [*OUTPUT.split(), "-ar", str(rate), "pipe:1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
            assert process.stdout is not None
            is_empty = True
            try:
                channels = _read_header(process.stdout)
                while block := process.stdout.read(4 * channels * (SAMPLES_PER_READ // channels)):
                    is_empty = False
                    count = len(block) // (4 * channels) * channels
                    samples = np.frombuffer(block, ">f4", count=count).astype(np.float32)
                    yield samples.reshape(-1, channels)
                code = process.wait()
            finally:
                process.kill()  # the caller may have stopped early
        log.seek(0)
        complaint = log.read().decode("utf-8", "replace").strip()
        if code or complaint:
            if "matches no streams" in complaint:
                raise UnreadableSample("it is a video without a sound track")
            if is_empty:
                raise UnreadableSample(f"not a complete audio file in a known format {refused}")
            reason = complaint.splitlines()[-1] if complaint else "it ends early"
            raise UnreadableSample(f"the recording is damaged: {reason}")


def _read_header(stream: IO[bytes]) -> int:
    """Read an AU header and return its channel count; 1 if the stream ends before it."""
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        return 1
    _, offset, *_, channels = HEADER.unpack(head)
    stream.read(offset - HEADER.size)
    return max(1, int(channels))


def find_program() -> str | None:
    """Return the path of ffmpeg; None if it is not installed."""
    if path := shutil.which("ffmpeg"):
        return path
    try:
        import imageio_ffmpeg

        program: str = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None
    return program


@contextmanager
def _as_file(source: Path | bytes) -> Iterator[Path]:
    """Yield a path that ffmpeg can seek in: some containers have their index at the end."""
    if isinstance(source, Path):
        yield source.absolute()
        return
    handles = Path(f"/proc/{os.getpid()}/fd")
    if handles.is_dir():  # Linux: a file without a name, which a killed process does not leave
        with tempfile.TemporaryFile() as unnamed:
            unnamed.write(source)
            unnamed.flush()
            yield handles / str(unnamed.fileno())
        return
    with tempfile.NamedTemporaryFile(prefix="siamkit-") as file:
        file.write(source)
        file.flush()
        yield Path(file.name)
