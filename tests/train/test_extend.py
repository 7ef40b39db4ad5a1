"""Take a finished run further."""

from __future__ import annotations

import json
import shutil

import pytest
from toydata import losses, train, write_texts  # noqa: F401

from siamkit.train.events import Saved, Started, Step, Stopped
from siamkit.train.optimiser import learning_rate
from siamkit.train.record import read_record
from siamkit.train.run import TrainingRun
from siamkit.workspace import Workspace

HEAD = {"backbone": "encoder", "steps": 4, "evaluate_every": 2, "warmup": 1}


@pytest.fixture
def finished(train):  # noqa: F811
    write_texts(train.folder)
    completed = train.texts("texts.jsonl", **HEAD)
    assert completed.code == 0, completed.err
    return train


def resume(train, *settings):  # noqa: F811
    options = [part for setting in settings for part in ("--set", setting)]
    return train("train", "-o", "run", "--resume", "--json", *options)


def test_a_finished_run_says_so_and_gives_its_result(finished):
    before = (finished.folder / "run" / "train.jsonl").read_bytes()
    again = resume(finished)
    assert again.code == 0, again.err
    assert json.loads(again.out)["steps"] == 4
    (line,) = again.err.splitlines()
    assert line == (
        "run is finished: step 4: all steps are done; `--resume --set steps=8` takes it further"
    )
    assert (finished.folder / "run" / "train.jsonl").read_bytes() == before


def test_an_extended_run_follows_the_schedule_of_its_new_length(finished):
    run = finished.folder / "run"
    first = losses(run)
    shutil.copytree(run, finished.folder / "other")
    extended = resume(finished, "steps=8")
    assert extended.code == 0, extended.err
    assert json.loads(extended.out)["steps"] == 8
    assert losses(run)[:4] == first
    config = TrainingRun.open(run).config
    rates = [event.learning_rate for event in read_record(run) if isinstance(event, Step)]
    assert rates[4:] == [learning_rate(config, step) for step in range(5, 9)]
    assert [event.step for event in read_record(run) if isinstance(event, Started)] == [0, 4]

    # What was extended resumes as exactly as any run: the same again, in two pieces.
    other = Workspace().train(None, "other", config={"steps": 8}, resume=True)
    for event in other.events():
        if isinstance(event, Saved) and event.step == 6:
            break
    for _ in Workspace().train(None, "other", resume=True).events():
        pass
    assert losses(finished.folder / "other") == losses(run)


def test_a_run_that_patience_ended_is_patient_again(train):  # noqa: F811
    write_texts(train.folder)
    settings = HEAD | {"steps": 20, "patience": 1, "learning_rate": 1e-12}
    assert train.texts("texts.jsonl", **settings).code == 0
    (stop,) = stops(train)
    assert stop.reason.startswith("no lower error")
    extended = resume(train, f"steps={stop.step + 2}", "patience=0")
    assert extended.code == 0, extended.err
    assert [event.step for event in stops(train)] == [stop.step, stop.step + 2]


def stops(train):  # noqa: F811
    return [event for event in read_record(train.folder / "run") if isinstance(event, Stopped)]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps=3", "steps = 3: run has taken 4 already"),
        ("margin=0.3", "run was started with other settings: margin: 0.2 before, 0.3 now"),
        ("steps=0", "steps = 0: it cannot be below 1"),
    ],
)
def test_what_a_run_cannot_be_changed_to(finished, setting, message):
    run = finished.folder / "run"
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    refused = resume(finished, setting)
    assert refused.code == 2
    assert message in refused.err
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
