"""examples/train_characters.py runs on a folder of your own."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from samples import make_characters

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_characters.py"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the example in this process; returns its exit code, output and errors."""

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(EXAMPLE), run_name="__main__")
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return start


def test_a_folder_of_characters_gives_a_one_shot_accuracy(tmp_path, run):
    make_characters(tmp_path / "data", 30)
    code, out, err = run(tmp_path / "data", "--steps", "3", "-o", tmp_path / "run")
    assert code == 0, err
    said = re.search(r"1-shot (\d+)-way accuracy .*: ([\d.]+)%", out)
    assert said
    assert said[1] == "6"  # a fifth of them was kept out of training
    assert float(said[2]) > 50
    assert (tmp_path / "run" / "encoder" / "encoder.onnx").exists()


@pytest.mark.parametrize(
    ("characters", "message"),
    [(None, "is not a folder"), (0, "holds no pictures"), (3, "each side needs at least 2")],
)
def test_a_folder_that_does_not_do_is_named_in_a_line(tmp_path, run, characters, message):
    data = tmp_path / "data"
    if characters is not None:
        data.mkdir()
        make_characters(data, characters)
    code, _, err = run(data, "-o", tmp_path / "run")
    assert code == 2
    error, hint = err.splitlines()
    assert error.startswith(f"Error: {data}")
    assert message in error
    assert "--" not in hint
    assert not (tmp_path / "run").exists() or characters
