"""What ends a run before its time: one line that says what to do, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest
import toykit
from toydata import losses, people, texts, train  # noqa: F401

from siamkit.train import checkpoint
from siamkit.train.events import Started
from siamkit.train.folder import BEST, LAST
from siamkit.train.learner import Learner
from siamkit.train.record import read_record


def one_line(told, code, *said):
    assert told.code == code, told.err
    errors = [line for line in told.err.splitlines() if line.startswith("Error")]
    assert len(errors) == 1, told.err
    for part in said:
        assert part in told.err


@pytest.mark.parametrize(
    ("identities", "samples", "settings", "code", "said"),
    [
        (1, 3, {}, 2, "all examples are of one identity, 'p0': triplets need two identities"),
        (6, 1, {}, 2, "0 identities to train on and 0 for validation"),
        (6, 3, {"backbone": "efficientnet_lite99"}, 2, "timm knows no backbone"),
        (6, 3, {"device": "cuda"}, 2, "device = 'cuda', and torch finds none here"),
        (6, 3, {"backbone": "encoder"}, 2, "tiles have no encoder folder"),
        (6, 3, {"dim": 1}, 2, "dim = 1: it cannot be below 2"),
        (6, 3, {"mix": "true"}, 2, "mix = true has no effect: tiles cannot be mixed"),
        (6, 3, {"margin": "nan"}, 2, "margin = nan: it must be a finite number"),
        (6, 3, {"seed": 2**40}, 2, "seed = 1099511627776: it must be below 2,147,483,648"),
    ],
)
def test_what_cannot_be_begun(train, identities, samples, settings, code, said):  # noqa: F811
    people(train.folder, identities=identities, samples=samples)
    one_line(train.tiles(**settings), code, said)
    assert not (train.folder / "run").exists()


def test_texts_for_a_network_of_pictures(train):  # noqa: F811
    texts(train.folder)
    told = train.texts("texts.jsonl", backbone="test_efficientnet")
    one_line(told, 1, "Bigrams, package toykit 0.1) cannot be trained", "--set backbone=encoder")
    assert not (train.folder / "run").exists()


def test_broken_pictures_alone(train):  # noqa: F811
    people(train.folder, identities=4, samples=2)
    for path in (train.folder / "people").rglob("*.png"):
        path.write_bytes(b"no picture")
    one_line(train.tiles(), 4, "none of 8 examples can be used; the first:")
    assert not (train.folder / "run").exists()


def test_too_few_pictures_that_are_not_broken(train):  # noqa: F811
    people(train.folder, identities=4, samples=2)
    for path in (train.folder / "people").rglob("1.png"):
        path.write_bytes(b"no picture")
    one_line(train.tiles(), 2, "4 of 8 examples could not be used, the first: ", "p0/1.png")
    assert not (train.folder / "run").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backbone": "vit_tiny_patch16_224"}, "does not take images of 32 x 32 px"),
    ],
)
def test_a_network_that_does_not_fit_the_pictures(train, settings, said):  # noqa: F811
    people(train.folder)
    one_line(train.tiles(**settings), 2, said)


@pytest.mark.parametrize("settings", [{}, {"validation": 0}, {"miner": "index-driven"}])
def test_a_loss_that_is_no_number(train, settings):  # noqa: F811
    people(train.folder)
    told = train.tiles(learning_rate=1e30, evaluate_every=1, patience=0, warmup=0, **settings)
    one_line(told, 1, "training stopped at step ", ": diverged: ", "learning_rate=1e+29")
    for name in (LAST, BEST):
        if (train.folder / "run" / name).exists():
            tensors, _ = checkpoint.read(train.folder / "run" / name)
            assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert not (train.folder / "run" / "encoder").exists()


def test_a_loss_that_is_no_number_later_on(train, monkeypatch):  # noqa: F811
    original = Learner._learn

    def learn(self, batch, mining, generator):
        made = original(self, batch, mining, generator)
        learn.count += 1
        return made if learn.count < 10 else type(made)(float("nan"), *[0.5] * 4)

    learn.count = 0
    people(train.folder)
    monkeypatch.setattr(Learner, "_learn", learn)
    told = train.tiles()
    one_line(told, 1, "training stopped at step 10: diverged: the loss is nan",
             "Hint: the last good checkpoint is that of step 8")  # fmt: skip
    assert checkpoint.read(train.folder / "run" / LAST)[1]["step"] == 8
    monkeypatch.setattr(Learner, "_learn", original)
    assert train("train", "--resume", "--out", "run").code == 0
    assert resumed_at(train.folder / "run") == 8


def resumed_at(run):
    return [event.step for event in read_record(run) if isinstance(event, Started)][-1]


def test_a_run_that_failed_still_gives_its_best(train, monkeypatch):  # noqa: F811
    people(train.folder)
    assert train.tiles(steps=8).code == 0
    run = train.folder / "run"
    best = checkpoint.read(run / BEST)[1]["step"]
    shutil.rmtree(run / "encoder")
    told = train("train", "export", "run", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["best_step"] == best
    assert toykit.Tiles().encoder(run / "encoder").card.training["step"] == best
    for name in (BEST, LAST):
        (run / name).unlink()
    one_line(train("train", "export", "run"), 2, "run holds no checkpoint yet")
    one_line(train("train", "export", "people"), 2, "people does not hold a run to resume")


def test_a_run_without_a_checkpoint_may_begin_with_other_settings(train):  # noqa: F811
    people(train.folder)
    assert train.tiles(learning_rate=1e30, warmup=0).code == 1
    assert not (train.folder / "run" / LAST).exists()
    told = train("train", "--resume", "--out", "run", "--set", "learning_rate=0.001")
    assert told.code == 0, told.err


def test_a_run_goes_on_with_as_many_processes(train):  # noqa: F811
    people(train.folder)
    assert train.tiles().code == 0
    last = train.folder / "run" / LAST
    tensors, facts = checkpoint.read(last)
    checkpoint.write(last, tensors, facts | {"processes": 2})
    said = "begun with 2 processes, and now there are 1", "torchrun --nproc-per-node 2"
    one_line(train("train", "--resume", "--out", "run"), 2, *said)
    assert train("train", "export", "run").code == 0  # but what it has learned may be had


def test_a_collapse_is_an_alarm(train, monkeypatch):  # noqa: F811
    """How it comes about is in test_curriculum; here it is told, and ends the run."""
    people(train.folder, identities=5, samples=3)
    monkeypatch.setattr("siamkit.train.learner.spread", lambda distances: 0.0)
    told = train.tiles(miner="batch-hard", steps=60, evaluate_every=60, warmup=0)
    one_line(told, 1, ": collapse: the embeddings have collapsed",
             "try --set miner=auto")  # fmt: skip
    assert '"alarm"' in (train.folder / "run" / "train.jsonl").read_text()


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        (lambda *_: 1 / 0, "Tiles, package toykit 0.1): augment failed: ZeroDivisionError"),
        (lambda self, array, own, shared: array[:3], "augment made uint8 (3, 32, 3) of uint8"),
    ],
)
def test_a_plugin_that_breaks_its_word(train, monkeypatch, augment, said):  # noqa: F811
    people(train.folder)
    monkeypatch.setattr(toykit.Tiles, "augment", augment)
    one_line(train.tiles(), 1, said)


def test_a_full_disk(train, monkeypatch):  # noqa: F811
    """The file that was there stays; with room again the run goes on."""
    people(train.folder)
    original, count = os.replace, 0

    def replace(old, new):
        nonlocal count
        count += str(new).endswith(LAST)
        if count >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(new))
        original(old, new)

    monkeypatch.setattr(os, "replace", replace)
    told = train.tiles(learning_rate=0.01, steps=16)
    one_line(told, 1, "No space left on device")
    run = train.folder / "run"
    assert checkpoint.read(run / LAST)[1]["step"] == 4
    assert not list(run.glob(".*"))
    monkeypatch.setattr(os, "replace", original)
    assert train("train", "--resume", "--out", "run").code == 0
    assert len(losses(run)) == 16
    assert resumed_at(run) == 4


@pytest.mark.parametrize(
    ("name", "settings"),
    [("arrays.npy", {}), ("data.json", {}), ("validation.npz", {}), (BEST, {}),
     ("features.npy", {"frozen": "true"})],
)  # fmt: skip
def test_every_file_that_a_full_disk_cuts_off_is_named(
    train, monkeypatch, name, settings  # noqa: F811
):  # fmt: skip
    people(train.folder)
    original = os.replace

    def replace(old, new):
        if str(new).endswith(name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(old, new)

    monkeypatch.setattr(os, "replace", replace)
    one_line(train.tiles(**settings), 1, f"{name} could not be written: No space left on device")
    monkeypatch.setattr(os, "replace", original)
    if (run := train.folder / "run").exists():
        assert not list(run.glob(".*"))
        assert train("train", "--resume", "--out", "run").code == 0
    else:  # nothing was prepared yet
        assert train.tiles(**settings).code == 0


def test_ctrl_c_and_on(train, monkeypatch):  # noqa: F811
    people(train.folder)
    whole = train.tiles("--json", out="whole")
    original = Learner.step

    def step(self, number, *others):
        if number == 7:
            raise KeyboardInterrupt
        return original(self, number, *others)

    monkeypatch.setattr(Learner, "step", step)
    told = train.tiles()
    assert told.code == 130
    assert "step 4 is saved; `siamkit train --out run --resume` continues" in told.err
    monkeypatch.setattr(Learner, "step", original)
    told = train("train", "--resume", "--out", "run", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["fingerprint"] == json.loads(whole.out)["fingerprint"]
    assert losses(train.folder / "run") == losses(train.folder / "whole")


def test_a_damaged_checkpoint(train):  # noqa: F811
    people(train.folder)
    assert train.tiles().code == 0
    last = train.folder / "run" / LAST
    whole = last.read_bytes()
    for content in (b"", whole[:1000], whole[: len(whole) // 2], b"\xff" * 500):
        last.write_bytes(content)
        one_line(
            train("train", "--resume", "--out", "run"), 2, "last.safetensors is not a checkpoint"
        )
    tensors, _ = checkpoint.read(shutil.copy(train.folder / "run" / BEST, last))
    one_line(train("train", "--resume", "--out", "run"), 2, "belongs to another network")
    checkpoint.write(last, tensors, {})
    one_line(train("train", "--resume", "--out", "run"), 2, "last.safetensors")


def test_lost_arrays_are_made_again_and_their_run_is_never_thrown_away(train):  # noqa: F811
    people(train.folder)
    assert train.tiles().code == 0
    run = train.folder / "run"
    (run / "arrays.npy").unlink()
    shutil.move(train.folder / "people", train.folder / "elsewhere")
    one_line(train("train", "--resume", "--out", "run"), 2, "neither a folder nor a file")
    people(train.folder, identities=1)
    one_line(train("train", "--resume", "--out", "run"), 2, "all examples are of one identity")
    assert (run / "run.json").exists()
    shutil.rmtree(train.folder / "people")
    shutil.move(train.folder / "elsewhere", train.folder / "people")
    assert train("train", "--resume", "--out", "run").code == 0
