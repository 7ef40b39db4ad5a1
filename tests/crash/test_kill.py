"""SIGKILL at random moments, and several processes at once."""

from __future__ import annotations

import json

import kills


def test_kill_nine_loses_nothing_acknowledged(tmp_path):
    tally = kills.run(20, tmp_path, seed=1)
    assert tally.kills == 20
    assert tally.acknowledged > 0
    assert (tally.lost, tally.inconsistent) == (0, [])


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
        assert (process.returncode, err) == (0, b"")
    for process in readers:
        _, err = process.communicate(timeout=120)
        assert process.returncode in (0, 3), err
    assert len(json.loads(shell("list", "--json").out)) == 900
    done = shell("query", "letters", "q.txt", "--json")
    best = json.loads(done.out)["probes"][0]["regions"][0]["matches"][0]
    assert best["identity"] == "0-1"
    assert best["score"] > 0.9999
