"""Train from pictures to a served encoder; interrupt a run and resume it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import toykit
from PIL import Image
from toydata import as_options, losses, train, write_people  # noqa: F401

from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import read_card
from siamkit.train import backbones, checkpoint
from siamkit.train.config import TrainConfig
from siamkit.train.events import Evaluated, Saved, Started, Step
from siamkit.train.folder import LAST
from siamkit.train.learner import Learner
from siamkit.train.record import read_record

GOOD = {
    "validation": 0.25,
    "identities": 8,
    "steps": 20,
    "evaluate_every": 10,
    "learning_rate": 0.01,
}


def served(run):
    """Return all pictures and their vectors from the exported encoder."""
    media = [load_image(path) for path in sorted(run.parent.rglob("people/*/*.png"))]
    return media, toykit.Tiles().encoder(run / "encoder").embed(media)


def test_pictures_are_trained_exported_and_served(train):  # noqa: F811
    write_people(train.folder, identities=24)
    completed = train.tiles("--json", "--licence", "CC0-1.0", "--name", "hues", **GOOD)
    assert completed.code == 0, completed.err
    facts = json.loads(completed.out)
    untrained = next(e for e in read_record(train.folder / "run") if isinstance(e, Evaluated))
    assert facts["eer"] < 0.7 * untrained.eer
    assert (facts["eer_before"], facts["gained"], facts["baselines"]) == (None, None, [])
    assert (facts["name"], facts["steps"], facts["faults"]) == ("hues", 20, [])

    card = read_card(train.folder / "run" / "encoder")
    assert card.fingerprint == facts["fingerprint"]
    assert (card.modality, card.dim, card.licence) == ("tiles", 16, "CC0-1.0")
    assert card.preprocessing == toykit.Tiles().preprocessing()
    data = card.training["data"]
    assert data["train"] == {"identities": 18, "genuine": 90, "impostors": 0}
    assert data["validation"] == {"identities": 6, "genuine": 30, "impostors": 0}
    assert card.training["step"] == facts["best_step"]
    assert card.training["validation"]["eer"] == pytest.approx(facts["eer"], abs=0.02)
    assert card.threshold is None  # 30 hard pairs show no rate
    assert card.training["validation"]["error_of"] == "hard pairs of different identities"

    options = ("-m", "tiles", "--encoder", "run/encoder", "--detector", "none")
    assert train("galleries", "create", "g", *options).code == 0
    for identity in ("p1", "p2"):
        completed = train("enrol", "g", f"people/{identity}/0.png", "--as", identity)
        assert completed.code == 0, completed.err
    completed = train("query", "g", "people/p1/0.png", "--threshold", "0.9", "--json")
    assert completed.code == 0, completed.err
    assert '"p1"' in completed.out

    assert train("train", "plot", "run").out == "run/plot.png\n"
    assert (train.folder / "run" / "plot.png").stat().st_size > 10_000
    assert "--resume" in train("train", "run", "--help").out


def test_served_vectors_are_those_of_torch(train):  # noqa: F811
    """More numbers than features, fewer identities than a batch wants, and without validation."""
    write_people(train.folder, identities=4)
    settings = {"dim": 300, "identities": 9, "steps": 4, "validation": 0, "average": 0.5}
    completed = train.tiles("--json", **settings)
    assert completed.code == 0, completed.err
    facts = json.loads(completed.out)
    assert (facts["eer"], facts["best_step"]) == (None, None)
    card = read_card(train.folder / "run" / "encoder")
    assert card.threshold is None
    assert "validation" not in card.training
    assert card.training["step"] == 4  # the last

    media, vectors = served(train.folder / "run")
    network = backbones.build_network(
        TrainConfig(pretrained=False, dim=300), "test_efficientnet", (32, 32, 3)
    )
    tensors, _ = checkpoint.read(train.folder / "run" / "last.safetensors")
    network.load_state_dict(checkpoint.part(tensors, "average."))
    pixels = torch.from_numpy(np.stack([toykit.Tiles().array(medium) for medium in media]))
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(network.eval()(pixels), dim=1).numpy()
    assert (expected * vectors).sum(axis=1).min() >= 0.9999


def test_a_frozen_trunk_and_equal_runs(train):  # noqa: F811
    """The head alone learns; deterministic runs with equal settings are equal."""
    write_people(train.folder, identities=10)
    same = {"frozen": "true", "precision": "auto", "deterministic": "true", "steps": 8}
    fingerprints = []
    for out in ("one", "two"):
        completed = train.tiles("--json", out=out, **same)
        assert completed.code == 0, completed.err
        fingerprints.append(json.loads(completed.out)["fingerprint"])
    assert fingerprints[0] == fingerprints[1]
    trained = [e.parameters for e in read_record(train.folder / "one") if isinstance(e, Started)]
    assert trained[0] < 10_000  # of 100,000
    assert served(train.folder / "one")[1].shape == (50, 16)


def add_impostors(folder):
    """Write impostors of some identities, so that batches hold some of them."""
    for identity in range(4):
        for number in range(3):
            rng = np.random.default_rng([7, identity, number])
            path = folder / "people" / f"p{identity}" / "impostors" / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 250, (32, 32, 3)).astype(np.uint8)).save(path)


def start_steps(run):
    """Return the recorded steps at which a run started or resumed."""
    return [event.step for event in read_record(run) if isinstance(event, Started)]


PACE = {"steps": 24, "evaluate_every": 4, "patience": 0}


def test_a_killed_run_resumes_exactly(train, shell):  # noqa: F811
    write_people(train.folder, identities=10)
    add_impostors(train.folder)
    settings = PACE | {"miner": "auto", "average": 0.9, "accumulate": 2, "memory": 60}
    whole = train.tiles("--json", out="whole", **settings)
    assert whole.code == 0, whole.err

    shell.environment["OMP_NUM_THREADS"] = "1"  # as here: sums depend on it
    shell.environment["TOYKIT_SLEEP"] = "0.01"  # a sample: it must not finish before it is killed
    command = ("train", "people", "-m", "tiles", "--detector", "none", "-o", "run")
    process = shell.start(*command, *as_options(settings))
    record = train.folder / "run" / "train.jsonl"
    while process.poll() is None and not (record.exists() and '"saved"' in record.read_text()):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "memory.embeddings" in checkpoint.read(train.folder / "run" / LAST)[0]

    refused = train("train", "--resume", "-o", "run", "--set", "margin=0.7")
    assert refused.code == 2
    assert "margin: 0.2 before, 0.7 now" in refused.err
    assert_resumes_exactly(train, whole)


def test_an_index_driven_run_resumes_exactly(train, monkeypatch):  # noqa: F811
    class Killed(BaseException):
        pass

    def step(self, number, *others):
        if number == 7:
            raise Killed
        return original(self, number, *others)

    write_people(train.folder, identities=10)
    add_impostors(train.folder)
    settings = PACE | {"miner": "index-driven", "refresh": 3, "loss": "soft-triplet"}
    whole = train.tiles("--json", out="whole", **settings)
    assert whole.code == 0, whole.err
    original = Learner.step
    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(Killed):
        train.tiles(**settings)
    monkeypatch.setattr(Learner, "step", original)
    assert "memory.embeddings" not in checkpoint.read(train.folder / "run" / LAST)[0]
    assert_resumes_exactly(train, whole)


def assert_resumes_exactly(train, whole):  # noqa: F811
    """Resume the run beside one that was not interrupted; nothing in them may differ."""
    done = len(losses(train.folder / "run"))
    assert 4 <= done < 24
    completed = train("train", "--resume", "-o", "run", "--json")
    assert completed.code == 0, completed.err
    assert losses(train.folder / "run") == losses(train.folder / "whole")
    assert start_steps(train.folder / "run")[-1] >= 4  # from the checkpoint, not from the seed
    resumed, uninterrupted = (
        [event for event in read_record(train.folder / run) if isinstance(event, Evaluated)]
        for run in ("run", "whole")
    )
    assert resumed == uninterrupted
    assert json.loads(completed.out)["fingerprint"] == json.loads(whole.out)["fingerprint"]


def test_one_process_at_a_time_trains_a_run(train):  # noqa: F811
    write_people(train.folder)
    run, resume = train.folder / "run", ("train", "--resume", "-o", "run")
    assert train.tiles(steps=2, evaluate_every=2).code == 0
    before = (run / "train.jsonl").read_bytes()
    program = (
        "import pathlib, sys; from siamkit.train.folder import trained_here\n"
        "with trained_here(pathlib.Path('run')): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        refused = train(*resume, "--set", "steps=4")
        assert refused.code == 2
        assert "run is being trained by another process" in refused.err
        assert train("train", "export", "run").code == train("train", "plot", "run").code == 0
        other.kill()
    assert (run / "train.jsonl").read_bytes() == before
    assert train(*resume, "--set", "steps=4").code == 0


def test_a_finished_run_can_be_resumed(train):  # noqa: F811
    """A run that ran out of patience does not train on."""
    write_people(train.folder, identities=10)
    completed = train.tiles(steps=12, evaluate_every=1, patience=2, learning_rate=1e-12)
    assert "no lower error in 2 evaluations" in completed.err
    before = losses(train.folder / "run")
    assert len(before) < 12
    (train.folder / "run" / "encoder" / "encoder.onnx").unlink()
    again = train("train", "--resume", "-o", "run")
    assert again.code == 0, again.err
    assert losses(train.folder / "run") == before
    assert start_steps(train.folder / "run") == [0]
    assert "run is finished: step " in again.err
    assert served(train.folder / "run")[1].shape == (50, 16)


def test_every_event_is_recorded(train):  # noqa: F811
    write_people(train.folder, identities=10)
    assert train.tiles(loss="arcface", steps=5, evaluate_every=2, augment="false").code == 0
    record = read_record(train.folder / "run")
    assert isinstance(record[0], Started)
    assert [e.step for e in record if isinstance(e, Step)] == [1, 2, 3, 4, 5]
    assert [e.step for e in record if isinstance(e, Saved)] == [2, 4, 5]
    assert [e.step for e in record if isinstance(e, Evaluated)] == [0, 2, 4, 5]
    assert {e.miner for e in record if isinstance(e, Step)} == {"none"}
