"""examples/train_characters.py runs on a folder of one's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_characters.py"


def draw(folder: Path, characters: int, hands: int) -> None:
    """Characters of three strokes, each drawn by several shaky hands."""
    for character in range(characters):
        strokes = np.random.default_rng(character).uniform(10, 90, (3, 4))
        for hand in range(hands):
            picture = Image.new("L", (105, 105), 255)
            for stroke in strokes + np.random.default_rng([character, hand]).normal(0, 3, (3, 4)):
                ImageDraw.Draw(picture).line(stroke.tolist(), 0, 3)
            path = folder / f"alphabet-{character % 2}" / f"character-{character}"
            path.mkdir(parents=True, exist_ok=True)
            picture.save(path / f"{hand}.png")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE, *arguments], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )  # fmt: skip


def test_a_folder_of_characters_gives_a_one_shot_accuracy(tmp_path):
    draw(tmp_path / "data", 30, 5)
    done = run(tmp_path / "data", "--steps", "12", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    said = re.search(r"1-shot \d+-way accuracy .*: ([\d.]+)%", done.stdout)
    assert said
    assert float(said[1]) > 50
    assert (tmp_path / "run" / "encoder" / "encoder.onnx").exists()


def test_a_folder_without_pictures_is_refused_in_a_line(tmp_path):
    (tmp_path / "data").mkdir()
    done = run(tmp_path / "data", "--out", tmp_path / "run")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
