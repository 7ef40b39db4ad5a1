"""Galleries to run commands on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from manifest import lines
from PIL import Image


@pytest.fixture
def letters(shell):
    done = shell("enrol", "letters", "--from", "-", stdin=lines(
        ("greet", "hello there my friend"), ("sum", "one and one is two")))  # fmt: skip
    assert done.code == 0, done.err
    (shell.folder / "q.txt").write_text("hello there my freind")
    return shell


@pytest.fixture
def tiles(shell):
    """Pictures: red, blue, both side by side, one too small, one empty."""
    for name, squares in {
        "red": [("red", 10, 40)],
        "blue": [("blue", 10, 40)],
        "both": [("red", 10, 30), ("blue", 60, 40)],
        "small": [("red", 10, 4)],
        "empty": [],
    }.items():
        picture = Image.new("RGB", (120, 60), "white")
        for colour, left, width in squares:
            picture.paste(colour, (left, 10, left + width, 50))
        picture.save(shell.folder / f"{name}.png")
    return shell


@pytest.fixture
def picture(shell) -> Path:
    rng = np.random.default_rng(0)
    path = shell.folder / "good.png"
    Image.fromarray(rng.integers(0, 240, (64, 64, 3), dtype=np.uint8)).save(path)
    return path
