"""What is stored is checked when it is read: a damaged row takes part in nothing, and is named."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from damage import alter, vector_of
from manifest import lines

TEXTS = {"greet": "hello there my friend", "sum": "one and one is two", "fox": "a quick brown fox"}
PROBE = "hello there my freind"


@pytest.fixture
def letters(shell):
    """Three identities, of two samples each; sample 1 is the first of `greet`."""
    pairs = [(label, text + end) for end in ("", " again") for label, text in TEXTS.items()]
    done = shell("enrol", "letters", "--from", "-", stdin=lines(*pairs))
    assert done.code == 0, done.err
    return shell


def flip_exponent(vector: np.ndarray) -> None:
    vector.view("<u4")[0] ^= 1 << 30


def flip_sign(vector: np.ndarray) -> None:
    vector[np.abs(vector).argmax()] *= -1  # its norm stays 1


def flip_mantissa(vector: np.ndarray) -> None:
    vector.view("<u4")[0] ^= 1


DAMAGE: dict[str, Callable[[np.ndarray], None]] = {
    "exponent": flip_exponent,
    "sign": flip_sign,
    "mantissa": flip_mantissa,
    "nan": lambda vector: vector.fill(np.nan),
    "zero": lambda vector: vector.fill(0),
}


@pytest.mark.parametrize("snapshot", ["before", "after"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_template_takes_part_in_nothing(letters, kind, snapshot):
    """Whether the index was saved before the damage, or is built after it."""
    root = letters.folder / ".siamkit"
    if snapshot == "before":
        letters("index", "rebuild", "letters")
    vector = vector_of(root, 1)
    DAMAGE[kind](vector)
    alter(root, "UPDATE templates SET vector = ? WHERE sample_id = 1", vector)
    for command in (
        ("query", "letters", "--text", PROBE, "-k", "9", "--json"),
        ("query", "letters", "--text", PROBE, "-k", "9", "--fusion", "mean", "--json"),
        ("verify", "letters", "--as", "greet", "--text", PROBE, "--json"),
        ("classify", "letters", "--text", PROBE, "--json"),
        ("audit", "letters", "--json"),
        ("export", "letters", "copy"),
        ("evaluate", "--gallery", "letters", "--json"),
        ("calibrate", "letters", "--fmr", "0.3", "--json"),
    ):
        done = letters(*command)
        assert done.code in (0, 1, 2, 3, 5), done.err
        assert "damaged" in done.err, command
        assert "`siamkit doctor` says how to mend them" in done.err
    exported = np.load(letters.folder / "copy" / "templates.npy")
    assert len(exported) == 5
    done = letters("query", "letters", "--text", PROBE, "-k", "9", "--json")
    (region,) = json.loads(done.out)["probes"][0]["regions"]
    assert region["matches"][0]["sample_id"] == 4  # the other of `greet`
    assert all(abs(match["score"]) <= 1 for match in region["matches"])
