"""`enrol --record`: through sounddevice, which here is a stand-in that plays a generated voice."""

from __future__ import annotations

import sys
from importlib import invalidate_caches
from pathlib import Path

import pytest
import soundfile
from voicedata import clip, write

STAND_IN = """
import numpy as np, soundfile
class PortAudioError(Exception): pass
def check_input_settings(samplerate, channels):
    if {missing}: raise PortAudioError("Error querying device -1")
def rec(frames, samplerate, channels, dtype):
    samples, rate = soundfile.read({wav!r}, dtype=dtype)
    assert rate == samplerate
    return np.resize(samples, (frames, channels))
def wait(): pass
"""


@pytest.fixture
def sounddevice(tmp_path, monkeypatch):
    """A function that makes `import sounddevice` run the given source from now on."""
    monkeypatch.syspath_prepend(tmp_path / "stand-in")

    def pretend(source: str) -> None:
        module = tmp_path / "stand-in" / "sounddevice.py"
        module.parent.mkdir(exist_ok=True)
        module.write_text(source)
        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
        invalidate_caches()

    yield pretend
    sys.modules.pop("sounddevice", None)


@pytest.fixture
def studio(shell, sounddevice):
    """A shell with a microphone that plays the given samples, or with no device."""

    def with_microphone(*, missing: bool = False, samples=None) -> object:
        wav = write(shell.folder / "played.wav", clip("low", 1) if samples is None else samples)
        sounddevice(STAND_IN.format(missing=missing, wav=str(wav)))
        return shell

    return with_microphone


def recorded(shell) -> list[Path]:
    return sorted(shell.folder.glob("Jo-*.wav"))


def test_a_recording_is_saved_and_enrolled(studio):
    shell = studio()
    done = shell("enrol", "voices", "--as", "Jo", "--record", "4")
    assert done.code == 0, done.err
    assert "speak now" in done.err
    (file,) = recorded(shell)
    assert soundfile.info(file).duration == 4
    write(shell.folder / "probe.wav", clip("low", 2))
    assert shell("verify", "voices", "--as", "Jo", "probe.wav").code == 0


def test_a_recording_without_enough_speech_is_not_kept(studio):
    shell = studio(samples=clip("low", 1)[:8_000] * 0)
    done = shell("enrol", "voices", "--as", "Jo", "--record", "2")
    assert done.code == 4
    assert "the recording was deleted" in done.err
    assert recorded(shell) == []


def test_a_label_of_any_length_makes_a_file_name(studio):
    done = studio()("enrol", "voices", "--as", "名" * 150, "--record", "4")
    assert done.code == 0, done.err


def test_a_gallery_of_something_else_is_told_before_anybody_speaks(studio, tiles):
    assert tiles("enrol", "staff", "red.png", "--as", "red", "-m", "tiles").code == 0
    done = studio()("enrol", "staff", "-m", "voices", "--as", "Jo", "--record", "2")
    assert done.code == 2
    assert "speak now" not in done.err


def test_no_microphone_and_no_package_are_one_line_with_the_way_out(
    studio, sounddevice, shell, monkeypatch
):
    studio(missing=True)
    done = shell("enrol", "voices", "--as", "Jo", "--record", "2")
    assert done.code == 1
    assert "no microphone can be used" in done.err
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sounddevice", None)
        done = shell("enrol", "voices", "--as", "Jo", "--record", "2")
    assert done.code == 1
    assert 'pip install "siamkit[record]"' in done.err
    sounddevice("raise OSError('no PortAudio')")
    done = shell("enrol", "voices", "--as", "Jo", "--record", "2")
    assert done.code == 1
    assert "libportaudio2" in done.err
    assert not (shell.folder / ".siamkit").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["voices", "--record", "2"], "--as LABEL"),
        (["voices", "--as", "Jo", "--record", "0"], "cannot record 0 s"),
        (["voices", "--as", "Jo", "--record", "nan"], "cannot record"),
        (["voices", "a.wav", "--as", "Jo", "--record", "2"], "Give one of"),
        (["tiles", "--as", "Jo", "--record", "2"], "records sounds, not tiles"),
        (["voices", "--as", " ", "--record", "2"], "empty"),
    ],
)
def test_bad_usage(studio, arguments, said):
    done = studio()("enrol", *arguments)
    assert done.code == 2
    assert said in done.err
