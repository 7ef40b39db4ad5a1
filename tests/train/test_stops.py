"""Whatever ends a run early gives one line that says what to do, and loses nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest
import toykit
from toydata import losses, train, write_people, write_texts  # noqa: F401

from siamkit.train import checkpoint
from siamkit.train.events import Started
from siamkit.train.folder import BEST, LAST
from siamkit.train.learner import Learner
from siamkit.train.losses import TripletLoss
from siamkit.train.record import read_record


def assert_one_error(completed, code, *parts):
    assert completed.code == code, completed.err
    errors = [line for line in completed.err.splitlines() if line.startswith("Error")]
    assert len(errors) == 1, completed.err
    for part in parts:
        assert part in completed.err


@pytest.mark.parametrize(
    ("identities", "samples", "settings", "code", "message"),
    [
        (1, 3, {}, 2, "all examples belong to one identity, 'p0': triplets need two identities"),
        (6, 1, {}, 2, "0 identities to train on and 0 for validation"),
        (6, 3, {"backbone": "efficientnet_lite99"}, 2, "timm has no backbone"),
        (6, 3, {"device": "cuda"}, 2, "device = 'cuda', and torch finds none here"),
        (6, 3, {"backbone": "encoder"}, 2, "tiles have no encoder folder"),
        (6, 3, {"dim": 1}, 2, "dim = 1: it cannot be below 2"),
        (6, 3, {"mix": "true"}, 2, "mix = true has no effect: tiles cannot be mixed"),
        (6, 3, {"margin": "nan"}, 2, "margin = nan: it must be a finite number"),
        (6, 3, {"seed": 2**40}, 2, "seed = 1099511627776: it must be below 2,147,483,648"),
    ],
)
def test_a_run_that_cannot_begin_is_refused(train, identities, samples, settings, code, message):  # noqa: F811
    write_people(train.folder, identities=identities, samples=samples)
    assert_one_error(train.tiles(**settings), code, message)
    assert not (train.folder / "run").exists()


def test_a_network_of_pictures_takes_no_texts(train):  # noqa: F811
    write_texts(train.folder)
    completed = train.texts("texts.jsonl", backbone="test_efficientnet")
    assert_one_error(
        completed, 1, "Bigrams, package toykit 0.1) cannot be trained", "--set backbone=encoder"
    )
    assert not (train.folder / "run").exists()


def test_only_broken_pictures(train):  # noqa: F811
    write_people(train.folder, identities=4, samples=2)
    for path in (train.folder / "people").rglob("*.png"):
        path.write_bytes(b"no picture")
    assert_one_error(train.tiles(), 4, "none of 8 examples can be used; the first:")
    assert not (train.folder / "run").exists()


def test_too_few_readable_pictures(train):  # noqa: F811
    write_people(train.folder, identities=4, samples=2)
    for path in (train.folder / "people").rglob("1.png"):
        path.write_bytes(b"no picture")
    assert_one_error(train.tiles(), 2, "4 of 8 examples could not be used, the first: ", "p0/1.png")
    assert not (train.folder / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "vit_tiny_patch16_224"}, "does not take images of 32 x 32 px"),
    ],
)
def test_a_network_that_does_not_fit_the_pictures(train, settings, message):  # noqa: F811
    write_people(train.folder)
    assert_one_error(train.tiles(**settings), 2, message)


@pytest.mark.parametrize("settings", [{}, {"validation": 0}, {"miner": "index-driven"}])
def test_a_loss_that_is_nan(train, settings):  # noqa: F811
    write_people(train.folder)
    completed = train.tiles(learning_rate=1e30, evaluate_every=1, patience=0, warmup=0, **settings)
    assert_one_error(
        completed, 1, "training stopped at step ", ": diverged: ", "learning_rate=1e+29"
    )
    for name in (LAST, BEST):
        if (train.folder / "run" / name).exists():
            tensors, _ = checkpoint.read(train.folder / "run" / name)
            assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert not (train.folder / "run" / "encoder").exists()


def test_a_loss_that_becomes_nan(train, monkeypatch):  # noqa: F811
    original = TripletLoss.forward

    def forward(self, *batch):
        forward.count += 1
        return original(self, *batch) * (1 if forward.count < 10 else float("nan"))

    forward.count = 0
    write_people(train.folder)
    monkeypatch.setattr(TripletLoss, "forward", forward)
    completed = train.tiles()
    assert_one_error(
        completed,
        1,
        "training stopped at step 10: diverged: the loss is nan",
        "Hint: the last good checkpoint is from step 8",
    )
    assert checkpoint.read(train.folder / "run" / LAST)[1]["step"] == 8
    monkeypatch.setattr(TripletLoss, "forward", original)
    assert train("train", "--resume", "-o", "run").code == 0
    assert resumed_at(train.folder / "run") == 8


def resumed_at(run):
    return [event.step for event in read_record(run) if isinstance(event, Started)][-1]


def test_a_failed_run_exports_its_best(train, monkeypatch):  # noqa: F811
    write_people(train.folder)
    assert train.tiles(steps=8).code == 0
    run = train.folder / "run"
    best = checkpoint.read(run / BEST)[1]["step"]
    shutil.rmtree(run / "encoder")
    completed = train("train", "export", "run", "--json")
    assert completed.code == 0, completed.err
    assert json.loads(completed.out)["best_step"] == best
    assert toykit.Tiles().encoder(run / "encoder").card.training["step"] == best
    for name in (BEST, LAST):
        (run / name).unlink()
    assert_one_error(train("train", "export", "run"), 2, "run holds no checkpoint yet")
    assert_one_error(train("train", "export", "people"), 2, "people does not hold a run to resume")


def test_a_run_without_a_checkpoint_may_begin_with_other_settings(train):  # noqa: F811
    write_people(train.folder)
    assert train.tiles(learning_rate=1e30, warmup=0).code == 1
    assert not (train.folder / "run" / LAST).exists()
    completed = train("train", "--resume", "-o", "run", "--set", "learning_rate=0.001")
    assert completed.code == 0, completed.err


def test_a_run_goes_on_with_as_many_processes(train):  # noqa: F811
    write_people(train.folder)
    assert train.tiles().code == 0
    last = train.folder / "run" / LAST
    tensors, facts = checkpoint.read(last)
    checkpoint.write(last, tensors, facts | {"processes": 2})
    messages = "started with 2 processes, and now there are 1", "torchrun --nproc-per-node 2"
    assert_one_error(train("train", "--resume", "-o", "run"), 2, *messages)
    assert train("train", "export", "run").code == 0  # but what it has learned may be had


def test_a_collapse_is_an_alarm(train, monkeypatch):  # noqa: F811
    """test_curriculum shows how it comes about; here it is reported and ends the run."""
    write_people(train.folder, identities=5, samples=3)
    monkeypatch.setattr("siamkit.train.learner.spread", lambda distances: distances.new_tensor(0.0))
    completed = train.tiles(miner="batch-hard", steps=60, evaluate_every=60, warmup=0)
    assert_one_error(
        completed, 1, ": collapse: the embeddings have collapsed", "try --set miner=auto"
    )
    assert '"alarm"' in (train.folder / "run" / "train.jsonl").read_text()


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda *_: 1 / 0, "Tiles, package toykit 0.1): augment failed: ZeroDivisionError"),
        (
            lambda self, array, own, shared: array[:3],
            "augment returned uint8 (3, 32, 3) for uint8 (32, 32, 3)",
        ),
    ],
)
def test_a_plugin_that_breaks_the_protocol(train, monkeypatch, augment, message):  # noqa: F811
    write_people(train.folder)
    monkeypatch.setattr(toykit.Tiles, "augment", augment)
    assert_one_error(train.tiles(), 1, message)


def test_a_full_disk(train, monkeypatch):  # noqa: F811
    """The file that was there stays; with room again the run goes on."""
    write_people(train.folder)
    original, count = os.replace, 0

    def replace(old, new):
        nonlocal count
        count += str(new).endswith(LAST)
        if count >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(new))
        original(old, new)

    monkeypatch.setattr(os, "replace", replace)
    completed = train.tiles(learning_rate=0.01, steps=16)
    assert_one_error(completed, 1, "No space left on device")
    run = train.folder / "run"
    assert checkpoint.read(run / LAST)[1]["step"] == 4
    assert not list(run.glob(".*"))
    monkeypatch.setattr(os, "replace", original)
    assert train("train", "--resume", "-o", "run").code == 0
    assert len(losses(run)) == 16
    assert resumed_at(run) == 4


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("arrays.npy", {}),
        ("data.json", {}),
        ("validation.npz", {}),
        (BEST, {}),
        ("features.npy", {"frozen": "true"}),
    ],
)
def test_a_full_disk_names_the_file(train, monkeypatch, name, settings):  # noqa: F811
    write_people(train.folder)
    original = os.replace

    def replace(old, new):
        if str(new).endswith(name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(old, new)

    monkeypatch.setattr(os, "replace", replace)
    assert_one_error(
        train.tiles(**settings), 1, f"{name} could not be written: No space left on device"
    )
    monkeypatch.setattr(os, "replace", original)
    if (run := train.folder / "run").exists():
        assert not list(run.glob(".*"))
        assert train("train", "--resume", "-o", "run").code == 0
    else:  # nothing was prepared yet
        assert train.tiles(**settings).code == 0


def test_ctrl_c_and_resume(train, monkeypatch):  # noqa: F811
    write_people(train.folder)
    whole = train.tiles("--json", out="whole")
    original = Learner.step

    def step(self, number, *others):
        if number == 7:
            raise KeyboardInterrupt
        return original(self, number, *others)

    monkeypatch.setattr(Learner, "step", step)
    completed = train.tiles()
    assert completed.code == 130
    assert "step 4 is saved; `siamkit train -o run --resume` continues" in completed.err
    monkeypatch.setattr(Learner, "step", original)
    completed = train("train", "--resume", "-o", "run", "--json")
    assert completed.code == 0, completed.err
    assert json.loads(completed.out)["fingerprint"] == json.loads(whole.out)["fingerprint"]
    assert losses(train.folder / "run") == losses(train.folder / "whole")


def test_a_damaged_checkpoint(train):  # noqa: F811
    write_people(train.folder)
    assert train.tiles().code == 0
    last = train.folder / "run" / LAST
    whole = last.read_bytes()
    for content in (b"", whole[:1000], whole[: len(whole) // 2], b"\xff" * 500):
        last.write_bytes(content)
        assert_one_error(
            train("train", "--resume", "-o", "run"), 2, "last.safetensors is not a checkpoint"
        )
    tensors, _ = checkpoint.read(shutil.copy(train.folder / "run" / BEST, last))
    assert_one_error(train("train", "--resume", "-o", "run"), 2, "belongs to another network")
    checkpoint.write(last, tensors, {})
    assert_one_error(train("train", "--resume", "-o", "run"), 2, "last.safetensors")


def test_lost_arrays_are_prepared_again_and_the_run_is_kept(train):  # noqa: F811
    write_people(train.folder)
    assert train.tiles().code == 0
    run = train.folder / "run"
    (run / "arrays.npy").unlink()
    shutil.move(train.folder / "people", train.folder / "elsewhere")
    assert_one_error(train("train", "--resume", "-o", "run"), 2, "neither a folder nor a file")
    write_people(train.folder, identities=1)
    assert_one_error(
        train("train", "--resume", "-o", "run"), 2, "all examples belong to one identity"
    )
    assert (run / "run.json").exists()
    shutil.rmtree(train.folder / "people")
    shutil.move(train.folder / "elsewhere", train.folder / "people")
    assert train("train", "--resume", "-o", "run").code == 0
