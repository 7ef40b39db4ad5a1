"""Install and use examples/siamkit-doodles as its author and its users would."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "siamkit-doodles"
PUBLIC = {"errors", "protocols", "sdk", "testing", "types"}
# Fewer drawings and rounds than the programs have, and otherwise the programs as they are.
FEWER = {
    "make_doodles.py": ("DOODLES, HANDS = 300, 10", "DOODLES, HANDS = 60, 5"),
    "one_shot.py": ("WAYS, ROUNDS = 1_000_000, 20, 20", "WAYS, ROUNDS = 1_000_000, 20, 5"),
}
# A head on the encoder that the plugin has, trained in seconds: as good as that, and not better.
HEAD = {
    "backbone": "encoder",
    "steps": "15",
    "warmup": "0.1",
    "identities": "24",
    "samples": "4",
    "validation": "0",
    "precision": "fp32",
    "device": "cpu",
    "compare": "false",
}


def run(folder, *command):
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "site"),
        "SIAMKIT_CACHE": str(folder / "cache"),
        "SIAMKIT_STORE": str(folder / "store"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder / "siamkit-doodles",
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy of the distribution, installed by pip into a folder of its own."""
    pytest.importorskip("setuptools", "77", reason="needs setuptools 77")
    folder = tmp_path_factory.mktemp("doodles")
    shutil.copytree(EXAMPLE, folder / "siamkit-doodles")
    for name, (whole, fewer) in FEWER.items():
        program = folder / "siamkit-doodles" / name
        text = program.read_text()
        assert whole in text
        program.write_text(text.replace(whole, fewer))
    run(
        folder,
        *("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--disable-pip-version-check", "--target", folder / "site", "."),
    )
    return folder


def test_it_keeps_the_rules(installed):
    tested = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", ".")
    assert "failed" not in tested
    checked = run(installed, "-m", "siamkit", "plugins", "check", "doodles")
    assert "0 failed" in checked


def test_it_trains_on_what_it_draws_and_tells_unseen_doodles_apart(installed):
    run(installed, "make_doodles.py", "drawn")
    sets = [f"--set={key}={value}" for key, value in HEAD.items()]
    run(installed, "-m", "siamkit", "train", "drawn", "-m", "doodles", "-o", "run", *sets)
    run(installed, "-m", "siamkit", "encoders", "build", "doodles")
    shown = run(installed, "one_shot.py", "run/encoder")
    before, after = (float(share) for share in re.findall(r": ([\d.]+)% of 100", shown))
    assert min(before, after) > 15  # by chance it would be 5
    assert after != before


@pytest.mark.parametrize("file", sorted(EXAMPLE.glob("*.py")), ids=lambda file: file.name)
def test_it_uses_no_private_name(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("siamkit."):
            assert str(node.module).split(".")[1] in PUBLIC, node.module
            assert not any(alias.name.startswith("_") for alias in node.names)
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("siamkit.") for alias in node.names)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
