"""What is loaded when: help needs click, a query needs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"numpy", "faiss", "onnxruntime", "PIL", "sqlite_utils", "torch", "timm", "sqlite3"}
HEAVY |= {"pyarrow", "scipy", "psutil"}
TRAINING = {"torch", "torchvision", "timm", "sentence_transformers", "transformers", "sqlite_utils"}


def loaded_after(arguments: list[str], folder, environment) -> set[str]:
    script = (
        "import sys\nfrom siamkit.cli import run\ncode = run(sys.argv[1:])\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    (line,) = (line for line in run.stderr.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


@pytest.mark.parametrize(
    "command",
    ["", "enrol", "query", "classify", "verify", "detect", "explain", "dedupe", "embed", "doctor"],
)
def test_help_loads_nothing_heavy(shell, command):
    loaded = loaded_after([*command.split(), "--help"], shell.folder, shell.environment)
    assert not loaded & HEAVY


@pytest.mark.parametrize("command", ["list", "galleries", "forget greeting"])
def test_what_compares_no_vectors_loads_no_numpy(shell, command):
    (shell.folder / "q.txt").write_text("hello")
    shell("enrol", "letters", "q.txt", "--as", "greeting")
    loaded = loaded_after(command.split(), shell.folder, shell.environment)
    assert not loaded & (HEAVY - {"sqlite3"})


def test_no_verb_loads_torch(shell):
    (shell.folder / "q.txt").write_text("hello")
    shell("init")
    for command in (
        ["enrol", "letters", "q.txt", "--as", "x"],
        ["query", "letters", "q.txt"],
        ["classify", "letters", "q.txt", "--unknown"],
        ["verify", "letters", "q.txt", "q.txt"],
        ["explain", "letters", "q.txt", "q.txt", "-o", "q.png"],
        ["dedupe", "q.txt", "-m", "letters"],
    ):
        assert not loaded_after(command, shell.folder, shell.environment) & TRAINING
