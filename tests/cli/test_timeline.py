"""`query --timeline`: who is heard when, as a table, JSON, RTTM and a picture."""

from __future__ import annotations

import json
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from voicedata import clip, write

from siamkit.errors import UnreadableSample
from siamkit.flows import timeline as flow
from siamkit.flows.timeline import Timeline, Turn
from siamkit.io.printable import clock
from siamkit.reports.timeline import draw, rttm
from siamkit.types import Threshold
from siamkit_voices.examples import RATE

PAUSE = np.random.default_rng(0).normal(0, 3e-4, RATE).astype(np.float32)


@pytest.fixture
def meeting(shell):
    """`low` is enrolled; low, high and low again speak, 4.6 s each and a second between."""
    for seed in (1, 2):
        write(shell.folder / f"low-{seed}.wav", clip("low", seed))
    done = shell("enrol", "voices", "low-1.wav", "low-2.wav", "--as", "Low Voice")
    assert done.code == 0, done.err
    spoken = [clip("low", 7), PAUSE, clip("high", 8), PAUSE, clip("low", 9)]
    write(shell.folder / "meeting.flac", np.concatenate(spoken))
    return shell


def test_the_enrolled_are_named_and_others_are_unknown(meeting):
    done = meeting("query", "voices", "meeting.flac", "--timeline", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    turns = found["turns"]
    names = [t["identity"] for t in turns]
    assert [n for i, n in enumerate(names) if not i or names[i - 1] != n] == [
        "Low Voice", None, "Low Voice",
    ]  # fmt: skip
    change = next(t["start"] for t in turns if t["identity"] is None)
    assert change == pytest.approx(5.6 + 0.3, abs=0.5)
    assert all(a["stop"] <= b["start"] for a, b in pairwise(turns))
    assert found["seconds"] == pytest.approx(15.8, abs=0.05)
    spoken = {each["identity"]: each["seconds"] for each in found["spoken"]}
    assert spoken["Low Voice"] == pytest.approx(8.4, abs=1)
    assert found["threshold"]["fmr"] == 0.01


def test_table_rttm_and_picture(meeting):
    done = meeting(
        "query", "voices", "meeting.flac", "--timeline", "--rttm", "out.rttm",
        "--save-annotated", "out.png",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "unknown" in done.out
    assert "does not tell unknown speakers apart" in done.err
    lines = (meeting.folder / "out.rttm").read_text().splitlines()
    for line in lines:
        kind, file, channel, start, length, *_, name, score, last = line.split()
        assert (kind, file, channel, last) == ("SPEAKER", "meeting", "1", "<NA>")
        assert name in ("Low_Voice", "unknown")
        assert float(start) >= 0
        assert float(length) > 0
        assert -1 <= float(score) <= 1
    with Image.open(meeting.folder / "out.png") as picture:
        assert picture.width > 800


def test_nobody_known_is_exit_3_and_nobody_at_all_4(meeting):
    write(meeting.folder / "high.wav", clip("high", 3))
    done = meeting("query", "voices", "high.wav", "--timeline")
    assert done.code == 3
    write(meeting.folder / "quiet.wav", np.zeros(3 * RATE, np.float32))
    done = meeting("query", "voices", "quiet.wav", "--timeline")
    assert done.code == 4
    assert "nobody speaks in its 3 s" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["meeting.flac", "low-1.wav", "--timeline"], "takes one FILE"),
     (["meeting.flac", "--timeline", "--largest"], "takes one FILE"),
     (["meeting.flac", "--rttm", "a.rttm"], "--rttm needs --timeline"),
     (["meeting.flac", "--timeline", "--rttm", "meeting.flac"], "is the source itself"),
     (["meeting.flac", "--timeline", "--save-annotated", "a.jpg"], ".svg"),
     (["meeting.flac", "--timeline", "--rttm", "no/a.rttm"], "its folder does not exist"),
     (["meeting.flac", "--timeline", "--save-annotated", "no/a.png"], "its folder does not exist"),
     (["meeting.flac", "--timeline", "--rttm", "a.png", "--save-annotated", "a.png"], "same file"),
     (["meeting.flac", "--timeline", "-k", "3"], "takes one FILE"),
     (["absent.wav", "--timeline"], "No such file"),
     (["--timeline"], "Give FILES")],
)  # fmt: skip
def test_bad_usage_is_one_line(meeting, arguments, said):
    done = meeting("query", "voices", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_damaged_recording_is_named(meeting):
    whole = (meeting.folder / "meeting.flac").read_bytes()
    (meeting.folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    done = meeting("query", "voices", "cut.flac", "--timeline")
    assert done.code == 2
    assert "cut.flac: the recording is damaged" in done.err


def test_a_timeline_is_for_sounds(tiles):
    assert tiles("enrol", "tiles", "red.png", "--as", "red").code == 0
    done = tiles("query", "tiles", "red.png", "--timeline")
    assert done.code == 2
    assert "does not support timelines" in done.err


def test_a_timeline_wants_a_detector_and_somebody_enrolled(meeting):
    assert meeting("galleries", "create", "bare", "-m", "voices", "--detector", "none").code == 0
    done = meeting("query", "bare", "meeting.flac", "--timeline")
    assert done.code == 2
    assert "has no detector" in done.err
    assert meeting("galleries", "create", "fresh", "-m", "voices").code == 0
    done = meeting("query", "fresh", "meeting.flac", "--timeline")
    assert done.code == 1
    assert "nobody is enrolled" in done.err


def name_at(found: Timeline, second: float) -> str:
    return next((str(t.identity) for t in found.turns if t.start <= second < t.stop), "")


def test_a_long_recording_is_heard_minute_by_minute(workspace, tmp_path, monkeypatch):
    """Blocks of ten seconds give what one block gives, but for what lies at their edges."""
    for seed in (1, 2):
        workspace.enrol("voices", "low", write(tmp_path / f"{seed}.wav", clip("low", seed)))
    spoken = [part for seed in range(4) for name in ("low", "high")
              for part in (clip(name, 20 + seed), PAUSE)]  # fmt: skip
    path = write(tmp_path / "long.wav", np.concatenate(spoken))
    whole = workspace.timeline("voices", path)
    said: list[int] = []
    monkeypatch.setattr("siamkit.sdk.sound.BLOCK_SECONDS", 10.0)
    blocks = workspace.timeline("voices", path, progress=lambda _, done, __: said.append(done))
    assert said[:2] == [10, 20]
    assert said[-1] == round(whole.seconds)
    at = np.arange(0, whole.seconds, 0.1)
    named = [[name_at(found, s) for s in at] for found in (whole, blocks)]
    assert np.mean([a == b for a, b in zip(*named, strict=True)]) > 0.95


def test_a_file_that_is_gone_is_an_error(workspace, tmp_path):
    workspace.enrol("voices", "low", write(tmp_path / "a.wav", clip("low", 1)))
    with pytest.raises(UnreadableSample, match="cannot be read"):
        workspace.timeline("voices", tmp_path / "absent.wav")


def test_turns_of_one_identity_are_joined_over_short_pauses():
    turns: list[Turn] = []
    for turn in (Turn(0, 1, "a", 0.8), Turn(1.4, 2.4, "a", 0.6), Turn(2.4, 3, "b", 0.7),
                 Turn(4, 5, "b", 0.7)):  # fmt: skip
        flow._append(turns, turn)
    assert turns == [
        Turn(0, 2.4, "a", pytest.approx(0.7)), Turn(2.4, 3, "b", 0.7), Turn(4, 5, "b", 0.7),
    ]  # fmt: skip


def test_joined_turns_weigh_their_scores_by_how_long_they_last():
    turns: list[Turn] = []
    for turn in (Turn(10, 11, "a", 0.8), Turn(11, 13, "a", 0.5), Turn(13, 16, "a", 0.9)):
        flow._append(turns, turn)
    assert turns == [Turn(10, 16, "a", pytest.approx((1 * 0.8 + 2 * 0.5 + 3 * 0.9) / 6))]


def test_odd_names_make_sound_rttm_and_pictures(tmp_path):
    odd = ["$x_1$", "a b\tc", "名前", "x" * 80]
    turns = [Turn(i, i + 1, name, 0.5) for i, name in enumerate([*odd, None])]
    found = Timeline("a meeting.wav", 5.0, turns, Threshold(0.4))
    assert [line.split()[7] for line in rttm(found).splitlines()] == [
        "$x_1$", "a_b_c", "名前", "x" * 80, "unknown",
    ]  # fmt: skip
    draw(found, tmp_path / "odd.svg")
    drawn = ElementTree.parse(tmp_path / "odd.svg").getroot()
    assert drawn.tag.endswith("svg")
    assert len(list(tmp_path.iterdir())) == 1
    assert [clock(s) for s in (0, 59.6, 61, 3723)] == ["0:00", "1:00", "1:01", "1:02:03"]
