"""Begin a run with the weights of another, on other data."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from toydata import train, write_people, write_texts  # noqa: F401

from siamkit.sdk.model_folder import read_card
from siamkit.train import checkpoint
from siamkit.train.events import Evaluated
from siamkit.train.record import read_record
from siamkit.train.run import TrainingRun

HEAD = {"backbone": "encoder", "steps": 4, "evaluate_every": 2, "learning_rate": 0.02}


@pytest.fixture
def parent(train):  # noqa: F811
    """A finished run on the first 20 identities; rows of all 30 are in texts.jsonl."""
    write_texts(train.folder)
    lines = (train.folder / "texts.jsonl").read_text().splitlines(keepends=True)
    (train.folder / "first.jsonl").write_text("".join(lines[:100]))
    completed = train.texts("first.jsonl", **HEAD)
    assert completed.code == 0, completed.err
    return train


def child(train, *arguments, data="texts.jsonl", out="next"):  # noqa: F811
    return train("train", data, "-o", out, "--from", "run", "--json", *arguments)


def names(run, *, training):
    dataset = TrainingRun.open(run).prepared.dataset
    return {dataset.names[label] for label in dataset.labels[dataset.training == training]}


def test_a_run_begins_with_the_weights_of_another(parent):
    run, out = parent.folder / "run", parent.folder / "next"
    settings = ("--set", "steps=2", "--set", "evaluate_every=0.5", "--set", "loss=proxy-anchor")
    completed = child(parent, *settings)  # the modality and the shape of the network are inherited
    assert completed.code == 0, completed.err
    assert TrainingRun.open(out).config.dim == 16

    weights = checkpoint.part(checkpoint.read(run / "best.safetensors")[0], "average.")
    begun = checkpoint.read(out / "parent.safetensors")[0]
    assert all(np.array_equal(begun[name], weights[name]) for name in weights)
    before = names(run, training=True)
    assert before <= names(out, training=True)
    assert names(out, training=False).isdisjoint(before)
    if (out / "encoder").exists():
        assert_card_names(out, run, before)
    shutil.rmtree(run)  # nothing of it is needed any more
    again = parent("train", "-o", "next", "--resume", "--set", "steps=3")
    assert again.code == 0, again.err
    assert parent("train", "export", "next").code == 0
    facts = read_card(out / "encoder").training["parent"]
    assert (facts["name"], facts["identities"]) == ("run", len(before))


def assert_card_names(out, run, trained):
    facts = read_card(out / "encoder").training["parent"]
    assert facts["fingerprint"] == read_card(run / "encoder").fingerprint
    assert facts["identities"] == len(trained)


def test_the_first_evaluation_is_that_of_the_parent(parent):
    """On the same validation identities, step 0 has the parent's best error."""
    run = parent.folder / "run"
    names_held_out = names(run, training=False)
    rows = (parent.folder / "first.jsonl").read_text().splitlines()
    kept = [row for row in rows if json.loads(row)["label"] in names_held_out]
    extra = [{"text": f"new {n} {k}", "label": f"new{k}", "split": "train"}
             for k in range(2) for n in range(3)]  # fmt: skip
    stated = [json.loads(row) | {"split": "validation"} for row in kept]
    table = "".join(json.dumps(row) + "\n" for row in stated + extra)
    (parent.folder / "same.jsonl").write_text(table)
    assert child(parent, "--set", "steps=1", data="same.jsonl").code == 0
    best = [e for e in read_record(run) if isinstance(e, Evaluated) and e.best][-1]
    first = next(e for e in read_record(parent.folder / "next") if isinstance(e, Evaluated))
    assert first.eer == pytest.approx(best.eer, abs=1e-6)


def test_generations_remember_what_was_trained(parent):
    assert child(parent, "--set", "steps=1").code == 0
    third = ("-o", "third", "--from", "next", "--set", "steps=1")
    assert parent("train", "texts.jsonl", *third).code == 0
    trained = names(parent.folder / "run", training=True) | names(
        parent.folder / "next", training=True
    )
    assert trained.isdisjoint(names(parent.folder / "third", training=False))
    rows = (parent.folder / "texts.jsonl").read_text().splitlines(keepends=True)
    known = [row for row in rows if json.loads(row)["label"] in trained]
    (parent.folder / "known.jsonl").write_text("".join(known))
    fourth = ("train", "known.jsonl", "-o", "fourth", "--from", "third", "--set", "steps=1")
    refused = parent(*fourth)
    assert refused.code == 2
    assert "fewer than two are left to validate on" in refused.err
    assert parent(*fourth, "--set", "validation=0").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "run/encoder"), "give its run, `--from run`"),
        (("--from", "texts.jsonl"), "texts.jsonl is not the folder of a run"),
        (("--from", "nowhere"), "nowhere is not the folder of a run"),
        (("--from", "run", "-m", "tiles"), "run, 'tiles' here: its weights do not fit"),
        (("--from", "run", "--set", "dim=8"), "run, 8 here: its weights do not fit"),
        (("--from", "run", "--localise"), "--localise goes with none of"),
    ],
)
def test_what_no_run_can_begin_with(parent, arguments, message):
    parent("train", "export", "run")
    refused = parent("train", "texts.jsonl", "-o", "next", *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert not (parent.folder / "next").exists()


def test_a_sweep_and_folds_begin_with_the_weights_of_a_run(parent):
    trained = names(parent.folder / "run", training=True)
    steps = ("--set", "steps=1")
    assert child(parent, *steps, "--sweep", "margin=0.1,0.3", out="sweep").code == 0
    assert child(parent, *steps, "--folds", "2", out="folds").code == 0
    for folder in ("sweep/trials/margin=0.1", "folds/folds/1", "folds/folds/2"):
        run = parent.folder / folder
        assert (run / "parent.safetensors").exists()
        assert trained.isdisjoint(names(run, training=False))


def test_stated_validation_identities_that_were_trained(parent):
    trained = sorted(names(parent.folder / "run", training=True))[0]
    rows = [json.loads(row) for row in (parent.folder / "texts.jsonl").read_text().splitlines()]
    for row in rows:
        row["split"] = "validation" if row["label"] == trained else ""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (parent.folder / "stated.jsonl").write_text(text)
    refused = child(parent, data="stated.jsonl")
    assert refused.code == 2
    assert f"1 identities stated for validation were trained on by run: {trained}" in refused.err


def test_a_frozen_parent_gives_its_head(train):  # noqa: F811
    """First the head alone, then everything: the trunk begins as published."""
    write_people(train.folder, identities=8, samples=3)
    assert train.tiles(frozen="true", steps=2).code == 0
    write_people(train.folder, identities=12, samples=3)
    options = ("--detector", "none", "--set", "frozen=false", "--set", "steps=1")
    completed = train("train", "people", "-o", "next", "--from", "run", *options)
    assert completed.code == 0, completed.err
    head = checkpoint.part(
        checkpoint.read(train.folder / "run" / "best.safetensors")[0], "average."
    )
    begun = checkpoint.read(train.folder / "next" / "parent.safetensors")[0]
    assert begun.keys() == {f"head.{name}" for name in head}
