"""Sounds that soundfile cannot read, M4A and video say, decoded by the program ffmpeg.

The one on the PATH is taken, or the one inside of the package imageio-ffmpeg.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from siamkit.errors import UnreadableSample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

READ = 1 << 20  # samples at a time
# Containers of sound, none that names other files or addresses.
DEMUXERS = "aac,ac3,amr,ape,asf,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,mp3,mpeg,ogg,tta,wv"
HEADER = struct.Struct(">4sIIIII")  # of an AU file: ".snd", offset, size, encoding, rate, channels


def decode(source: Path | bytes, rate: int, refused: str) -> Iterator[NDArray[np.float32]]:
    """(n, channels) float32 at `rate` Hz, block by block.

    refused: why nobody else could read it. Raises UnreadableSample if ffmpeg is not here, cannot
    read it either, or has anything to complain about.
    """
    import numpy as np

    program = find()
    if program is None:
        raise UnreadableSample(
            f"not a sound of a known format {refused}",
            hint="for other formats install ffmpeg, or: pip install imageio-ffmpeg",
        )
    with _as_file(source) as path, tempfile.TemporaryFile() as said:
        command = [
            program, "-nostdin", "-v", "error", "-xerror", "-protocol_whitelist", "file",
            "-format_whitelist", DEMUXERS, "-i", f"file:{path}", "-map", "0:a:0", "-vn",
            "-ar", str(rate), "-c:a", "pcm_f32be", "-f", "au", "pipe:1",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as running:
            assert running.stdout is not None
            found = False
            try:
                channels = _channels(running.stdout)
                while part := running.stdout.read(4 * channels * (READ // channels)):
                    found = True
                    whole = len(part) // (4 * channels) * channels
                    samples = np.frombuffer(part, ">f4", count=whole).astype(np.float32)
                    yield samples.reshape(-1, channels)
                code = running.wait()
            finally:
                running.kill()  # whoever asked may have heard enough
        said.seek(0)
        complaint = said.read().decode("utf-8", "replace").strip()
        if code or complaint:
            if not found:
                raise UnreadableSample(f"not a whole sound of a known format {refused}")
            why = complaint.splitlines()[-1] if complaint else "it ends early"
            raise UnreadableSample(f"the recording is damaged: {why}")


def _channels(stream: IO[bytes]) -> int:
    """Read an AU header; 1 where there is none, for then there is nothing behind it either."""
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        return 1
    _, offset, *_, channels = HEADER.unpack(head)
    stream.read(offset - HEADER.size)
    return max(1, int(channels))


def find() -> str | None:
    """The path of the program; None if there is none."""
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
