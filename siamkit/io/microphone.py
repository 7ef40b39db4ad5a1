"""A recording from the microphone, through sounddevice where it is installed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.sources import to_text

RATE = 16_000  # Hz
LONGEST = 600.0  # s
LETTERS = 40  # of a label in the name of its recording
INSTALL = (
    "pip install sounddevice; on Linux it needs the library PortAudio (apt install libportaudio2)"
)


def _require_microphone() -> None:
    """Raise SiamkitError, with the way out, where there is nothing to record with."""
    try:
        import sounddevice
    except ImportError as error:
        raise SiamkitError("recording needs the package sounddevice", hint=INSTALL) from error
    except OSError as error:  # the package is here, the library below it is not
        raise SiamkitError(f"sounddevice does not work here: {error}", hint=INSTALL) from error
    try:
        sounddevice.check_input_settings(samplerate=RATE, channels=1)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise SiamkitError(
            f"there is no microphone that can be used: {error}",
            hint="`python -m sounddevice` lists what there is; a file can be enrolled instead",
        ) from error


def record(seconds: float, label: str, folder: Path, started: Callable[[], None]) -> Path:
    """Record for so long, and save LABEL-DATE.wav in a folder: 16 bits, mono, RATE.

    `started` is called once all is ready. Raises SiamkitError where there is nothing to
    record with, BadInput for a length that is none and a folder that cannot be written to.
    """
    if not 0 < seconds <= LONGEST:
        raise BadInput(f"{seconds:g} s cannot be recorded", hint=f"at most {LONGEST:g}")
    _require_microphone()
    import sounddevice
    import soundfile

    word = re.sub(r"[^\w.-]+", "-", label)[:LETTERS].strip("-.") or "recording"
    path = folder / f"{word}-{time.strftime('%Y%m%d-%H%M%S')}.wav"
    try:
        path.touch(exist_ok=False)  # before anybody speaks in vain
    except OSError as error:
        raise BadInput(f"{to_text(path)} cannot be written: {error.strerror}") from error
    try:
        started()
        samples = sounddevice.rec(int(seconds * RATE), samplerate=RATE, channels=1, dtype="int16")
        sounddevice.wait()
        soundfile.write(path, samples, RATE, subtype="PCM_16")
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, sounddevice.PortAudioError | soundfile.LibsndfileError | OSError):
            raise SiamkitError(f"the recording failed: {error}") from error
        raise
    return path
