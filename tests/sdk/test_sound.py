"""Sounds of every format become one mono clip; files that are not sounds are refused in a line."""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from siamkit.errors import UnreadableSample
from siamkit.sdk import ffmpeg, sound
from siamkit.sdk.sound import load_clip, stream_clip

RATE = 16_000
TONE = 0.5 * np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE).astype(np.float32)


def content(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", subtype: str | None = None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def likeness(samples: np.ndarray) -> float:
    """Correlation with the tone at the best shift: codecs delay."""
    part = TONE[RATE // 2 : RATE]
    found = np.correlate(samples[RATE // 4 : RATE + RATE // 4], part)
    power = np.linalg.norm(part) * np.linalg.norm(samples[RATE // 2 : RATE])
    return float(found.max() / power)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"),
     ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("AIFF", "PCM_16")],
)  # fmt: skip
def test_every_format_gives_the_same_sound(kind, subtype):
    clip = load_clip(content(TONE, kind=kind, subtype=subtype), RATE)
    assert clip.rate == RATE
    assert clip.samples.dtype == np.float32
    assert clip.seconds == pytest.approx(2, abs=0.15)
    assert likeness(clip.samples) > 0.98


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_every_rate_is_resampled_as_soxr_does_it_at_once(rate):
    other = soxr.resample(TONE, RATE, rate)
    clip = load_clip(content(other, rate, subtype="FLOAT"), RATE)
    wanted = soxr.resample(other, rate, RATE)
    assert abs(len(clip.samples) - len(wanted)) <= 1
    length = min(len(clip.samples), len(wanted))
    assert np.abs(clip.samples[:length] - wanted[:length]).max() < 1e-4


def test_channels_are_averaged_and_what_cancels_is_not_lost():
    twelve = np.stack([TONE * (channel == 3) for channel in range(12)], axis=1)
    assert np.allclose(
        load_clip(content(twelve, subtype="FLOAT"), RATE).samples, TONE / 12, atol=1e-6
    )
    against = load_clip(content(np.stack([TONE, -TONE], axis=1), subtype="FLOAT"), RATE)
    assert np.allclose(np.abs(against.samples), np.abs(TONE), atol=1e-6)


def test_a_path_and_its_bytes_are_the_same(tmp_path):
    data = content(TONE, kind="FLAC")
    (tmp_path / "a.wav").write_bytes(data)  # named for what it is not
    assert np.array_equal(
        load_clip(tmp_path / "a.wav", RATE).samples, load_clip(data, RATE).samples
    )


def test_a_stream_is_the_clip_in_pieces(tmp_path, monkeypatch):
    long = np.random.default_rng(0).normal(0, 0.1, 100 * 22_050).astype(np.float32)
    path = tmp_path / "long.wav"
    soundfile.write(path, long, 22_050)
    whole = load_clip(path, RATE).samples
    pieces = list(stream_clip(path, RATE))
    assert [len(piece.samples) for piece in pieces[:-1]] == [60 * RATE]
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), whole)


def damaged_flac() -> bytes:
    data = bytearray(content(TONE, kind="FLAC"))
    for at in range(len(data) // 2, len(data) // 2 + 300):
        data[at] ^= 0x5A
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"hello world" * 40, "not a complete audio file"),
     (content(TONE)[:20], "not a complete audio file"),
     (content(np.zeros(0, np.float32)), "a header and no samples"),
     (content(np.where(np.arange(len(TONE)) < 12, np.nan, TONE), subtype="FLOAT"),
      "12 of its samples are NaN"),
     (content(np.where(np.arange(len(TONE)) == 5, np.inf, TONE), subtype="FLOAT"), "1 of its"),
     (damaged_flac(), "damaged"),
     (content(TONE, kind="FLAC")[:-9_000], "damaged"),
     (b"#EXTM3U\n#EXTINF:5,\n/etc/hostname\n", "it is a playlist, not a sound")],
)  # fmt: skip
def test_files_that_are_not_sounds_are_refused(data, said):
    with pytest.raises(UnreadableSample, match=said):
        load_clip(data, RATE)


def test_a_recording_that_is_too_long_is_refused_before_it_is_all_decoded(monkeypatch):
    monkeypatch.setattr(sound, "MAX_CLIP_SECONDS", 1.0)
    with pytest.raises(UnreadableSample, match="longer than the limit of 1 s") as caught:
        load_clip(content(TONE), RATE)
    assert "`siamkit timeline`" in caught.value.hint


@pytest.fixture
def m4a(tmp_path) -> Path:
    program = ffmpeg.find_program()
    if program is None:
        pytest.skip("no ffmpeg")
    (tmp_path / "tone.wav").write_bytes(content(TONE))
    made = tmp_path / "tone.m4a"
    subprocess.run([program, "-v", "error", "-i", tmp_path / "tone.wav", made], check=True)
    return made


