"""`siamkit timeline`: who speaks when, by name or number, on the screen and in files."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from voicedata import clip, write

from siamkit.errors import UnreadableSample
from siamkit.flows.cut_speaker import read_speaker
from siamkit.flows.diarise import group
from siamkit.flows.timeline import Timeline, Turn
from siamkit.flows.voices import Voice
from siamkit.io.printable import clock
from siamkit.reports.timeline import FORMATS, draw, rttm, srt, vtt
from siamkit.types import Threshold
from siamkit_voices.examples import RATE

PAUSE = np.random.default_rng(0).normal(0, 3e-4, RATE).astype(np.float32)


@pytest.fixture
def meeting(shell):
    """`low` is enrolled; low, high and low again speak, 4.6 s each and a second between."""
    write(shell.folder / "low-1.wav", clip("low", 1))
    done = shell("enrol", "voices", "low-1.wav", "--as", "Low Voice")
    assert done.code == 0, done.err
    spoken = [clip("low", 7), PAUSE, clip("high", 8), PAUSE, clip("low", 9)]
    write(shell.folder / "meeting.flac", np.concatenate(spoken))
    return shell


def test_the_enrolled_are_named_and_others_numbered(meeting):
    done = meeting("timeline", "meeting.flac", "voices", "--json")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    turns = answer["turns"]
    assert [(t["identity"], t["speaker"]) for t in turns] == [
        ("Low Voice", None), (None, 1), ("Low Voice", None),
    ]  # fmt: skip
    assert [t["name"] for t in turns] == ["Low Voice", "speaker 1", "Low Voice"]
    assert turns[1]["start"] == pytest.approx(5.6 + 0.3, abs=0.5)
    assert all(a["stop"] <= b["start"] for a, b in pairwise(turns))
    assert answer["seconds"] == pytest.approx(15.8, abs=0.05)
    spoken = {each["name"]: each["seconds"] for each in answer["spoken"]}
    assert spoken["Low Voice"] == pytest.approx(8.4, abs=1)
    assert answer["overlaps"] == []
    assert answer["threshold"]["fmr"] == 0.01


def test_without_a_gallery_everybody_has_a_number_and_no_store_is_made(shell):
    write(shell.folder / "talk.wav", np.concatenate([clip("low", 7), PAUSE, clip("high", 8)]))
    outputs = [f"talk{suffix}" for suffix in (*FORMATS, ".png")]
    done = shell("timeline", "talk.wav", *(word for name in outputs for word in ("-o", name)))
    assert done.code == 0, done.err
    assert done.out.startswith("2 speakers: ")
    assert not (shell.folder / ".siamkit").exists()
    read = {name: (shell.folder / name).read_text() for name in outputs[:-1]}
    lines = [line.split() for line in read["talk.rttm"].splitlines()]
    assert [(line[0], line[1], line[7], line[8]) for line in lines] == [
        ("SPEAKER", "talk", "speaker_1", "<NA>"), ("SPEAKER", "talk", "speaker_2", "<NA>"),
    ]  # fmt: skip
    rows = list(csv.DictReader(read["talk.csv"].splitlines()))
    assert [row["speaker"] for row in rows] == ["1", "2"]
    labels = [line.split("\t") for line in read["talk.txt"].splitlines()]
    assert [(float(start), name) for start, _, name in labels] == [
        (float(row["start"]), row["name"]) for row in rows
    ]
    with Image.open(shell.folder / "talk.png") as picture:
        assert picture.width > 800
    # One speaker, if that is what the caller knows.
    done = shell("timeline", "talk.wav", "--speakers", "1", "--json")
    assert {turn["speaker"] for turn in json.loads(done.out)["turns"]} == {1}
    done = shell("timeline", "talk.wav", "--speakers", "9")
    assert "of 9 speakers can be told apart" in done.err


def test_a_number_becomes_a_name(meeting):
    assert meeting("timeline", "meeting.flac", "voices", "-o", "meeting.json").code == 0
    take = ("enrol", "voices", "--from-timeline", "meeting.json", "--as", "High Voice")
    done = meeting(*take, "--speaker", "1")
    assert done.code == 0, done.err
    assert "meeting-speaker-1.wav enrolled" in done.out
    again = meeting(*take, "--speaker", "1")
    assert "already enrolled" in again.out
    assert (meeting.folder / "meeting-speaker-1.wav").exists()
    done = meeting("timeline", "meeting.flac", "voices", "--json")
    names = [turn["name"] for turn in json.loads(done.out)["turns"]]
    assert names == ["Low Voice", "High Voice", "Low Voice"]
    done = meeting(*take, "--speaker", "2")
    assert done.code == 2
    assert "has no speaker 2: it has speaker 1" in done.err
    write(meeting.folder / "meeting-speaker-1.wav", clip("low", 2))
    done = meeting(*take, "--speaker", "1")
    assert done.code == 2
    assert "meeting-speaker-1.wav exists" in done.err


def test_a_query_says_that_several_speak(meeting):
    done = meeting("query", "voices", "meeting.flac")
    assert "meeting.flac has 2 speakers" in done.err
    assert "`siamkit timeline meeting.flac voices`" in done.err
    assert "low-1.wav has" not in meeting("query", "voices", "low-1.wav").err


def test_nobody_known_is_exit_3_and_nobody_at_all_4(meeting):
    write(meeting.folder / "high.wav", clip("high", 3))
    assert meeting("timeline", "high.wav", "voices").code == 3
    write(meeting.folder / "quiet.wav", np.zeros(3 * RATE, np.float32))
    done = meeting("timeline", "quiet.wav", "voices")
    assert done.code == 4
    assert "nobody speaks in its 3 s" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["timeline", "a.wav", "-o", "a.wav"], "must end in .rttm"),
     (["timeline", "a.srt", "-o", "a.srt"], "is the source itself"),
     (["timeline", "a.wav", "-o", "no/a.rttm"], "its folder does not exist"),
     (["timeline", "a.wav", "-o", "a.png", "-o", "a.png"], "same file"),
     (["timeline", "a.wav", "--threshold", "0.5"], "needs a GALLERY"),
     (["timeline", "a.wav", "--speakers", "0"], "0 is not in the range"),
     (["timeline", "absent.wav"], "No such file"),
     (["timeline", "a.wav", "-m", "faces"], "does not support timelines"),
     (["enrol", "voices", "--from-timeline", "a.json", "--as", "A"], "go together"),
     (["enrol", "voices", "--from-timeline", "a.wav", "--speaker", "1"], "Give --as"),
     (["enrol", "voices", "--from-timeline", "a.wav", "--speaker", "1", "--as", "A"],
      "not a timeline in JSON")],
)  # fmt: skip
def test_bad_usage_is_one_line(shell, arguments, said):
    for name in ("a.wav", "a.srt"):
        (shell.folder / name).write_text("no sound")
    done = shell(*arguments)
    assert done.code == 2
    assert said in done.err


def test_a_damaged_recording_is_named(meeting):
    whole = (meeting.folder / "meeting.flac").read_bytes()
    (meeting.folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    done = meeting("timeline", "cut.flac")
    assert done.code == 2
    assert "cut.flac: the recording is damaged" in done.err


def test_names_want_somebody_enrolled(shell):
    assert shell("galleries", "create", "fresh", "-m", "voices").code == 0
    write(shell.folder / "a.wav", clip("low", 1))
    done = shell("timeline", "a.wav", "fresh")
    assert done.code == 1
    assert "nobody is enrolled" in done.err


def test_a_long_recording_is_heard_block_by_block(workspace, tmp_path, monkeypatch):
    spoken = [clip("low", 20), PAUSE, clip("high", 20), PAUSE]
    path = write(tmp_path / "long.wav", np.concatenate(spoken))
    whole = workspace.timeline(path)
    said: list[int] = []
    monkeypatch.setattr("siamkit.sdk.sound.BLOCK_SECONDS", 3.0)
    blocks = workspace.timeline(path, progress=lambda _, done, __: said.append(done))
    assert blocks == whole
    assert said == [10, 11]


def test_a_file_that_is_gone_is_an_error(workspace, tmp_path):
    with pytest.raises(UnreadableSample, match="cannot be read"):
        workspace.timeline(tmp_path / "absent.wav")


# --- speakers told apart, without networks ---

A, B, C = np.eye(3, 8, dtype=np.float32)


def voice(window: int, start: float, stop: float, vector: np.ndarray, seconds=None) -> Voice:
    frames = (np.arange(500) * 0.02 >= start) & (np.arange(500) * 0.02 < stop)
    return Voice(
        window, int(vector.argmax()), frames, stop - start if seconds is None else seconds, vector
    )


def test_windows_vote_and_speakers_are_in_the_order_of_their_words():
    voices = [
        voice(0, 1, 5, B), voice(0, 5.5, 9, A), voice(0, 8, 10, C),
        voice(1, 2.5, 6.5, A), voice(1, 5.5, 9.5, C), voice(2, 0, 4, A), voice(2, 3, 7, C),
    ]  # fmt: skip
    speakers = group(voices, 15.0, None)
    assert [[(round(a, 1), round(b, 1)) for a, b in s.spans] for s in speakers] == [
        [(1.0, 5.0)], [(5.5, 9.0)], [(8.0, 12.0)],
    ]  # fmt: skip
    assert [int(s.vector.argmax()) for s in speakers] == [1, 0, 2]


def test_a_short_voice_is_no_speaker_unless_so_many_are_known():
    voices = [voice(0, 0, 4, A), voice(0, 5, 6.6, B), voice(0, 6.8, 9.3, A)]
    assert len(group(voices, 10.0, None)) == 1
    assert len(group(voices, 10.0, 2)) == 2
    assert group([], 10.0, None) == []


def test_short_silence_belongs_to_a_turn_unless_somebody_else_speaks():
    voices = [voice(0, 0, 2.5, A), voice(0, 3, 5, A), voice(0, 5, 5.5, B), voice(0, 5.5, 7, A),
              voice(0, 8.8, 9.9, A)]  # fmt: skip
    first, second = group([*voices, *[voice(0, 7.1, 8.7, B)] * 3], 10.0, None)
    assert first.spans[0] == (0, 5)
    assert len(first.spans) == 3
    assert second.spans[0] == (5, 5.5)


def test_a_speaker_is_cut_out_where_nobody_else_speaks(tmp_path):
    turns = [Turn(0, 4, None, 1), Turn(3, 6, "Ann"), Turn(7, 7.3, None, 1), Turn(8, 90, None, 1)]
    file = tmp_path / "a.json"
    file.write_text(FORMATS[".json"](Timeline("a.wav", 90.0, turns)))
    recording, spans = read_speaker(file, 1)
    assert recording.name == "a.wav"
    assert spans == [(8.0, 68.0)]  # a minute of the longest


def test_overlaps_are_marked():
    turns = [Turn(0, 4, None, 1, overlap=1), Turn(3, 6, None, 2, overlap=1), Turn(8, 9, None, 1)]
    timeline = Timeline("a.wav", 9.0, turns)
    assert timeline.overlaps() == [(3, 4)]
    assert timeline.speech == 7
    assert timeline.spoken() == {"speaker 1": 5, "speaker 2": 3}


def test_subtitles_have_their_times_and_no_markup_of_a_name():
    timeline = Timeline("a.wav", 3700.0, [Turn(1, 3661.25, "<b>A-->B\n\n")])
    assert srt(timeline) == "1\n00:00:01,000 --> 01:01:01,250\n<b>A->B\n\n"
    assert "<v &lt;b&gt;A-&gt;B>&lt;b&gt;A-&gt;B\n\n" in vtt(timeline)


def test_odd_names_make_sound_rttm_and_pictures(tmp_path):
    odd = ["$x_1$", "a b\tc", "名前", "x" * 80]
    turns = [Turn(i, i + 1, name, None if name else 1, 0.5) for i, name in enumerate([*odd, None])]
    found = Timeline("a meeting.wav", 5.0, turns, Threshold(0.4))
    assert [line.split()[7] for line in rttm(found).splitlines()] == [
        "$x_1$", "a_b_c", "名前", "x" * 80, "speaker_1",
    ]  # fmt: skip
    draw(found, tmp_path / "odd.svg")
    drawn = ElementTree.parse(tmp_path / "odd.svg").getroot()
    assert drawn.tag.endswith("svg")
    assert len(list(tmp_path.iterdir())) == 1
    assert [clock(s) for s in (0, 59.6, 61, 3723)] == ["0:00", "1:00", "1:01", "1:02:03"]
