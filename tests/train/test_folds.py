"""Cross-validate: measure on every identity, with encoders that never saw it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import toykit
from toydata import as_options, train, write_texts  # noqa: F401

from siamkit.sdk.model_folder import read_card
from siamkit.stats.metrics import eer
from siamkit.train import checkpoint, heads
from siamkit.train.learner import Learner
from siamkit.train.run import TrainingRun
from siamkit.workspace import Workspace

HEAD = {"backbone": "encoder", "dim": 64, "identities": 12, "learning_rate": 0.02}
LONG = HEAD | {"steps": 30, "evaluate_every": 15, "compare": "true"}
SHORT = HEAD | {"steps": 4, "evaluate_every": 2}


@pytest.fixture
def texts(train):  # noqa: F811
    write_texts(train.folder)
    return train


def folds(train, *arguments, out="run", data="texts.jsonl", **settings):  # noqa: F811
    options = as_options(SHORT | settings)
    return train("train", data, "-m", "bigrams", "-o", out, *options, *arguments)


def test_every_identity_is_validated_once(texts):
    completed = folds(texts, "--folds", "2", "--json", **LONG)
    assert completed.code == 0, completed.err
    result, run = json.loads(completed.out), texts.folder / "run"
    datasets = [TrainingRun.open(run / "folds" / str(n)).prepared.dataset for n in (1, 2)]
    validated = [set(data.labels[~data.training].tolist()) for data in datasets]
    assert sum(map(len, validated)) == len(set.union(*validated)) == 30
    final = TrainingRun.open(run / "final").prepared.dataset
    assert final.training.all()
    inodes = {path.stat().st_ino for path in run.rglob("arrays.npy")}
    assert len(inodes) == 1

    mated, non_mated = zip(*(pair_scores(run / "folds" / str(n)) for n in (1, 2)), strict=True)
    pooled = eer(np.concatenate(mated), np.concatenate(non_mated))[0]
    assert result["rates"]["eer"] == pytest.approx(pooled, abs=1e-6)
    assert result["rates"]["low"] < result["rates"]["error"] < result["rates"]["high"]
    best = sorted(fold["best_step"] for fold in result["folds"])
    assert result["step"] == best[0]

    assert result["verdict"]["gained"] is True
    assert checkpoint.read(run / "final" / "last.safetensors")[1]["step"] == best[0]
    card = read_card(run / "encoder")
    assert card.fingerprint == result["fingerprint"]
    assert card.training["folds"] == {
        "count": 2, "steps": [fold["best_step"] for fold in result["folds"]]
    }  # fmt: skip
    assert card.training["data"]["train"]["identities"] == 30
    assert card.training["validation"]["eer"] == pytest.approx(pooled, abs=1e-5)
    assert "never saw it" in card.training["validation"]["read"]
    assert toykit.Bigrams().encoder(run / "encoder").embed(["hello"]).shape == (1, 64)

    again = texts("train", "-o", "run", "--resume", "--json")
    assert json.loads(again.out) == result
    assert texts("train", "plot", "run").out == "run/plot.png\n"


def pair_scores(folder):
    """Return the cosines of the pairs of one identity, and of two, at the best step."""
    saved = np.load(folder / "validation.npz")
    cosines = saved["embeddings"] @ saved["embeddings"].T
    same, upper = saved["labels"][:, None] == saved["labels"], np.triu(np.ones(cosines.shape), 1)
    return cosines[same & (upper > 0)], cosines[~same & (upper > 0)]


def test_an_interrupted_cross_validation_goes_on(texts, monkeypatch):
    original = Learner.step
    taken = []

    def step(self, number, *others):
        taken.append(number)
        if len(taken) == 8:  # the last step of the second fold
            raise KeyboardInterrupt
        return original(self, number, *others)

    monkeypatch.setattr(Learner, "step", step)
    stopped = folds(texts, "--folds", "3")
    assert stopped.code == 130
    assert "step 2 is saved; `siamkit train -o run --resume` continues" in stopped.err
    early = texts("train", "export", "run")
    assert early.code == 2
    assert "fold 2, fold 3 not done yet" in early.err
    monkeypatch.setattr(Learner, "step", original)
    resumed = texts("train", "-o", "run", "--resume", "--json")
    assert resumed.code == 0, resumed.err
    whole = folds(texts, "--folds", "3", "--json", out="whole")
    rates = [json.loads(completed.out)["rates"] for completed in (resumed, whole)]
    assert rates[0] == rates[1]


def test_nothing_gained_nothing_exported(texts):
    completed = folds(texts, "--folds", "2", compare="true", learning_rate=1e-12)
    assert completed.code == 0, completed.err
    assert "no gain: " in completed.out
    run = texts.folder / "run"
    assert not (run / "encoder").exists()
    assert not (run / "final" / "last.safetensors").exists()
    refused = texts("train", "export", "run")
    assert refused.code == 2
    assert "no step of run is better than the first weights" in refused.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--folds", "1"), "give `--folds 2` or more"),
        (("--folds", "16"), "give `--folds 15` at most"),
        (("--folds", "3", "--seeds", "2"), "--folds goes with neither --sweep nor --seeds"),
        (("--folds", "3", "--localise"), "--localise goes with none of"),
        (("--folds", "3", "--set", "margim=1"), "did you mean 'margin'?"),
    ],
)
def test_what_cannot_be_cross_validated(texts, arguments, message):
    refused = folds(texts, *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert not (texts.folder / "run").exists()


def test_far_too_many_folds_are_refused_at_once(texts, monkeypatch):
    opened, original = [], heads.OwnEncoder.__init__
    monkeypatch.setattr(
        heads.OwnEncoder,
        "__init__",
        lambda self, *arguments: opened.append(self) or original(self, *arguments),
    )
    refused = folds(texts, "--folds", "500")
    assert refused.code == 2
    assert "500 folds of 30 identities" in refused.err
    assert len(opened) == 2  # of all folds, and of the run on all identities
    assert not (texts.folder / "run").exists()


@pytest.mark.parametrize(
    ("side", "identities", "message"),
    [
        ("validation", 30, "the examples state identities for validation"),
        ("", 3, "cross-validation needs four"),
    ],
)
def test_examples_that_cannot_be_cross_validated(texts, side, identities, message):
    rows = [json.loads(row) for row in (texts.folder / "texts.jsonl").read_text().splitlines()]
    for row in rows:
        row["split"] = side if row["label"] == "k0" else ""
    text = "".join(json.dumps(row) + "\n" for row in rows[: 5 * identities])
    (texts.folder / "some.jsonl").write_text(text)
    refused = folds(texts, "--folds", "2", data="some.jsonl")
    assert refused.code == 2
    assert message in refused.err
    assert not (texts.folder / "run").exists()


def test_a_cross_validation_goes_on_as_it_was(texts, monkeypatch):
    assert folds(texts, "--folds", "2").code == 0
    for arguments, message in {
        ("--folds", "3"): "run has 2 folds, not 3",
        ("--set", "steps=9"): "steps: 4 before, 9 now",
        ("--sweep", "margin=1,2"): "--folds goes with neither",
    }.items():
        refused = texts("train", "-o", "run", "--resume", *arguments)
        assert refused.code == 2
        assert message in refused.err
    monkeypatch.setenv("WORLD_SIZE", "2")
    parallel = texts("train", "-o", "run", "--resume")
    assert parallel.code == 2
    assert "start it without torchrun" in parallel.err


def test_from_python(texts):
    settings = {"steps": 2, "backbone": "encoder", "evaluate_every": 1.0, "compare": False}
    run = Workspace().train_folds(
        "texts.jsonl", "run", modality="bigrams", folds=2, config=settings
    )
    names = {trial.name for trial, _ in run.events()}
    assert {"fold 1", "fold 2"} <= names
    assert (run.result().gained is False) == (run.result().step == 0)
    assert set(run.result().rates) >= {"eer", "error", "low", "high", "recall_at_1"}
