"""Record from the microphone, with sounddevice if it is installed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.atomic import PRIVATE_FILE, replacing
from siamkit.io.extras import require_extra
from siamkit.io.sources import to_text

RATE = 16_000  # Hz
MAX_SECONDS = 600.0  # s
LABEL_CHARACTERS = 40  # of a label, in the name of its recording


def _require_microphone() -> None:
    require_extra("record", "recording")
    try:
        import sounddevice
    except OSError as error:  # the package is installed, PortAudio is not
        hint = "on Linux it needs PortAudio: apt install libportaudio2"
        raise SiamkitError(f"sounddevice does not work here: {error}", hint=hint) from error
    try:
        sounddevice.check_input_settings(samplerate=RATE, channels=1)
    except (sounddevice.PortAudioError, ValueError) as error:
        hint = "`python -m sounddevice` lists the devices; or enrol a file instead"
        raise SiamkitError(f"no microphone can be used: {error}", hint=hint) from error


def record(seconds: float, label: str, folder: Path, started: Callable[[], None]) -> Path:
    """Record for some seconds, and save LABEL-DATE.wav in a folder: 16 bits, mono, RATE.

    started: called when recording begins. Raises SiamkitError if nothing can be recorded,
    BadInput for an impossible length or a folder that cannot be written to.
    """
    if not 0 < seconds <= MAX_SECONDS:
        hint = f"record more than 0 and at most {MAX_SECONDS:g} s"
        raise BadInput(f"cannot record {seconds:g} s", hint=hint)
    _require_microphone()
    import sounddevice
    import soundfile

    word = re.sub(r"[^\w.-]+", "-", label)[:LABEL_CHARACTERS].strip("-.") or "recording"
    path = folder / f"{word}-{time.strftime('%Y%m%d-%H%M%S')}.wav"
    try:
        path.touch(mode=PRIVATE_FILE, exist_ok=False)  # before anybody speaks
    except OSError as error:
        raise BadInput(f"{to_text(path)} cannot be written: {error.strerror}") from error
    try:
        started()
        samples = sounddevice.rec(int(seconds * RATE), samplerate=RATE, channels=1, dtype="int16")
        sounddevice.wait()
        with replacing(path) as temporary:
            soundfile.write(temporary, samples, RATE, subtype="PCM_16")
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, sounddevice.PortAudioError | soundfile.LibsndfileError | OSError):
            raise SiamkitError(f"the recording failed: {error}") from error
        raise
    return path
