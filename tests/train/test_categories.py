"""Batches of one category: from a column of a table, or from folders."""

from __future__ import annotations

import json

import pytest
from toydata import train, write_texts  # noqa: F401

from siamkit.errors import BadInput
from siamkit.train.categories import require_categories
from siamkit.train.data import load
from siamkit.train.examples import Example
from siamkit.train.loop import Loop
from siamkit.train.read_data import Layout, read_data

HEAD = {"backbone": "encoder", "steps": 2, "evaluate_every": 2, "sampler": "category"}


def write_categories(folder):
    """Add a category to each text of `write_texts`: even or odd identities."""
    write_texts(folder)
    path = folder / "texts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [row | {"category": f"c{int(row['label'][1:]) % 2}"} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def test_batches_keep_to_the_category_of_a_column(train, monkeypatch):  # noqa: F811
    write_categories(train.folder)
    batches, original = [], Loop._batch

    def batch(self, turn):
        drawn, dataset = original(self, turn), self.dataset
        labels = dataset.labels[dataset.training][drawn.rows]
        batches.append({dataset.categories[label] for label in labels})
        assert len(set(labels)) == 4
        return drawn

    monkeypatch.setattr(Loop, "_batch", batch)
    completed = train.texts("texts.jsonl", **HEAD | {"steps": 4, "evaluate_every": 4})
    assert completed.code == 0, completed.err
    assert all(len(categories) == 1 for categories in batches)
    assert set().union(*batches) == {"c0", "c1"}
    again = train("train", "-o", "run", "--resume", "--set", "steps=5")
    assert again.code == 0, again.err
    assert "changed since" not in again.err
    assert load(train.folder / "run").dataset.categories[:3] == ["c0", "c1", "c0"]  # k0 k1 k10


def test_folders_are_categories_of_identities(tmp_path, caplog):
    for category, identity in (("greek", "a"), ("greek", "b"), ("latin", "a")):
        folder = tmp_path / category / identity
        (folder / "impostors").mkdir(parents=True)
        for name in ("1.png", "2.png", "impostors/3.png"):
            (folder / name).write_bytes(b"")
    examples = read_data(str(tmp_path), Layout(), is_text=False, by_category=True).examples
    assert not caplog.records
    require_categories(examples)
    assert {(e.label, e.category) for e in examples} == {
        ("greek/a", "greek"),
        ("greek/b", "greek"),
        ("latin/a", "latin"),
    }
    assert sum(example.impostor for example in examples) == 3
    (tmp_path / "latin" / "loose.png").write_bytes(b"")
    with pytest.raises(BadInput, match=r"loose\.png is in no folder of an identity"):
        read_data(str(tmp_path), Layout(), is_text=False, by_category=True)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (["", ""], "2 of 2 examples have no category, the first: x0"),
        (["a", ""], "1 of 2 examples have no category, the first: x1"),
        (["a", "b"], "'p' is in two categories, 'a' and 'b'"),
        (["a", "a"], "'a' is the only category"),
    ],
)
def test_categories_that_cannot_be_used(categories, message):
    examples = [Example(f"x{i}", "p", category=name) for i, name in enumerate(categories)]
    with pytest.raises(BadInput, match=message):
        require_categories(examples)


def test_a_run_without_categories_leaves_nothing(train):  # noqa: F811
    write_texts(train.folder)
    refused = train.texts("texts.jsonl", **HEAD)
    assert refused.code == 2
    assert "150 of 150 examples have no category" in refused.err
    assert "a column category" in refused.err
    assert not (train.folder / "run").exists()
