"""Settings: read, checked, written, compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.errors import BadInput
from siamkit.train.config import (
    LOSSES,
    MINERS,
    TrainConfig,
    configure,
    differences,
    parse_settings,
    read_config,
    to_toml,
)


@given(
    backbone=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1),
    dim=st.integers(2, 10**6),
    margin=st.floats(0, 4),
    frozen=st.booleans(),
    loss=st.sampled_from(LOSSES),
    miner=st.sampled_from(MINERS),
)
def test_what_is_written_is_read_back(tmp_path_factory, **values):
    config = TrainConfig(**values)
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert configure(read_config(path)) == config


def test_settings_are_toml_or_else_plain_words():
    values = parse_settings(["margin=0.3", "loss=arcface", "frozen = true", 'miner="random"'])
    assert values == {"margin": 0.3, "loss": "arcface", "frozen": True, "miner": "random"}
    config = configure(values)
    assert (config.margin, config.loss, config.frozen) == (0.3, "arcface", True)


def test_a_whole_number_will_do_for_a_share_but_no_word_for_a_number():
    assert configure({"margin": 1}).margin == 1.0
    with pytest.raises(BadInput, match="steps = 'many': it must be of type int"):
        configure({"steps": "many"})
    with pytest.raises(BadInput, match="steps = True"):
        configure({"steps": True})


@pytest.mark.parametrize(
    ("values", "hint"),
    [({"margn": 0.3}, "did you mean 'margin'?"), ({"loss": "tripet"}, "did you mean 'triplet'?"),
     ({"miner": "xyz"}, "known: auto, random")],
)  # fmt: skip
def test_an_unknown_word_has_a_near_one(values, hint):
    with pytest.raises(BadInput) as caught:
        configure(values)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "values",
    [{"dim": 1}, {"steps": 0}, {"identities": 1}, {"validation": 1.0}, {"average": 1.0},
     {"learning_rate": 0.0}, {"temperature": -1.0}, {"margin": -0.1}],
)  # fmt: skip
def test_what_cannot_be_is_refused(values):
    with pytest.raises(BadInput, match=next(iter(values))):
        configure(values)


def test_a_setting_needs_a_value_and_a_file_must_be_one(tmp_path):
    with pytest.raises(BadInput, match="sets nothing"):
        parse_settings(["margin"])
    with pytest.raises(BadInput, match="No such file"):
        read_config(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("margin = ")
    with pytest.raises(BadInput, match=r"bad\.toml cannot be read"):
        read_config(tmp_path / "bad.toml")


def test_differences_name_each_key():
    lines = differences(TrainConfig(), TrainConfig(margin=0.3, loss="arcface"))
    assert lines == ['loss: "triplet" before, "arcface" now', "margin: 0.2 before, 0.3 now"]
    assert differences(TrainConfig(), TrainConfig()) == []
