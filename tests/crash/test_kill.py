"""SIGKILL at random moments, and several processes at once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import kills
import processes
import pytest


@pytest.mark.timeout(240)
def test_kill_nine_loses_nothing_acknowledged(tmp_path):
    tally = kills.run(10, tmp_path, seed=1)
    assert tally.kills == 10
    assert tally.acknowledged > 0
    assert (tally.lost, tally.traces, tally.inconsistent) == (0, 0, [])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("action", ["export", "embed", "backup", "calibrate"])
def test_a_killed_output_is_absent_or_whole(tmp_path, monkeypatch, action):
    monkeypatch.setattr(kills, "ENROLLED", 300)
    rounds = kills.Round(tmp_path, random.Random(0))
    while len(rounds.alive) < 50:
        rounds.enrol()
    monkeypatch.setattr(kills, "ACTIONS", {action: 1})
    before = rounds.tally.kills
    while rounds.tally.kills < before + 2:
        rounds.play()
    assert (rounds.tally.lost, rounds.tally.inconsistent) == (0, [])


def test_the_processes_that_are_killed_run_this_checkout(tmp_path):
    """Not what happens to be installed."""
    code = "import siamkit, siamkit_faiss; print(siamkit.__file__, siamkit_faiss.__file__)"
    command = [sys.executable, "-c", code]
    paths = subprocess.check_output(command, env=kills.ENVIRONMENT, cwd=tmp_path, text=True)
    assert all(Path(path).is_relative_to(kills.ROOT) for path in paths.split())


@pytest.mark.timeout(240)
def test_four_writers_and_four_readers_agree_with_their_models(tmp_path):
    tally = processes.run(5, tmp_path)
    assert tally.acknowledged > 0
    assert tally.asked > 0
    assert (tally.faults(), tally.wrong, tally.errors) == (0, [], [])


@pytest.mark.timeout(240)
def test_several_processes_enrol_and_query_at_once(shell):
    shell("galleries", "create", "letters", "-m", "letters")
    (shell.folder / "q.txt").write_text("the text of 0-1")
    writers = []
    for writer in range(3):
        lines = "".join(
            json.dumps({"label": f"{writer}-{n}", "text": f"the text of {writer}-{n}"}) + "\n"
            for n in range(300)
        )
        (shell.folder / f"{writer}.jsonl").write_text(lines)
        writers.append(shell.start("enrol", "letters", "--from", f"{writer}.jsonl"))
    readers = [shell.start("query", "letters", "q.txt") for _ in range(3)]
    for process in writers:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0
        assert b"Error" not in err  # but warnings of texts that are almost the same
    for process in readers:
        _, err = process.communicate(timeout=120)
        assert process.returncode in (0, 3), err
    assert len(json.loads(shell("list", "--json").out)) == 900
    done = shell("query", "letters", "q.txt", "--json")
    best = json.loads(done.out)["probes"][0]["regions"][0]["matches"][0]
    assert best["identity"] == "0-1"
    assert best["score"] > 0.9999
