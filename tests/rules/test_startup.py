"""What is loaded when: help needs click, a query needs no torch."""

from __future__ import annotations

import json
import subprocess
import sys

from siamkit.cli import COMMANDS

HEAVY = {"numpy", "faiss", "onnxruntime", "PIL", "sqlite_utils", "torch", "timm", "sqlite3"}
HEAVY |= {"pyarrow", "scipy", "psutil"}
TRAINING = {"torch", "torchvision", "timm", "sentence_transformers", "transformers", "sqlite_utils"}


SCRIPT = """
import json, sys
from siamkit.cli import run
for command in json.loads(sys.argv[1]):
    run(command.split())
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("LOADED", json.dumps([command, sorted(loaded)]), file=sys.stderr)
"""


def loaded_after(commands, shell):
    """Run commands in one process, and return what is loaded after each."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=shell.folder,
        env=shell.environment,
    )
    lines = [line for line in run.stderr.splitlines() if line.startswith("LOADED ")]
    loaded = dict(json.loads(line.removeprefix("LOADED ")) for line in lines)
    assert loaded.keys() == set(commands), run.stderr
    return {command: set(names) for command, names in loaded.items()}


def test_help_loads_nothing_heavy(shell):
    commands = ["--help", *(f"{name} --help" for name in COMMANDS)]
    for command, loaded in loaded_after(commands, shell).items():
        assert not loaded & HEAVY, command


def test_what_compares_no_vectors_loads_no_numpy(shell):
    (shell.folder / "q.txt").write_text("hello")
    shell("enrol", "letters", "q.txt", "--as", "greeting")
    shell("enrol", "letters", "q.txt", "--as", "twin")
    shell("query", "letters", "q.txt")  # saves an index
    shell("forget", "twin", "--yes")
    for command, loaded in loaded_after(["list", "galleries"], shell).items():
        assert not loaded & (HEAVY - {"sqlite3"}), command


def test_no_verb_loads_torch(shell):
    (shell.folder / "q.txt").write_text("hello")
    shell("init")
    commands = [
        "enrol letters q.txt --as x",
        "query letters q.txt",
        "classify letters q.txt --unknown",
        "verify letters q.txt q.txt",
        "explain letters q.txt q.txt -o q.png",
        "dedupe q.txt -m letters",
    ]
    for command, loaded in loaded_after(commands, shell).items():
        assert not loaded & TRAINING, command
