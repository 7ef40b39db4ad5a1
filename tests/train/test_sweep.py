"""Train every combination of some settings with several seeds, and compare them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
from toydata import as_options, losses, train, write_people, write_texts  # noqa: F401

from siamkit.cli.settings_text import parse_grid
from siamkit.errors import BadInput
from siamkit.sdk.model_folder import read_card
from siamkit.train import features
from siamkit.train.config import TrainConfig
from siamkit.train.learner import Learner
from siamkit.train.series.compare import judge, summarise
from siamkit.train.series.grid import points
from siamkit.train.series.sweep import _best_trial
from siamkit.train.series.trial import DONE, FAILED, TrialResult
from siamkit.workspace import Workspace

HEAD = {"backbone": "encoder", "steps": 4, "evaluate_every": 2, "learning_rate": 0.02}
SWEEP = ("--sweep", "loss=triplet,multiple-negatives", "--seeds", "2")


@pytest.fixture
def texts(train):  # noqa: F811
    write_texts(train.folder)
    return train


def sweep(train, *arguments, out="sweep", **settings):  # noqa: F811
    options = as_options(HEAD | settings)
    return train("train", "texts.jsonl", "-m", "bigrams", "-o", out, *options, *arguments)


def names_of(folder):
    return sorted(path.name for path in (folder / "trials").iterdir())


def test_a_sweep_compares_settings_over_seeds(texts):
    completed = sweep(texts, *SWEEP)
    assert completed.code == 0, completed.err
    folder = texts.folder / "sweep"
    assert names_of(folder) == [
        "loss=multiple-negatives,seed=0",
        "loss=multiple-negatives,seed=1",
        "loss=triplet,seed=0",
        "loss=triplet,seed=1",
    ]
    assert "trial 4 of 4: loss=multiple-negatives,seed=1" in completed.err
    head, *rows = completed.out.splitlines()[:3]
    assert head.split()[:5] == ["setting", "trials", "error", "SD", "lowest"]
    assert [row.split()[:2] for row in rows] == [
        ["loss=triplet", "2"],
        ["loss=multiple-negatives", "2"],
    ]
    written = json.loads((folder / "sweep.json").read_text())
    assert written["grid"] == {"loss": ["triplet", "multiple-negatives"]}
    errors = [trial["error"] for trial in written["result"]["trials"][:2]]
    first = written["result"]["settings"][0]["error"]
    assert first["mean"] == pytest.approx(sum(errors) / 2)
    assert (first["lowest"], first["highest"]) == (min(errors), max(errors))
    assert first["deviation"] == pytest.approx(abs(errors[0] - errors[1]) / 2**0.5)

    # The arrays are loaded once, and a trial is the run that its settings alone would give.
    inodes = {(path / "arrays.npy").stat().st_ino for path in (folder / "trials").iterdir()}
    assert len(inodes) == 1
    alone = texts.texts("texts.jsonl", out="alone", **HEAD, seed=1)
    assert alone.code == 0, alone.err
    assert losses(texts.folder / "alone") == losses(folder / "trials" / "loss=triplet,seed=1")

    best = written["result"]["exported"]
    if best:
        card, trial = read_card(folder / "encoder"), folder / "trials" / best / "encoder"
        assert card.fingerprint == read_card(trial).fingerprint
        assert card.training["sweep"] == {"trial": best, "trials": 4, "seeds": 2}

    assert texts("train", "plot", "sweep").out == "sweep/plot.png\n"
    again = texts("train", "-o", "sweep", "--resume", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out) == written["result"]
    exported = texts("train", "export", "sweep", "--json")
    assert json.loads(exported.out) == written["result"]


def test_an_interrupted_sweep_goes_on(texts, monkeypatch):
    original = Learner.step
    taken = []

    def step(self, number, *others):
        taken.append(number)
        if len(taken) == 8:  # the last step of the second trial
            raise KeyboardInterrupt
        return original(self, number, *others)

    monkeypatch.setattr(Learner, "step", step)
    stopped = sweep(texts, "--sweep", "margin=0.1,0.3,0.9")
    assert stopped.code == 130
    assert "step 2 is saved; `siamkit train -o sweep --resume` continues" in stopped.err
    monkeypatch.setattr(Learner, "step", original)
    resumed = texts("train", "-o", "sweep", "--resume", "--json")
    assert resumed.code == 0, resumed.err
    assert "resumed at step 2" in resumed.err
    whole = sweep(texts, "--sweep", "margin=0.1,0.3,0.9", "--json", out="whole")
    facts = [json.loads(completed.out)["trials"] for completed in (resumed, whole)]
    assert [trial["error"] for trial in facts[0]] == [trial["error"] for trial in facts[1]]


def diverging(original):
    """Let the triplet loss become NaN."""

    def step(self, *others):
        means = original(self, *others)
        return replace(means, loss=math.nan) if self.config.loss == "triplet" else means

    return step


def test_nothing_gained_nothing_exported_unless_asked_for(texts):
    completed = sweep(texts, "--seeds", "2", compare="true", learning_rate=1e-12)
    assert completed.code == 0, completed.err
    assert "no encoder is exported" in completed.out
    assert completed.out.splitlines()[1].startswith("as given ")
    assert completed.err.count("identities for validation say little") == 1
    assert not (texts.folder / "sweep" / "encoder").exists()
    exported = texts("train", "export", "sweep")
    assert exported.code == 0, exported.err
    assert "encoder: sweep/encoder, of seed=" in exported.out


def test_a_trial_that_fails_is_reported_and_the_others_go_on(texts, monkeypatch):
    swept = ("--sweep", "loss=triplet,multiple-negatives")
    monkeypatch.setattr(Learner, "step", diverging(Learner.step))
    completed = sweep(texts, *swept, "--json")
    assert completed.code == 0, completed.err
    failed, done = json.loads(completed.out)["trials"]
    assert (failed["state"], done["state"]) == (FAILED, DONE)
    assert "diverged" in failed["fault"]
    assert "Error: training stopped at step" in completed.err
    alone = sweep(texts, "--seeds", "2", out="other")
    assert alone.code == 1
    assert "no trial of other is done; 2 failed, the first: training stopped" in alone.err


def test_the_features_of_a_frozen_backbone_are_computed_once(train, monkeypatch):  # noqa: F811
    computed = []
    monkeypatch.setattr(features, "_write", counting(features._write, computed))
    write_people(train.folder, identities=8, samples=3)
    options = ("--sweep", "margin=0.1,0.3", "--json")
    completed = train.tiles(*options, out="sweep", frozen="true", steps=2, validation=0.5)
    assert completed.code == 0, completed.err
    assert len(computed) == 1
    assert train("train", "export", "sweep/trials/margin=0.3").code == 0
    assert len(computed) == 1
    path = train.folder / "sweep" / "trials" / "margin=0.3" / "features.npy"
    path.write_bytes(path.read_bytes()[:300])  # both, as they are one file: it is damaged
    assert train("train", "export", "sweep/trials/margin=0.3").code == 0
    assert len(computed) == 2


def counting(original, calls):
    def write(path, *others):
        calls.append(path)
        original(path, *others)

    return write


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sweep", "margim=0.1,0.2"), "did you mean 'margin'?"),
        (("--sweep", "margin=0.1,big"), "margin = 'big': it must be of type float"),
        (("--sweep", "margin=0.1,0.1"), "the sweep names margin=0.1 twice"),
        (("--sweep", "margin="), "a sweep over no value of margin"),
        (("--sweep", "margin"), "write `--sweep margin=0.1,0.2`"),
        (("--sweep", "margin=1", "--sweep", "margin=2"), "--sweep margin is given twice"),
        (("--sweep", "steps=2,4"), "steps is in --set and in --sweep"),
        (("--sweep", "seed=1,2"), "--seeds"),
        (("--sweep", "validation=0.2,0.4"), "no sweep over validation"),
        (("--seeds", "0"), "give `--seeds 1` or more"),
        (("--seeds", "2", "--set", "validation=0"), "leaves a sweep nothing to compare"),
        (("--seeds", "2", "--localise"), "--localise goes with"),
        (("--sweep", "mix=true,false"), "mix = true has no effect"),
    ],
)
def test_what_cannot_be_swept_over(texts, arguments, message):
    refused = sweep(texts, *arguments)
    assert refused.code in (1, 2)
    assert message in refused.err
    assert not (texts.folder / "sweep").exists()


def test_a_sweep_goes_on_as_it_was(texts, monkeypatch):
    assert sweep(texts, "--sweep", "margin=0.1,0.3").code == 0
    for arguments, message in {
        ("--sweep", "margin=0.1,0.2"): "sweeps over {'margin': [0.1, 0.3]} with 1 seeds",
        ("--seeds", "3"): "with 3",
        ("--set", "steps=9"): "steps: 4 before, 9 now",
    }.items():
        refused = texts("train", "-o", "sweep", "--resume", *arguments)
        assert refused.code == 2
        assert message in refused.err
    assert texts("train", "-o", "sweep", "--resume", "--sweep", "margin=0.1,0.3").code == 0
    taken = sweep(texts, "--sweep", "margin=0.1,0.3")
    assert "sweep is not empty" in taken.err
    monkeypatch.setenv("WORLD_SIZE", "2")
    parallel = texts("train", "-o", "sweep", "--resume")
    assert parallel.code == 2
    assert "start it without torchrun" in parallel.err


def test_a_sweep_that_was_killed_while_it_was_prepared(texts, monkeypatch):
    """What trials need beside their arrays is written, too, before they begin."""

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("siamkit.train.reference.write_references", fail)
        assert sweep(texts, "--sweep", "margin=0.1,0.3").code == 130
    written = []
    monkeypatch.setattr("siamkit.train.reference.write_references", lambda *a: written.append(a))
    resumed = texts("train", "-o", "sweep", "--resume")
    assert resumed.code == 0, resumed.err
    assert len(written) == 1
    assert texts("train", "-o", "sweep", "--resume").code == 0
    assert len(written) == 1


def test_from_python(texts):
    settings = {"steps": 2, "backbone": "encoder", "evaluate_every": 1.0}
    run = Workspace().train_sweep(
        "texts.jsonl", "sweep", modality="bigrams", sweep={"margin": [0.1, 0.3]}, config=settings
    )
    names = {trial.name for trial, _ in run.events()}
    assert names == {"margin=0.1", "margin=0.3"}
    result = run.result()
    assert [setting.settings for setting in result.settings] == [{"margin": 0.1}, {"margin": 0.3}]
    assert json.loads(json.dumps(asdict(result))) == asdict(result)


def test_values_of_a_grid_are_those_of_toml():
    grid = parse_grid(['loss=triplet,{name="arcface", scale=3},[1, 2],"a,b"', "frozen=true,false"])
    assert grid == {
        "loss": ["triplet", {"name": "arcface", "scale": 3}, [1, 2], "a,b"],
        "frozen": [True, False],
    }


def test_trials_have_names_that_are_folders():
    grid = {"backbone": ["encoder:a/b", "encoder:a b"], "margin": [0.1]}
    names = [point.name for point in points(TrainConfig(seed=7), grid, 2)]
    assert names == [
        "backbone=encoder_a_b,margin=0.1,seed=7",
        "backbone=encoder_a_b,margin=0.1,seed=8",
        "backbone=encoder_a_b,margin=0.1,seed=7-2",
        "backbone=encoder_a_b,margin=0.1,seed=8-2",
    ]
    with pytest.raises(BadInput, match="seeds = 0"):
        points(TrainConfig(), {}, 0)


def trials(**errors):
    """Return trials of one setting per keyword, with the errors of seeds 0, 1, …"""
    return [
        TrialResult(f"{name}{seed}", {"a": name}, seed, "", DONE, None, 9, 9, error, {"eer": error})
        for name, values in errors.items()
        for seed, error in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("errors", "best", "beyond", "text"),
    [
        # Seeds differ more than settings do, but every seed says the same.
        ({"x": (0.1, 0.2, 0.3), "y": (0.12, 0.23, 0.33)}, "x", True, "beyond the spread"),
        ({"x": (0.1, 0.2, 0.3), "y": (0.12, 0.19, 0.32)}, "x", False, "does not tell it from a=y"),
        ({"x": (0.2, 0.2), "y": (0.1, 0.1), "z": (0.1, 0.1)}, "y", False, "from a=z"),
        ({"x": (0.2,), "y": (0.1,)}, "y", None, "one seed shows no spread"),
        ({"x": (0.2, 0.3)}, "x", None, "nothing to compare"),
    ],
)
def test_the_verdict_is_by_seed(errors, best, beyond, text):
    results = trials(**errors)
    verdict = judge(results, summarise(results))
    assert (verdict.best, verdict.beyond_spread) == ({"a": best}, beyond)
    assert text in verdict.text


def test_the_trial_that_is_exported_gained_most():
    """Not the one whose seed drew the easiest identities."""
    luckiest = ended("lucky", 0, error=0.1, gained=True, fall=0.02)
    most = ended("most", 1, error=0.2, gained=True, fall=0.3)
    by_chance = ended("chance", 2, error=0.3, gained=False, fall=0.4)
    assert _best_trial([luckiest, most, by_chance]) is most
    assert _best_trial([luckiest, most, by_chance], exports_any=True) is most
    unproven = [replace(trial, gained=False) for trial in (luckiest, most)]
    assert _best_trial(unproven) is None
    assert _best_trial(unproven, exports_any=True).name == "most"


def ended(name, seed, **outcome):
    return TrialResult(name, {}, seed, name, DONE, None, 9, 9, **outcome)
