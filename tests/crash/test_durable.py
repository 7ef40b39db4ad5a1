"""What a command reports as done survives a power cut: it is on the disk, with its name."""

from __future__ import annotations

import json
import shutil
import subprocess

import kills
import numpy as np
import pytest
import syncs

import siamkit as sk

pytestmark = [
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(120),
]
TINY = ("--set", "identities=4", "--set", "samples=2")
TEXTS = "id,text\n" + "".join(f"{n},the text {n % 20} of all\n" for n in range(60))


@pytest.fixture(scope="module", autouse=True)
def tracing(tmp_path_factory):
    """Skip where processes may not be traced."""
    command = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("processes cannot be traced here")


@pytest.fixture
def people(tmp_path, shell_in):
    (tmp_path / "here").mkdir()
    shell = shell_in(tmp_path / "here")
    (shell.folder / "texts.csv").write_text(TEXTS)
    lines = [{"label": f"l{n % 15}", "text": f"the text {n % 15} of {n}"} for n in range(60)]
    (shell.folder / "ex.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (shell.folder / "trials.csv").write_text(kills.TRIALS)
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        ws.create_gallery("letters", "letters")
        rows = np.random.default_rng(0).normal(size=(50, 64))
        list(ws.add_templates("letters", [f"p {n}" for n in range(50)], rows))
    return shell


@pytest.mark.parametrize(
    "command",
    [
        ("--version",),
        ("init", "--store", "new/store"),
        ("enrol", "letters", "--text", "hello", "--as", "anna"),
        ("enrol", "letters", "--text", "hello", "--as", "anna", "--store", "a/new/store"),
        ("rename", "p 1", "p one"),
        ("forget", "p 1"),
        ("galleries", "create", "more", "-m", "letters"),
        ("galleries", "delete", "letters", "--yes"),
        ("index", "rebuild"),
        ("query", "letters", "--text", "x", "--threshold", "-1"),
        ("calibrate", "letters", "--trials", "trials.csv", "--output", "scores.json"),
        ("calibrate", "letters", "--trials", "trials.csv", "--report", "scores.html"),
        ("export", "letters", "out"),
        ("backup", "all.db"),
        ("embed", "-m", "letters", "--from", "texts.csv", "--column", "text", "--output", "v.npy"),
        ("dedupe", "texts.csv", "-m", "letters", "--column", "text", "--output", "groups.csv"),
        ("dedupe", "texts.csv", "-m", "letters", "--column", "text", "--output", "groups.parquet"),
        ("dedupe", "texts.csv", "-m", "letters", "--column", "text", "--output", "groups.db"),
        ("dedupe", "texts.csv", "-m", "letters", "--column", "text", "--report", "page.html"),
        ("audit", "letters", "--output", "found.csv"),
        ("train", "ex.jsonl", "-m", "bigrams", "-o", "run", "--set", "steps=4", *TINY),
        ("plugins", "new", "logos", "--kind", "image"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_reported_is_on_the_disk(people, command):
    assert syncs.not_synced(people.folder, command, people.environment) == []
