"""Settings: read, checked, written, compared."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamkit.errors import BadInput
from siamkit.train.config import MINERS, TrainConfig
from siamkit.train.loss_settings import LOSSES

losses = st.one_of(
    st.sampled_from(LOSSES),
    st.just("my.module:loss"),
    st.builds(
        lambda name, weight, more: {"name": name, "weight": weight, **more},
        st.sampled_from(["supcon", "triplet", "my_module:loss"]),
        st.floats(1e-6, 1e6),
        st.just({}),
    ),
    st.just({"name": "multi-similarity", "alpha": 2, "base": -0.5}),
    st.just({"name": "my:loss", "a key": ["x\\y", True, {"deep": [0.1]}], "é": "\"'"}),
)


@settings(max_examples=40)
@given(
    backbone=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1),
    dim=st.integers(2, 10**6),
    margin=st.floats(0, 3),
    frozen=st.booleans(),
    loss=losses | st.lists(losses, min_size=1, max_size=3),
    miner=st.sampled_from(MINERS),
)
def test_what_is_written_is_read_back(tmp_path_factory, **values):
    config = TrainConfig(**values)
    assert hash(config) == hash(TrainConfig(**values))
    assert json.loads(json.dumps(asdict(config)))["margin"] == config.margin
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert TrainConfig.read(path) == config
    path.write_text(config.to_toml(comments=True), encoding="utf-8")
    assert TrainConfig.read(path) == config


def test_a_whole_number_is_accepted_for_a_share_but_a_word_is_not_for_a_number():
    assert TrainConfig().changed({"margin": 1}).margin == 1.0
    with pytest.raises(BadInput, match="steps = 'many': it must be of type int"):
        TrainConfig().changed({"steps": "many"})
    with pytest.raises(BadInput, match="steps = True"):
        TrainConfig().changed({"steps": True})


def test_a_change_leaves_the_other_settings():
    assert TrainConfig(steps=5).changed({"margin": 0.3}) == TrainConfig(steps=5, margin=0.3)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"margn": 0.3}, "did you mean 'margin'?"),
        ({"loss": "tripet"}, "did you mean 'triplet'?"),
        ({"miner": "xyz"}, "known: auto, random"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(values, hint):
    with pytest.raises(BadInput) as caught:
        TrainConfig().changed(values)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dim", 1),
        ("steps", 0),
        ("identities", 1),
        ("validation", 1.0),
        ("average", 1.0),
        ("learning_rate", 0.0),
        ("temperature", -1.0),
        ("margin", -0.1),
    ],
)
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(BadInput, match=key):
        TrainConfig().changed({key: value})


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"warmup": 100}, "100 of 2,000 steps are warmup=0.05"),
        ({"evaluate_every": 50, "steps": 400}, "50 of 400 steps are evaluate_every=0.125"),
        ({"patience": 5}, "5 of 10 evaluations are patience=0.5"),
        ({"refresh": 3000}, "`siamkit train config` explains it"),
        ({"evaluate_every": 0}, "`siamkit train config` explains it"),
    ],
)
def test_a_number_of_steps_is_answered_with_its_share(values, hint):
    with pytest.raises(BadInput, match="it is a share of the run's steps") as caught:
        TrainConfig().changed(values)
    assert caught.value.hint == hint


@pytest.mark.parametrize("steps", [1, 7, 60, 2000, 100_000])
def test_the_pace_follows_the_length_of_the_run(steps):
    config = TrainConfig(steps=steps)
    assert config.steps_between_evaluations == max(1, steps // 10)
    assert config.warmup_steps == round(0.05 * steps)
    assert TrainConfig(steps=steps, patience=0.0).patient_evaluations == 0
    assert TrainConfig(steps=60, patience=0.2).patient_evaluations == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        TrainConfig.read(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("margin = ")
    with pytest.raises(BadInput, match=r"bad\.toml cannot be read"):
        TrainConfig.read(tmp_path / "bad.toml")


def test_differences_name_each_key():
    lines = TrainConfig().differences(TrainConfig(margin=0.3, loss="arcface"))
    assert lines == ['loss: "auto" before, "arcface" now', "margin: 0.2 before, 0.3 now"]
    assert TrainConfig().differences(TrainConfig()) == []


@pytest.mark.parametrize(
    ("loss", "message", "hint"),
    [
        ("nt-xent", "loss = 'nt-xent'", "did you mean 'multiple-negatives'?"),
        ({"name": "multi_similarity"}, "loss = 'multi_similarity'", "'multi-similarity'?"),
        ({"name": "triplet", "margn": 1}, "triplet: unknown parameter 'margn'", "'margin'?"),
        ({"name": "supcon", "sub_centers": 2}, "unknown parameter", "known: temperature, weight"),
        ({"name": "triplet", "margin": "wide"}, "margin of triplet = 'wide'", ""),
        ({"name": "triplet", "margin": -1}, "margin of triplet = -1.0: it must be at least 0", ""),
        ({"name": "triplet", "margin": float("inf")}, "margin of triplet = inf", ""),
        ({"name": "triplet", "power": 3}, "power of triplet = 3: .* at most 2", ""),
        ({"name": "triplet", "swap": 1}, "swap of triplet = 1: it must be of type bool", ""),
        ({"name": "subcenter-arcface", "sub_centers": 2.5}, "must be of type int", ""),
        ({"name": "multi-similarity", "alpha": 0}, "alpha .* above 0", ""),
        ({"name": "triplet", "weight": 0}, "weight of triplet = 0.0: it must be above 0", ""),
        ({"name": "a:b", "weight": -1}, "weight of a:b", ""),
        ({"margin": 1}, "it has no name", "write {name"),
        ([], "it names no loss", ""),
        (["triplet", 3], "loss = 3", ""),
        ([["triplet"]], "must be a name, a table or a list", ""),
        (5, "loss = 5", ""),
        (["auto", "supcon"], "loss = 'auto' stands alone", "name a loss"),
        ('["triplet"', "not TOML", "--set"),
        ("my losses:x", "module:function", "my_losses"),
    ],
)
def test_a_loss_that_cannot_be_built_is_refused_and_named(loss, message, hint):
    for refused in (
        lambda: TrainConfig().changed({"loss": loss}),
        lambda: TrainConfig(loss=loss),
    ):
        with pytest.raises(BadInput, match=message) as caught:
            refused()
        assert hint in caught.value.hint


def test_the_flat_margin_and_temperature_are_the_defaults_of_the_losses_that_have_them():
    config = TrainConfig(loss=["triplet", "cosface", {"name": "arcface", "margin": 0.5}, "circle"])
    triplet, cosface, arcface, circle = config.changed(
        {"margin": 0.3, "temperature": 0.05}
    ).loss_terms()
    assert triplet.parameters == {"margin": 0.3, "power": 2, "swap": False}
    assert cosface.parameters == {"margin": 0.15, "scale": 20}
    assert arcface.parameters == {"margin": 0.5, "scale": 20}
    assert circle.parameters == {"margin": 0.4, "gamma": 80}
    with pytest.raises(BadInput, match=r"margin of arcface = 3\.5"):
        TrainConfig(loss="arcface", margin=3.5)


def test_differences_show_tables_as_they_are_written():
    later = TrainConfig(loss=["triplet", {"name": "arcface", "weight": 0.5}])
    (line,) = TrainConfig().differences(later)
    assert line == 'loss: "auto" before, ["triplet", {name = "arcface", weight = 0.5}] now'
