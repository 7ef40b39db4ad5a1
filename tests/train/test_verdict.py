"""A run says whether it has gained anything, and exports nothing if not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import toykit
from toydata import train, write_people, write_texts  # noqa: F401

from siamkit.train import events, untrained
from siamkit.train.config import TrainConfig
from siamkit.train.data import load
from siamkit.train.events import Alarm, Baseline, Verdict
from siamkit.train.modality import bind, can_freeze
from siamkit.train.record import read_record
from siamkit.train.split import folds_of
from siamkit.train.untrained import Alternative
from siamkit.train.validation import NEGATIVES, HeldOut
from siamkit.train.verdict import judge
from siamkit.types import Threshold

HEAD = {"compare": "true", "steps": 4, "evaluate_every": 2, "dim": 48, "learning_rate": 1e-9}


def around(labels, noise, seed=0):
    """Vectors near that of their label."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(labels.max() + 1, 16))[labels]
    rows += noise * rng.normal(size=(len(labels), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def held(labels):
    none = np.empty((0, 2), np.int64)
    marks = np.zeros(len(labels), bool)
    return HeldOut(labels, marks, none, np.empty(0, bool), np.arange(len(labels)))


def judged(identities, before, after, **options):
    labels = np.arange(6 * identities) // 6
    alternatives = [Alternative(f"a{i}", around(labels, n, i)) for i, n in enumerate(before)]
    return judge(9, around(labels, after, 9), held(labels), alternatives, TrainConfig(), **options)


@pytest.mark.parametrize(("identities", "folds"), [(3, 0), (4, 2), (9, 4), (10, 5), (100, 5)])
def test_folds_are_advised_that_so_many_identities_allow(identities, folds):
    assert folds_of(identities) == folds
    advice = judged(6, [1.0], 1.0, folds=folds).advice
    assert ("--folds" in advice) == bool(folds)
    assert not folds or f"`--folds {folds}`" in advice


def test_a_gain_is_over_the_best_alternative_and_beyond_chance():
    verdict = judged(20, [1.2, 0.9], 0.4)
    assert (verdict.gained, verdict.alternative, verdict.identities) == (True, "a1", 20)
    assert 0 < verdict.low < verdict.before - verdict.error < verdict.high
    assert verdict.advice == ""
    assert judged(20, [1.2, 0.3], 0.4).gained is False  # one alternative is as good
    assert judged(20, [], 0.4).gained is None


def test_a_few_identities_show_no_gain():
    verdict = judged(4, [1.2], 0.4)
    assert verdict.error < verdict.before
    assert (verdict.gained, verdict.low) == (False, None)
    assert verdict.advice == (
        "add identities, or measure on all of them with `--folds 5`; `--set validation=0.5`"
    )


def test_what_to_try_depends_on_whether_the_error_fell():
    slower = "learn more slowly with `--set learning_rate=0.0001`"
    assert judged(20, [0.4], 0.9).advice == slower
    assert judged(20, [0.4], 0.9, can_freeze=True).advice == (
        f"train a head alone with `--set frozen=true`; {slower}"
    )
    easy = judged(20, [0.01], 0.9, can_freeze=True)
    assert (easy.before, easy.gained) == (0, False)
    assert easy.advice.startswith("add harder pairs, labelled different")


def test_only_a_network_that_is_trained_whole_can_be_frozen():
    trunk = toykit.Tiles()
    assert can_freeze(trunk, TrainConfig())
    assert not can_freeze(trunk, TrainConfig(frozen=True))
    assert not can_freeze(trunk, TrainConfig(freeze=1))
    assert not can_freeze(bind(toykit.Bigrams(), TrainConfig()), TrainConfig())  # auto: a head


@pytest.mark.parametrize(
    ("outcome", "low", "high", "interval"),
    [
        ("gained", 0.0003, 0.506, "0.03 to 50.6"),
        ("not shown to gain", -0.00021, 0.506, "-0.021 to 50.6"),
        ("no gain", -0.0833, -0.01, "-8.3 to -1.0"),
    ],
)
def test_an_interval_shows_on_which_side_of_0_it_ends(outcome, low, high, interval):
    error = 0.6 if outcome == "no gain" else 0.25
    assert events.outcome(outcome == "gained", 0.5, error) == outcome
    assert events.interval_of_fall(low, high) == f"98% interval of the fall: {interval} points"


def test_samples_that_an_alternative_cannot_embed_are_left_out_for_both():
    labels = np.arange(60) // 6
    vectors = around(labels, 1.0)
    vectors[::7] = np.nan
    verdict = judge(
        1, around(labels, 0.2), held(labels), [Alternative("a", vectors)], TrainConfig()
    )
    assert verdict.gained
    assert verdict.before > 0


def test_no_gain_exports_nothing_and_says_what_to_try(train):  # noqa: F811
    write_texts(train.folder)
    completed = train.texts("texts.jsonl", **HEAD)
    assert completed.code == 0, completed.err
    facts = json.loads(completed.out)
    assert (facts["gained"], facts["encoder"], facts["fingerprint"]) == (False, None, None)
    assert facts["verdict"]["alternative"] == "the encoder random"
    assert facts["eer_before"] == pytest.approx(facts["eer"], abs=0.01)
    run = train.folder / "run"
    assert not (run / "encoder").exists()
    assert isinstance(read_record(run)[-1], Verdict)
    again = train("train", "-o", "run", "--resume")
    line = again.out.splitlines()[-1]
    assert re.match("no gain: error .* over the encoder random, .* pairs.*; no step is bet", line)
    assert "use the encoder random as it is" in line
    assert "`siamkit train export run` would" in line
    assert len([e for e in read_record(run) if isinstance(e, Verdict)]) == 1

    verify = ("verify", "-m", "bigrams", "--encoder", "run/encoder", "--text", "a", "--text", "b")
    refused = train(*verify)
    assert refused.code == 1
    assert "no encoder 'run/encoder' for bigrams: run has exported nothing" in refused.err
    assert "`siamkit train export run` does" in refused.err
    exported = train("train", "export", "run")
    assert exported.code == 0, exported.err
    assert "exported all the same" in exported.out.splitlines()[-1]
    assert toykit.Bigrams().encoder(run / "encoder").embed(["hello"]).shape == (1, 48)


def test_the_default_encoder_and_the_backbone_are_what_there_is_without_training(train):  # noqa: F811
    write_people(train.folder, identities=10)
    assert train.tiles(compare="true", steps=2, evaluate_every=2).code == 0
    run = train.folder / "run"
    (baseline,) = [e for e in read_record(run) if isinstance(e, Baseline)]
    assert baseline.name == "the encoder tiles/1:toy"
    (alternative,) = untrained.read(run)
    dataset = load(run).dataset
    rows = np.flatnonzero(~dataset.training)
    media = [toykit.Tiles().load(Path(dataset.sources[row])) for row in rows]
    np.testing.assert_allclose(alternative.vectors, toykit.TilesEncoder().embed(media), atol=1e-6)


def test_what_an_earlier_start_left_is_not_exported(train):  # noqa: F811
    """Its best weights were those of step 0; the next start validates nothing."""
    write_people(train.folder)
    assert train.tiles(learning_rate=1e30, warmup=0).code == 1
    run = train.folder / "run"
    assert (run / "best.safetensors").exists()
    options = ("--set", "learning_rate=0.001", "--set", "validation=0")
    completed = train("train", "--resume", "-o", "run", "--json", *options)
    assert completed.code == 0, completed.err
    assert not (run / "best.safetensors").exists()
    card = toykit.Tiles().encoder(run / "encoder").card
    assert card.training["step"] == 12


def test_weights_that_are_not_finite_are_an_alarm_in_the_record(train, monkeypatch):  # noqa: F811
    write_people(train.folder)
    monkeypatch.setattr(
        "siamkit.train.validation.embed",
        lambda network, arrays, rows, *_: torch.full((len(rows), 4), float("nan")),
    )
    assert train.tiles(steps=2).code == 1
    (alarm,) = [e for e in read_record(train.folder / "run") if isinstance(e, Alarm)]
    assert alarm.name == "diverged"


@pytest.mark.parametrize(
    "setting", [{"frozen": "true"}, {"pretrained": "false"}, {"views": "false"}]
)
def test_what_a_head_cannot_follow_is_refused(train, setting):  # noqa: F811
    write_texts(train.folder)
    completed = train.texts("texts.jsonl", **setting)
    ((name, value),) = setting.items()
    assert completed.code == 2
    assert f"{name} = {value} has no effect with backbone encoder" in completed.err


def test_a_threshold_says_which_pairs_its_rate_is_of():
    source = "300 hard pairs of different identities and 90 mated pairs of the validation …"
    assert Threshold(0.5, 0.1, source).among == "hard pairs"
    assert Threshold(0.5, 0.1, "pairs of strangers").among == ""
    for words in NEGATIVES.values():
        among = Threshold(0.5, 0.1, f"300 {words} and 90 mated pairs …").among
        assert [part in among for part in ("hard pairs", "labelled", "impostor")] == [
            part in words for part in ("hard pairs", "labelled", "impostor")
        ]


def test_an_encoder_folder_is_stored_absolute(train):  # noqa: F811
    write_texts(train.folder)
    assert train.texts("texts.jsonl", steps=2, compare="false").code == 0
    settings = {"backbone": "encoder:run/encoder", "steps": 2, "compare": "false"}
    assert train.texts("texts.jsonl", out="next", **settings).code == 0
    config = TrainConfig.read(train.folder / "next" / "config.toml")
    assert config.backbone == f"encoder:{(train.folder / 'run' / 'encoder').resolve()}"
