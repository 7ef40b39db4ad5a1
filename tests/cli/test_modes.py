"""Outputs are their owner's alone to read, whatever the umask, and whatever they replace."""

from __future__ import annotations

import os

import kills
import numpy as np
import pytest

import siamkit as sk
from siamkit.embed.resumable import ResumableVectors

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere modes say nothing of others")
TEXTS = "text\n" + "".join(f"the text {n % 20} of all\n" for n in range(60))
DEDUPE = ("dedupe", "texts.csv", "-m", "letters", "--column", "text")
EVALUATE = ("evaluate", "trials.csv", "-m", "letters")
CALIBRATE = ("calibrate", "letters", "--trials", "trials.csv")
EMBED = ("embed", "-m", "letters", "--from", "texts.csv", "--column", "text")


@pytest.fixture
def people(shell):
    (shell.folder / "texts.csv").write_text(TEXTS)
    (shell.folder / "trials.csv").write_text(kills.TRIALS)
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        ws.create_gallery("letters", "letters")
        rows = np.random.default_rng(0).normal(size=(50, 64))
        list(ws.add_templates("letters", [f"p {n}" for n in range(50)], rows))
    for path in shell.folder.iterdir():
        path.chmod(0o700 if path.is_dir() else 0o600)
    before = os.umask(0)
    yield shell
    os.umask(before)


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaces"])
@pytest.mark.parametrize(
    "command",
    [
        ("export", "letters", "out"),
        ("backup", "out.db"),
        (*EMBED, "--output", "out.npy"),
        (*DEDUPE, "--output", "out.csv"),
        (*DEDUPE, "--output", "out.parquet"),
        (*DEDUPE, "--output", "out.jsonl"),
        (*DEDUPE, "--pairs", "out.db"),
        (*DEDUPE, "--report", "out.html"),
        (*CALIBRATE, "--output", "out.json"),
        (*CALIBRATE, "--report", "out.html"),
        (*EVALUATE, "--scores", "out.csv"),
        (*EVALUATE, "--report", "out.html"),
        ("audit", "letters", "--output", "out.csv"),
    ],
    ids=" ".join,
)
def test_an_output_is_its_owners_alone(people, command, replaces):
    if replaces and not command[-1].endswith((".db", "out")):  # those are new, or tables of others
        (people.folder / command[-1]).touch(0o666)
        (people.folder / "out.jsonl").touch(0o666)
    assert people(*command).code == 0
    assert (people.folder / command[-1]).exists()
    shared = [path for path in people.folder.rglob("*") if path.stat().st_mode & 0o077]
    assert [path for path in shared if path.stat().st_size or path.name != "out.jsonl"] == []


def test_vectors_of_an_interrupted_run_are_their_owners_alone(people, monkeypatch, tmp_path):
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path / "cache"))
    vectors = ResumableVectors("letters/1:toy", "none", [b"a", b"b"], 2, 64)
    vectors.vectors[:] = 1 / 8
    paths = [vectors.folder, *vectors.folder.rglob("*")]
    assert [path.name for path in paths[1:]] == ["vectors.npy"]
    assert not any(path.stat().st_mode & 0o077 for path in paths)
