"""Pairs of samples reach the data set: on one side of the split each, and by row."""

from __future__ import annotations

import json

import numpy as np
import pytest
import toykit
from toydata import train  # noqa: F401

from siamkit.errors import BadInput
from siamkit.train.config import TrainConfig
from siamkit.train.data import load, prepare
from siamkit.train.examples import Example
from siamkit.train.folder import FACTS
from siamkit.train.modality import bind
from siamkit.train.pair_sampler import PairSampler
from siamkit.train.pairs import NO_PAIRS, Pairs
from siamkit.train.split import Split

BIGRAMS = bind(toykit.Bigrams(), TrainConfig(backbone="encoder"))


def pairs_of(*rows):
    """Pairs from (a, b, score)."""
    return Pairs(np.array([row[:2] for row in rows]), np.array([row[2] for row in rows], "f4"))


def prepare_texts(examples, pairs, run, share=0.4):
    run.mkdir(exist_ok=True)
    return prepare(examples, BIGRAMS, None, run, Split(share, seed=0), pairs=pairs)


@pytest.fixture
def paired():
    """Six identities of two texts; a negative pair joins the first with the second, and so on."""
    texts = [f"{chr(97 + n // 2) * 3}{n}" for n in range(12)]
    examples = [Example(text, text[0]) for text in texts]
    positives = [(n, n + 1, 1) for n in range(0, 12, 2)]
    return examples, pairs_of(*positives, (0, 2, 0), (4, 6, 0), (8, 10, 0))


def test_pairs_keep_to_one_side_of_the_split(paired, tmp_path):
    dataset = prepare_texts(*paired, tmp_path / "run").dataset
    again = load(tmp_path / "run").dataset
    for loaded in (dataset, again):
        assert len(loaded.pairs) == len(loaded.scores) == 9
        sides = loaded.training[loaded.pairs]
        assert (sides[:, 0] == sides[:, 1]).all()
        same = loaded.labels[loaded.pairs[:, 0]] == loaded.labels[loaded.pairs[:, 1]]
        assert (same == (loaded.scores == 1)).all()


def test_a_run_of_an_earlier_version_has_no_pairs(paired, tmp_path):
    prepare_texts(*paired, tmp_path / "run")
    facts = json.loads((tmp_path / "run" / FACTS).read_text())
    del facts["pairs"], facts["scores"]
    (tmp_path / "run" / FACTS).write_text(json.dumps(facts))
    dataset = load(tmp_path / "run").dataset
    assert dataset.pairs.shape == (0, 2)
    assert dataset.scores.shape == (0,)


def test_samples_that_pairs_connect_all_are_split_and_the_pairs_between_left_out(paired, tmp_path):
    examples, pairs = paired
    chain = pairs_of(*((n, n + 1, 0) for n in range(1, 11, 2)))
    rows = np.concatenate([pairs.rows, chain.rows])
    pairs = Pairs(rows, np.concatenate([pairs.scores, chain.scores]))
    prepared = prepare_texts(examples, pairs, tmp_path / "run")
    dataset = prepared.dataset
    assert 0 < dataset.training.sum() < 12
    assert len(dataset.pairs) < len(pairs)
    (note,) = prepared.notes
    assert note == f"{len(pairs) - len(dataset.pairs)} pairs lie across the split: left out"


def test_graded_pairs_make_no_identities(tmp_path):
    examples = [Example(text, text) for text in "abcdefghijkl"]
    pairs = pairs_of(*((n, n + 1, n / 12) for n in range(0, 12, 2)))
    dataset = prepare_texts(examples, pairs, tmp_path / "run").dataset
    assert len(dataset.pairs) == 6
    assert 2 <= dataset.training[dataset.pairs[:, 0]].sum() <= 4
    with pytest.raises(BadInput, match="each side needs at least 2"):
        prepare_texts(examples[:4], pairs_of((0, 1, 0.2), (2, 3, 0.7)), tmp_path / "few")


def test_examples_without_pairs_are_split_as_ever(paired, tmp_path):
    dataset = prepare_texts(paired[0], NO_PAIRS, tmp_path / "run").dataset
    assert len(dataset.pairs) == 0


def write_pairs(folder, *, graded=False):
    """Write 60 texts in pairs: those of one key are the same; others differ, or a little."""
    rows = ["a,b,score"]
    for number in range(40):
        rng = np.random.default_rng(number)
        key, other = ("".join(rng.choice(list("ABCDEFGH"), 5)) for _ in range(2))
        noise = ["".join(rng.choice(list("mnop"), 12)) for _ in range(3)]
        low = 0.3 if graded else 0
        rows.append(f"{noise[0]}{key},{noise[1]}{key},1")
        rows.append(f"{noise[0]}{key},{noise[2]}{other},{low}")
    (folder / "pairs.csv").write_text("\n".join(rows))


@pytest.mark.parametrize("graded", [False, True])
def test_pairs_are_trained_on_from_the_command(train, tmp_path, graded):  # noqa: F811
    write_pairs(tmp_path, graded=graded)
    done = train.texts("pairs.csv", steps=4)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert 'loss = "cosent"' in (tmp_path / "run" / "config.toml").read_text()
    assert (result["best"]["spearman"] is not None) == graded
    assert (result["eer_impostors"] is not None) != graded
    if graded:
        refused = train.texts("pairs.csv", out="other", loss="triplet")
        assert refused.code == 2
        assert "loss = triplet needs pairs that are the same or different" in refused.err
        folded = train.texts("pairs.csv", "--folds", "3", out="folds", steps=4)
        assert folded.code == 2
        assert "folds are of identities" in folded.err


def test_equal_scores_for_validation_measure_nothing(train, tmp_path):  # noqa: F811
    rows = [f"a{n},b{n},{n / 8},train\nc{n},d{n},0.5,validation" for n in range(8)]
    (tmp_path / "pairs.csv").write_text("\n".join(["a,b,score,split", *rows]))
    done = train.texts("pairs.csv", steps=2, compare="true")
    assert done.code == 0, done.err
    assert "all pairs for validation have the score 0.5: no rate is measured" in done.err
    assert "nan" not in done.err.replace("d²(A,P) nan", "")
    result = json.loads(done.out)
    assert (result["best"], result["verdict"], result["gained"]) == (None, None, None)
    assert result["encoder"]


def test_a_change_of_the_table_is_named_on_resume(train, tmp_path):  # noqa: F811
    write_pairs(tmp_path)
    assert train.texts("pairs.csv", steps=4).code == 0
    with (tmp_path / "pairs.csv").open("a") as file:
        file.write("\nnew1,new2,1\nnew1,new3,0")
    done = train("train", "-o", "run", "--resume", "--set", "steps=8")
    assert done.code == 0, done.err
    assert "pairs.csv changed since the run began: 2 rows more" in done.err
    (tmp_path / "pairs.csv").unlink()
    done = train("train", "-o", "run", "--resume", "--set", "steps=12")
    assert done.code == 0, done.err
    assert "it cannot be read" in done.err


def test_each_scored_pair_is_drawn_once_an_epoch():
    pairs = pairs_of(*((2 * n, 2 * n + 1, n / 10) for n in range(10)))
    sampler = PairSampler(pairs, 5, seed=0)
    rows, scores = map(np.concatenate, zip(sampler.draw(0), sampler.draw(1), strict=True))
    assert sorted(rows.tolist()) == list(range(20))
    np.testing.assert_allclose(scores, rows[::2] / 20, atol=1e-6)
