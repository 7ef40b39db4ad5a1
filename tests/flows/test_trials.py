"""Trials out of files and folders, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.flows.read_trials import read_trial_table, read_trials
from siamkit.flows.trials import pair_samples


def write(folder: Path, text: str, name: str = "trials.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_of_pairs(tmp_path):
    trials = read_trial_table(write(tmp_path, "a,b,label\nx/1,x/2,1\nx/1,y/1,0\n"))
    assert trials.samples == [tmp_path / "x/1", tmp_path / "x/2", tmp_path / "y/1"]
    assert trials.mated.tolist() == [True, False]
    assert trials.identities.tolist() == [0, 0, 1]
    assert trials.notes == ["identities are the folders of the samples"]


def test_bad_lines_are_faults_and_the_rest_is_kept(tmp_path):
    lines = ["a,b,label", "p,q,1", "p,r,2", "p,s,yes", "p,,0", "p,t,0", "q,p,1", "t,p,1", "p,p,1"]
    trials = read_trial_table(write(tmp_path, "\n".join(lines)), text=True)
    assert len(trials) == 1
    assert [fault.where for fault in trials.faults] == [
        "line 3",
        "line 4",
        "line 5",
        "p and t",
        "t and p",
    ]
    assert any("1 repeated pairs" in note for note in trials.notes)
    assert any("with itself" in note for note in trials.notes)


def test_identities_are_what_mated_pairs_join(tmp_path):
    text = "a,b,label\nhi,hello,1\nhello,hey,1\nhi,hey,0\nbye,hi,0\n"
    trials = read_trial_table(write(tmp_path, text), text=True)
    assert [trials.samples[n] for n in np.flatnonzero(trials.identities == 0)] == [
        "hi",
        "hello",
        "hey",
    ]
    assert len(set(trials.identities.tolist())) == 2
    assert any(
        "1 non-mated pairs are of samples that mated pairs connect" in note for note in trials.notes
    )


def test_scores_from_elsewhere(tmp_path):
    text = (
        "a,b,label,score\np,q,1,0.9\np,r,0,nan\np,s,0,x\np,t,0,inf\nq,p,1,0.8\np,q,1,0.9\np,u,0,.1"
    )
    path = write(tmp_path, text)
    trials = read_trial_table(path, scored=True)
    assert trials.scores.tolist() == [0.9, 0.8, 0.1]
    assert len(trials.faults) == 3
    assert any("another score" in note for note in trials.notes)
    alone = read_trial_table(write(tmp_path, "label,score\n1,2.5\n0,1\n0,1\n"), scored=True)
    assert len(alone) == 3
    assert alone.to_comparisons(alone.scores).identities == 5


def test_a_score_of_zero_counts(tmp_path):
    rows = ['{"label": 1, "score": 0.9}', '{"label": 0, "score": 0}', '{"label": 0, "score": 0.0}']
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join([*rows, '{"label": 0, "score": true}']))
    trials = read_trial_table(path, scored=True)
    assert trials.scores.tolist() == [0.9, 0.0, 0.0]
    assert [fault.reason for fault in trials.faults] == ["score 'True' is not a number"]


def test_json_lines_with_groups_and_folds(tmp_path):
    text = '{"a": "p", "b": "q", "label": 1, "sex": "f", "fold": 1}\n' * 1
    text += '{"a": "p", "b": "r", "label": false, "sex": "m", "fold": 2}\n'
    trials = read_trial_table(write(tmp_path, text, "t.jsonl"), text=True, group="sex")
    assert trials.groups == ["f", "m"]
    assert trials.folds == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n", "no column a"),
        ("a,b,label\n", "has no trial"),
        ("a,b,label\np,q,7\n", "neither 0 nor 1"),
        ("", "no column"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        read_trial_table(write(tmp_path, text), text=True)


def test_a_folder_gives_every_pair_up_to_a_number(tmp_path):
    for name in ("x/1", "x/2", "y/1", "z/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    trials = read_trials(tmp_path, text=False)
    assert len(trials) == 6
    assert trials.mated.sum() == 1
    labels = np.repeat(np.arange(200), 4)
    drawn = pair_samples([""] * 800, labels, pairs=5_000)
    assert len(drawn) == 5_000
    assert drawn.mated.sum() == 1_200
    assert (drawn.mated == (labels[drawn.left] == labels[drawn.right])).all()
    assert len(set(zip(drawn.left.tolist(), drawn.right.tolist(), strict=True))) == 5_000
    with pytest.raises(BadInput, match="cannot form trials"):
        pair_samples(["a", "b"], np.array([0, 1]))


def test_every_kind_of_table_holds_trials(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    semicolons = read_trial_table(write(tmp_path, "a;b;label\n1;2;1\n1;3;0\n"), text=True)
    columns = {"a": [1, 1], "b": [2, 3], "label": [True, False]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    parquet = read_trial_table(tmp_path / "t.parquet", text=True)
    for trials in (semicolons, parquet):
        assert trials.samples == ["1", "2", "3"]
        assert trials.mated.tolist() == [True, False]


def test_a_fault_that_leaves_one_kind_of_trials_is_named(shell):
    (shell.folder / "t.csv").write_text("score,label\n0.5,1\nnan,0\n")
    done = shell("evaluate", "t.csv")
    assert (done.code, "t.csv has no non-mated trial; line 3: " in done.err) == (2, True), done.err
