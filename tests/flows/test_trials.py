"""Trials out of files and folders, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.flows.read_trials import read_columns, read_trial_table, read_trials
from siamkit.flows.trials import pair_samples


def write(folder: Path, text: str, name: str = "trials.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_of_pairs(tmp_path):
    found = read_trial_table(write(tmp_path, "a,b,label\nx/1,x/2,1\nx/1,y/1,0\n"))
    assert found.samples == [tmp_path / "x/1", tmp_path / "x/2", tmp_path / "y/1"]
    assert found.mated.tolist() == [True, False]
    assert found.identities.tolist() == [0, 0, 1]
    assert found.notes == ["identities are the folders of the samples"]


def test_bad_lines_are_faults_and_the_rest_is_kept(tmp_path):
    lines = ["a,b,label", "p,q,1", "p,r,2", "p,s,yes", "p,,0", "p,t,0", "q,p,1", "t,p,1", "p,p,1"]
    found = read_trial_table(write(tmp_path, "\n".join(lines)), text=True)
    assert len(found) == 1
    assert [fault.where for fault in found.faults] == [
        "line 3", "line 4", "line 5", "p and t", "t and p",
    ]  # fmt: skip
    assert any("1 repeated pairs" in note for note in found.notes)
    assert any("with itself" in note for note in found.notes)


def test_identities_are_what_mated_pairs_join(tmp_path):
    text = "a,b,label\nhi,hello,1\nhello,hey,1\nhi,hey,0\nbye,hi,0\n"
    found = read_trial_table(write(tmp_path, text), text=True)
    assert [found.samples[n] for n in np.flatnonzero(found.identities == 0)] == [
        "hi",
        "hello",
        "hey",
    ]
    assert len(set(found.identities.tolist())) == 2
    assert any(
        "1 non-mated pairs are of samples that mated pairs connect" in note for note in found.notes
    )


def test_scores_from_elsewhere(tmp_path):
    text = (
        "a,b,label,score\np,q,1,0.9\np,r,0,nan\np,s,0,x\np,t,0,inf\nq,p,1,0.8\np,q,1,0.9\np,u,0,.1"
    )
    path = write(tmp_path, text)
    assert read_columns(path) == ["a", "b", "label", "score"]
    found = read_trial_table(path, scored=True)
    assert found.scores.tolist() == [0.9, 0.8, 0.1]
    assert len(found.faults) == 3
    assert any("another score" in note for note in found.notes)
    alone = read_trial_table(write(tmp_path, "label,score\n1,2.5\n0,1\n0,1\n"), scored=True)
    assert len(alone) == 3
    assert alone.to_comparisons(alone.scores).identities == 5


def test_a_score_of_nought_is_a_score(tmp_path):
    rows = ['{"label": 1, "score": 0.9}', '{"label": 0, "score": 0}', '{"label": 0, "score": 0.0}']
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join([*rows, '{"label": 0, "score": true}']))
    found = read_trial_table(path, scored=True)
    assert found.scores.tolist() == [0.9, 0.0, 0.0]
    assert [fault.reason for fault in found.faults] == ["score 'True' is not a number"]


def test_json_lines_with_groups_and_folds(tmp_path):
    text = '{"a": "p", "b": "q", "label": 1, "sex": "f", "fold": 1}\n' * 1
    text += '{"a": "p", "b": "r", "label": false, "sex": "m", "fold": 2}\n'
    found = read_trial_table(write(tmp_path, text, "t.jsonl"), text=True, group="sex")
    assert found.groups == ["f", "m"]
    assert found.folds == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,y\n1,2\n", "no column a"),
        ("a,b,label\n", "has no trial"),
        ("a,b,label\np,q,7\n", "neither 0 nor 1"),
        ("", "no column"),
    ],
)
def test_what_is_no_file_of_trials(tmp_path, text, said):
    with pytest.raises(BadInput, match=said):
        read_trial_table(write(tmp_path, text), text=True)


def test_a_folder_gives_every_pair_or_so_many(tmp_path):
    for name in ("x/1", "x/2", "y/1", "z/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = read_trials(tmp_path, text=False)
    assert len(found) == 6
    assert found.mated.sum() == 1
    labels = np.repeat(np.arange(200), 4)
    some = pair_samples([""] * 800, labels, pairs=5_000)
    assert len(some) == 5_000
    assert some.mated.sum() == 1_200
    assert (some.mated == (labels[some.left] == labels[some.right])).all()
    assert len(set(zip(some.left.tolist(), some.right.tolist(), strict=True))) == 5_000
    with pytest.raises(BadInput, match="make no trials"):
        pair_samples(["a", "b"], np.array([0, 1]))


def test_every_kind_of_table_holds_trials(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    semicolons = read_trial_table(write(tmp_path, "a;b;label\n1;2;1\n1;3;0\n"), text=True)
    columns = {"a": [1, 1], "b": [2, 3], "label": [True, False]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    parquet = read_trial_table(tmp_path / "t.parquet", text=True)
    for found in (semicolons, parquet):
        assert found.samples == ["1", "2", "3"]
        assert found.mated.tolist() == [True, False]
