"""The record of a run is read back, cut, and drawn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from siamkit.errors import BadInput
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.train.events import Alarm, Baseline, Evaluated, Saved, Started, Step, Stopped
from siamkit.train.plot import draw
from siamkit.train.record import line, parse, read_record, truncate
from siamkit.train.thinning import POINTS, thin


def started(step=0):
    return Started(step, 2000, 40, 600, 80, 10, 100, 99_196, "cpu", "fp32", 1)


def step(number, loss=0.5, miner="semi-hard"):
    return Step(number, loss, 0.4, 0.7, 1.2, 1.5, miner, 1e-3, 300.0, number * 0.2)


EVENTS = [
    started(),
    Baseline(0, 0.2, None, "the encoder x as it is", eer_hard=0.3, error=0.3, map_at_r=0.5),
    Evaluated(0, 0.4, None, False, eer_hard=0.45, error=0.45),
    step(1),
    step(2, miner="batch-hard"),
    Evaluated(2, 0.3, 0.35, True),
    Saved(2, Path("run/é.safetensors")),
    Alarm(3, "collapse", "fell back to semi-hard"),
    step(3),
    Stopped(3, "no better EER"),
]


def record(run, events, tail=""):
    run.mkdir(exist_ok=True)
    (run / "train.jsonl").write_text("".join(map(line, events)) + tail)
    return run


def embedded(run, identities, impostor):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(identities), 6)
    rows = rng.normal(size=(identities, 16))[labels] + rng.normal(size=(len(labels), 16)) * 0.3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows.astype(np.float32)
    marks = np.tile(np.arange(6) >= 4, identities) & impostor
    np.savez(run / "validation.npz", embeddings=rows, labels=labels, impostor=marks)


def test_what_is_written_is_read_back(tmp_path):
    assert read_record(record(tmp_path, EVENTS)) == EVENTS


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_loss_that_is_no_number_stays_json(loss):
    text = line(step(1, loss))
    assert text.count("\n") == 1
    assert "NaN" not in text
    assert "Infinity" not in text
    read = parse(text).loss
    assert read == loss if math.isfinite(loss) else math.isnan(read)


def test_an_event_of_an_earlier_version_is_read():
    text = '{"event": "evaluated", "step": 2, "eer": 0.3, "eer_impostors": null, "best": true}'
    assert parse(text) == Evaluated(2, 0.3, None, True)


def test_a_line_that_a_crash_has_cut_is_no_line(tmp_path):
    whole = line(step(4))
    for cut in range(len(whole)):
        assert read_record(record(tmp_path, EVENTS, whole[:cut])) == EVENTS


def test_a_bad_line_in_between_is_named(tmp_path):
    run = record(tmp_path, EVENTS, '{"event": "party"}\n' + line(step(4)))
    with pytest.raises(BadInput, match=rf"train\.jsonl, line {len(EVENTS) + 1}: not an event"):
        read_record(run)
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_record(tmp_path / "none")


@pytest.mark.parametrize(("at", "count"), [(0, 3), (1, 4), (2, 7), (3, 10), (99, 10)])
def test_what_came_after_a_step_is_cut_off(tmp_path, at, count):
    run = record(tmp_path, EVENTS, line(step(4))[:10])
    truncate(run, at)
    assert (run / "train.jsonl").read_text() == "".join(map(line, EVENTS[:count]))


@given(st.lists(st.floats(-5, 5) | st.just(math.nan), max_size=2000))
def test_thinned_curves_keep_their_mean(values):
    curve = np.array(values, np.float64)
    thinned = thin(curve)
    assert len(thinned) <= POINTS
    if len(curve) <= POINTS:
        assert thinned is curve
    elif np.isfinite(curve).all() and len(curve) % POINTS == 0:
        assert thinned.mean() == pytest.approx(curve.mean())
    finite = curve[np.isfinite(curve)]
    if len(finite):
        assert np.nanmin(thinned) >= finite.min() - 1e-9
        assert np.nanmax(thinned) <= finite.max() + 1e-9


@pytest.mark.parametrize(
    ("events", "identities", "impostor"),
    [
        ([], 0, False),
        ([started()], 1, False),
        ([started(), step(1)], 3, False),
        (EVENTS, 3, True),
        ([started(), *(step(n, math.nan if n == 50 else 1 / n) for n in range(1, 2000))], 30, True),
        ([started(), step(1, math.nan)], 2, True),
    ],
    ids=["empty", "begun", "one step", "a few", "long", "no number"],
)
def test_any_run_can_be_drawn(tmp_path, events, identities, impostor):
    run = record(tmp_path / "run", events)
    if identities:
        embedded(run, identities, impostor)
    draw(run, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (1500, 850)


def test_a_page_needs_no_other_file_and_tells_the_facts(tmp_path):
    run = record(tmp_path / "run <1>", EVENTS)
    (run / "encoder").mkdir()
    card = Card("tiles", "mine", 8, {}, "CC0-1.0", "trained", training={"data": "a & b", "eer": 1})
    write_folder(run / "encoder", b"graph", card)
    draw(run, tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    assert "run &lt;1&gt;" in page
    assert "a &amp; b" in page
    assert "CC0-1.0" in page
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in page


def test_what_cannot_be_drawn(tmp_path):
    run = record(tmp_path / "run", EVENTS)
    with pytest.raises(BadInput, match=r"out\.pdf: neither \.png nor \.html"):
        draw(run, tmp_path / "out.pdf")
    (run / "validation.npz").write_bytes(b"PK no archive")
    with pytest.raises(BadInput, match="is damaged"):
        draw(run, tmp_path / "out.png")
