"""examples/train_characters.py runs on a folder of one's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from samples import make_characters

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_characters.py"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )


def test_a_folder_of_characters_gives_a_one_shot_accuracy(tmp_path):
    make_characters(tmp_path / "data", 30)
    done = run(tmp_path / "data", "--steps", "3", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    said = re.search(r"1-shot (\d+)-way accuracy .*: ([\d.]+)%", done.stdout)
    assert said
    assert said[1] == "6"  # a fifth of them was kept out of training
    assert float(said[2]) > 50
    assert (tmp_path / "run" / "encoder" / "encoder.onnx").exists()


@pytest.mark.parametrize(
    ("characters", "message"),
    [(None, "is no folder"), (0, "holds no pictures"), (3, "each side needs at least 2")],
)
def test_a_folder_that_does_not_do_is_named_in_a_line(tmp_path, characters, message):
    data = tmp_path / "data"
    if characters is not None:
        data.mkdir()
        make_characters(data, characters)
    done = run(data, "--out", tmp_path / "run")
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"Error: {data}")
    assert message in error
    assert "--" not in hint
    assert not (tmp_path / "run").exists() or characters