def test_what_soundfile_cannot_read_goes_through_ffmpeg(m4a):
    for source in (m4a, m4a.read_bytes()):
        assert likeness(load_clip(source, RATE).samples) > 0.98


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="elsewhere ffmpeg needs a name")
def test_a_sound_in_memory_leaves_no_file_for_a_killed_process_to_keep(m4a, monkeypatch):
    before = sorted(m4a.parent.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(m4a.parent))
    blocks = ffmpeg.decode(m4a.read_bytes(), RATE, "")
    assert len(next(blocks))
    assert sorted(m4a.parent.iterdir()) == before
    blocks.close()


def test_without_ffmpeg_the_error_says_what_to_install(m4a, monkeypatch):
    monkeypatch.setattr(ffmpeg, "find_program", lambda: None)
    with pytest.raises(UnreadableSample, match="known format") as caught:
        load_clip(m4a, RATE)
    assert "ffmpeg" in caught.value.hint


def through_ffmpeg(tmp_path: Path, samples: np.ndarray, name: str, *options: str) -> Path:
    program = ffmpeg.find_program()
    if program is None:
        pytest.skip("no ffmpeg")
    (tmp_path / "in.wav").write_bytes(content(samples, subtype="FLOAT"))
    made = tmp_path / name
    subprocess.run([program, "-v", "error", "-i", tmp_path / "in.wav", *options, made], check=True)
    return made


SPOKEN = np.tile(TONE, 20) * np.repeat(np.random.default_rng(0).random(40), RATE).astype(np.float32)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.webm", "a.ogg", "a.flac"])
def test_a_recording_of_several_blocks_has_its_length(tmp_path, name):
    clip = load_clip(through_ffmpeg(tmp_path, SPOKEN, name), RATE)
    assert clip.seconds == pytest.approx(40, abs=0.1)
    levels = np.abs(clip.samples[: 39 * RATE].reshape(39, -1)).mean(axis=1)
    wanted = np.abs(SPOKEN[: 39 * RATE].reshape(39, -1)).mean(axis=1)
    assert np.corrcoef(levels, wanted)[0, 1] > 0.98


def test_an_mp3_that_does_not_say_how_long_it_is_ends_where_it_ends(tmp_path):
    options = ("-q:a", "9", "-write_xing", "0")
    made = through_ffmpeg(tmp_path, SPOKEN, "a.mp3", *options)
    assert load_clip(made, RATE).seconds == pytest.approx(40, abs=0.2)
    half = made.read_bytes()[: made.stat().st_size // 2]
    assert load_clip(half, RATE).seconds < 35


def test_a_flac_whose_length_is_not_written_is_read(tmp_path):
    program = ffmpeg.find_program()
    made = through_ffmpeg(tmp_path, TONE, "a.wav")
    piped = subprocess.run(
        [str(program), "-v", "error", "-i", made, "-f", "flac", "pipe:1"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert load_clip(piped, RATE).seconds == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm"])
def test_damage_is_noticed_by_ffmpeg_too(tmp_path, name):
    made = through_ffmpeg(tmp_path, SPOKEN, name, "-movflags", "faststart")
    data = made.read_bytes()
    with pytest.raises(UnreadableSample, match="damaged"):
        load_clip(data[: len(data) // 2], RATE)


def test_what_cancels_is_not_lost_in_ffmpeg_either(tmp_path):
    against = np.stack([TONE, -TONE], axis=1)
    made = through_ffmpeg(tmp_path, against, "a.mkv", "-c:a", "flac")
    assert np.abs(load_clip(made, RATE).samples).max() > 0.4


def test_too_many_channels_and_samples_out_of_all_measure_are_refused():
    with pytest.raises(UnreadableSample, match="100 channels"):
        load_clip(content(np.zeros((100, 100), np.float32)), RATE)
    with pytest.raises(UnreadableSample, match=r"reach 5e\+09, and full scale is 1"):
        load_clip(content(TONE * 1e10, subtype="FLOAT"), RATE)


def test_a_stream_that_is_left_early_leaves_no_program_behind(tmp_path, monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *given, **more):
            super().__init__(*given, **more)
            started.append(self)

    made = through_ffmpeg(tmp_path, np.tile(SPOKEN, 5), "a.m4a")
    monkeypatch.setattr(subprocess, "Popen", Watched)
    monkeypatch.setattr(ffmpeg, "SAMPLES_PER_READ", RATE)
    stream = stream_clip(made, RATE)
    next(stream)
    assert started[0].poll() is None
    stream.close()
    assert started[0].poll() is not None
