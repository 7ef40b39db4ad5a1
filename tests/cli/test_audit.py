"""`siamkit audit` in a process of its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from siamkit.stats.probe_scores import ProbeScores
from siamkit.store import Store, galleries, observations


def doubled(letters):
    (letters.folder / "copy.txt").write_text("hello there my friend")
    assert letters("enrol", "letters", "copy.txt", "--as", "Other Name").code == 0


def test_audit_lists_what_is_wrong_and_ends_well(letters):
    assert letters("audit", "letters").out.strip() == "letters: no findings"
    doubled(letters)
    done = letters("audit", "letters")
    assert done.code == 0
    assert "copy" in done.out
    assert "siamkit forget --sample" in done.out
    data = json.loads(letters("audit", "letters", "--json", "--limit", "1").out)
    assert (data["total"], len(data["findings"])) == (2, 1)
    assert data["findings"][0]["kind"] == "copy"


def test_audit_writes_tables(letters):
    doubled(letters)
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.db"):
        done = letters("audit", "letters", "-o", name)
        assert done.code == 0, done.err
        assert f"saved {name}" in done.err
    with Path(letters.folder / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["copy", "twins"]
    assert rows[0]["source"].endswith("copy.txt")
    assert letters("audit", "letters", "-o", "a.txt").code == 2
    assert letters("audit", "letters", "-o", "nowhere/a.csv").code == 2


def test_drift_wants_a_calibration_then_queries(letters):
    done = letters("audit", "letters", "--drift")
    assert done.code == 1
    assert "Hint: run `siamkit calibrate letters`" in done.err
    assert letters("audit", "letters", "--drift", "--limit", "3").code == 2
    store = Store(letters.folder / ".siamkit")
    gallery = galleries.get(store, "letters")
    known = [ProbeScores("known", 0.9, None, i) for i in range(9)]
    strangers = [ProbeScores("stranger", 0.1 + i / 100, None, i) for i in range(9)]
    with store.write():
        observations.replace_reference(store, gallery, known + strangers)
    assert letters("query", "letters", "q.txt").code == 0
    assert "49 more are needed" in letters("audit", "letters", "--drift").out
    observations.record(store, gallery, [ProbeScores("query", 0.6, None)] * 50)
    store.close()
    done = letters("audit", "letters", "--drift")
    assert done.code == 0
    assert "Warning: no share of strangers explains the best scores" in done.out
    data = json.loads(letters("audit", "letters", "--drift", "--json").out)
    assert (data["alarm"], data["by"], data["queries"]) == (True, "best", 50)


def test_an_absent_gallery_is_one_line(letters):
    done = letters("audit", "lettres")
    assert done.code == 1
    assert "did you mean 'letters'" in done.err
