"""Sounds of any range, and files whose headers and lengths disagree."""

from __future__ import annotations

import struct
import subprocess

import numpy as np
import pytest
from mediafiles import sound

from siamkit import UnreadableSample
from siamkit.sdk import ffmpeg
from siamkit.sdk.sound import load_clip, stream_clip

RATE = 16_000
TONE = 0.5 * np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE).astype(np.float32)
WAV = sound(TONE)


def with_size(size: int, content: bytes = WAV) -> bytes:
    """A WAV whose header states another length."""
    start = content.index(b"data") + 4
    return content[:start] + struct.pack("<I", size) + content[start + 4 :]


@pytest.mark.parametrize(
    ("scale", "subtype"),
    [(1, "PCM_U8"), (1, "PCM_16"), (1, "PCM_24"), (1, "PCM_32"), (1, "FLOAT"), (1, "DOUBLE"),
     (32767, "FLOAT"), (2**23 - 1, "DOUBLE"), (2**31 - 1, "DOUBLE")],
)  # fmt: skip
def test_integers_and_floats_of_any_scale(scale, subtype):
    clip = load_clip(sound(TONE.astype(np.float64) * scale, subtype=subtype), RATE)
    assert np.abs(clip.samples - TONE).max() < (0.01 if subtype == "PCM_U8" else 1e-4)
    assert bool(clip.notes) == (scale > 1)


def test_a_float_may_leave_the_scale_but_not_out_of_all_measure():
    assert load_clip(sound(TONE * 10, subtype="FLOAT"), RATE).samples.max() == pytest.approx(5)
    with pytest.raises(UnreadableSample, match=r"its samples reach 5e\+11, and full scale is 1"):
        load_clip(sound(TONE * 1e12, subtype="FLOAT"), RATE)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_shift_is_removed_and_noted(rate):
    shifted = load_clip(sound(TONE * 0.5 + 0.4, rate, subtype="FLOAT"), rate)
    assert np.abs(shifted.samples - TONE * 0.5).max() < 1e-3
    assert shifted.notes == ("its samples are shifted by 0.40: the shift is removed",)
    slightly = (TONE + 0.05).astype(np.float32)  # of a cheap microphone
    np.testing.assert_array_equal(
        load_clip(sound(slightly, subtype="FLOAT"), RATE).samples, slightly
    )


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFDB])
def test_a_length_that_was_not_known_is_that_of_the_file(tmp_path, size):
    content = with_size(size)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    for source in (content, path):
        clip = load_clip(source, RATE)
        assert np.abs(clip.samples - TONE).max() < 1e-4
        assert clip.notes == ()
    assert [clip.seconds for clip in stream_clip(path, RATE)] == [2.0]


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "W64", "RF64", "FLAC", "CAF"])
def test_a_file_that_ends_early_is_damaged(kind):
    noise = np.random.default_rng(0).normal(0, 0.2, 2 * RATE).astype(np.float32)
    content = sound(noise, kind=kind, subtype="PCM_16")
    assert load_clip(content, RATE).seconds == 2
    with pytest.raises(UnreadableSample, match="damaged"):
        load_clip(content[: len(content) // 2], RATE)


def test_what_follows_the_stated_end_is_ignored_with_a_note():
    clip = load_clip(with_size(32_000), RATE)
    assert clip.seconds == 1
    assert clip.notes == (
        "its header states that it ends at 1.0 s: 32,000 bytes after that are ignored",
    )
    listed = b"LIST" + struct.pack("<I", 4) + b"INFO"
    for whole in (WAV, WAV + b"\0", WAV + listed):
        assert load_clip(whole, RATE).notes == ()
    assert load_clip(WAV + b"\xff\xfe" * 40, RATE).seconds == 2


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_without_its_last_page_is_read_with_a_note(subtype):
    noise = np.random.default_rng(0).normal(0, 0.2, 20 * RATE).astype(np.float32)
    content = sound(noise, kind="OGG", subtype=subtype)
    assert load_clip(content, RATE).notes == ()
    page = content.rindex(b"OggS")
    clip = load_clip(content[:page], RATE)
    assert 10 < clip.seconds < 20
    assert clip.notes == ("it has no end mark: it may have been cut off",)


def test_an_mp3_that_states_its_length_must_have_it():
    noise = np.random.default_rng(0).normal(0, 0.2, 20 * RATE).astype(np.float32)
    content = sound(noise, kind="MP3")
    assert load_clip(content, RATE).seconds == pytest.approx(20, abs=0.2)
    with pytest.raises(UnreadableSample, match="damaged"):
        load_clip(content[: len(content) // 2], RATE)


def test_rates_that_no_sound_has_are_refused():
    for rate in (1, 100, 3_000_000):
        with pytest.raises(UnreadableSample, match="samples per second"):
            load_clip(sound(TONE[:2000], rate), RATE)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_nan_and_infinity_in_floats_of_any_scale(odd):
    for scale in (1, 32767):
        samples = TONE * scale
        samples[7] = odd
        with pytest.raises(UnreadableSample, match="1 of its samples are NaN"):
            load_clip(sound(samples, subtype="FLOAT"), RATE)


@pytest.mark.parametrize(
    ("head", "said", "hint"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture, not a sound", ""),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture, not a sound", ""),
        (b"%PDF-1.7", "a PDF, not a sound", ""),
        (b"<!DOCTYPE html><html>", "a web page, not a sound", "download"),
        (b"PK\3\4", "an archive or an office document, not a sound", "unpack"),
        (b"MThd\0\0\0\6", "a MIDI file, not a sound", "timidity"),
        (b"#EXTM3U\n", "a playlist, not a sound", "name the recordings"),
    ],
)
def test_what_is_no_sound_is_named(head, said, hint):
    with pytest.raises(UnreadableSample, match=said) as caught:
        load_clip(head + bytes(500), RATE)
    assert hint in caught.value.hint


def test_a_video_without_sound(tmp_path):
    program = ffmpeg.find_program()
    if program is None:
        pytest.skip("no ffmpeg")
    path = tmp_path / "silent.mp4"
    drawn = ["-f", "lavfi", "-i", "testsrc=duration=0.2:size=64x64"]
    subprocess.run([program, "-v", "error", *drawn, path], check=True)
    with pytest.raises(UnreadableSample, match="a video without a sound track"):
        load_clip(path, RATE)


@pytest.mark.parametrize(
    "head",
    [b"\0\0\0\x18ftypM4A \0\0\2\0", b"\0\0\0\x18ftypisom\0\0\2\0", b"\x1aE\xdf\xa3", b"#!AMR\n",
     b"RIFF\0\0\0\0AVI LIST", b"0&\xb2u\x8ef\xcf\x11", b"caff\0\1\0\0"],
)  # fmt: skip
def test_what_only_ffmpeg_reads_says_so(head, monkeypatch):
    monkeypatch.setattr(ffmpeg, "find_program", lambda: None)
    with pytest.raises(UnreadableSample, match="known format") as caught:
        load_clip(head + bytes(500), RATE)
    assert "ffmpeg" in caught.value.hint
    assert "siamkit[m4a]" in caught.value.hint
