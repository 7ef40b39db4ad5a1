"""`siamkit evaluate` on trials, folders, galleries and scores from elsewhere."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from manifest import lines
from scoreddata import texts


def trials(folder, rows, name="trials.csv", head=("a", "b", "label")):
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return name


def pairs(count=12, each=3):
    """Every pair of some texts."""
    listed = texts(count, each)
    return [
        (a, b, int(one == other))
        for n, (one, a) in enumerate(listed)
        for other, b in listed[n + 1 :]
    ]


def test_trials_of_texts(shell):
    name = trials(shell.folder, pairs())
    done = shell("evaluate", name, "-m", "letters", "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert (found["mated"], found["non_mated"], found["identities"]) == (36, 594, 12)
    assert found["impostor_pairs"] == 66
    assert found["eer"]["low"] <= found["eer"]["value"] <= found["eer"]["high"]
    assert [point["wanted"] for point in found["at_fmr"]] == [0.1]
    assert found["at_threshold"][0]["threshold"] == 0.8
    table = shell("evaluate", name, "-m", "letters")
    assert "FNMR at FMR 0.001" in table.out
    assert "30,000 non-mated are needed" in table.out


def test_several_configurations_are_columns_of_one_table(shell):
    assert shell("encoders", "add", "letters", "salt:pepper").code == 0
    done = shell(
        "evaluate", trials(shell.folder, pairs(14)), "-m", "letters", "--encoder", "pepper",
        "--rerank", "none", "--rerank", "words", "--snorm", "--json",
    )  # fmt: skip
    if done.code == 0:
        names = [found["name"] for found in json.loads(done.out)]
        assert names == ["pepper", "pepper, words", "pepper, S-norm"]
    else:  # the reranker says that it does not fit
        assert "words does not fit" in done.err
    done = shell(
        "evaluate", trials(shell.folder, pairs(14)), "-m", "letters",
        "--rerank", "none", "--rerank", "words", "--snorm", "--json",
    )  # fmt: skip
    names = [found["name"] for found in json.loads(done.out)]
    assert names == ["letters", "letters, words", "letters, S-norm"]


def test_only_what_is_named_is_measured_and_its_scores_are_written(shell):
    table = trials(shell.folder, pairs(14))
    done = shell("evaluate", table, "-m", "letters", "--rerank", "words", "--json",
                 "--scores", "scores.csv")  # fmt: skip
    (found,) = json.loads(done.out)
    assert found["name"] == "letters, words"
    by_words = shell("evaluate", "scores.csv", "--json")
    assert json.loads(by_words.out)[0]["roc_auc"]["value"] == found["roc_auc"]["value"]
    (found,) = json.loads(
        shell("evaluate", table, "-m", "letters", "--rerank", "none", "--json").out
    )
    assert found["name"] == "letters"
    both = ["--rerank", "none", "--rerank", "words"]
    refused = shell("evaluate", table, "-m", "letters", *both, "--scores", "scores.csv")
    assert refused.code == 2
    assert "--scores takes one encoder" in refused.err


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--rerank", "nobody"], "nobody"), (["--snorm"], "a cohort needs at least 12 identities")],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_embedded(
    shell, monkeypatch, options, words
):
    monkeypatch.setattr("siamkit.flows.evaluate.embed_samples", None)  # a call would fail
    done = shell("evaluate", trials(shell.folder, pairs(4)), "-m", "letters", *options)
    assert done.code in (1, 2)
    assert words in done.err


def test_a_gallery_is_measured_sample_by_sample(shell):
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*texts(20, 3))).code == 0
    (found,) = json.loads(shell("evaluate", "--gallery", "letters", "--json").out)
    assert found["mated"] == 60
    assert found["identification"]["identities"] == 20
    assert found["identification"]["hit_rate"]["1"]["value"] > 0.9
    assert "rank-1 hit rate" in shell("evaluate", "--gallery", "letters").out


def test_a_folder_gives_one_to_many_too_and_unreadable_files_are_named(tiles):
    from PIL import Image

    rng = np.random.default_rng(0)
    for person in range(6):
        (tiles.folder / f"people/p{person}").mkdir(parents=True)
        base = rng.integers(0, 200, (8, 8, 3))
        for number in range(3):
            noisy = np.clip(base + rng.integers(0, 40, base.shape), 0, 240).astype(np.uint8)
            picture = Image.fromarray(noisy).resize((64, 64), Image.Resampling.NEAREST)
            picture.save(tiles.folder / f"people/p{person}/{number}.png")
    (tiles.folder / "people/p0/bad.png").write_text("no picture")
    done = tiles("evaluate", "people", "-m", "tiles", "--json")
    assert done.code == 1
    assert "bad.png" in done.err
    (found,) = json.loads(done.out)
    assert found["mated"] == 18
    assert found["identification"]["probes"] == 18
    assert any("3 trials are left out" not in note for note in found["notes"])


def test_unknown_paths_are_listed_and_counted(tiles):
    rows = [("red.png", "blue.png", 0), ("red.png", "gone.png", 1), ("both.png", "red.png", 1),
            ("nowhere/x.png", "blue.png", 0)]  # fmt: skip
    done = tiles("evaluate", trials(tiles.folder, rows), "-m", "tiles")
    assert done.code == 1
    assert "gone.png" in done.err
    assert "x.png" in done.err
    assert "2 trials are left out" in done.err


def test_scores_from_any_program(shell):
    rng = np.random.default_rng(0)
    rows = [(1, x) for x in rng.normal(2, 1, 300)] + [(0, x) for x in rng.normal(0, 1, 3_000)]
    name = trials(shell.folder, [*rows, (1, "nan"), (3, 0.5)], head=("label", "score"))
    done = shell("evaluate", name, "--threshold", "1.5", "--json")
    assert done.code == 1
    (found,) = json.loads(done.out)
    assert [fault["where"] for fault in found["faults"]] == ["line 3302", "line 3303"]
    assert found["at_threshold"][0]["threshold"] == 1.5
    assert 0.1 < found["eer"]["value"] < 0.2


def test_groups(shell):
    rows = [(*row, "even" if n % 2 else "odd") for n, row in enumerate(pairs())]
    name = trials(shell.folder, rows, head=("a", "b", "label", "half"))
    done = shell("evaluate", name, "-m", "letters", "--group", "half")
    assert done.code == 0, done.err
    assert "groups at 0.800" in done.out
    (found,) = json.loads(shell("evaluate", name, "-m", "letters", "--group", "half", "--json").out)
    assert [group["name"] for group in found["groups"]] == ["even", "odd"]


def test_scores_are_written_and_read_back(shell):
    name = trials(shell.folder, pairs())
    assert shell("evaluate", name, "-m", "letters", "--scores", "out.csv").code == 0
    (direct,) = json.loads(shell("evaluate", name, "-m", "letters", "--json").out)
    (again,) = json.loads(shell("evaluate", "out.csv", "--json").out)
    assert again["eer"]["value"] == pytest.approx(direct["eer"]["value"])
    assert again["roc_auc"] == pytest.approx(direct["roc_auc"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Give SOURCE"),
        (("gone.csv", "-m", "letters"), 2, "is not a file"),
        (("trials.csv",), 2, "no column score"),
        (("trials.csv", "-m", "letters", "--gallery", "x"), 2, "cannot be combined with --gallery"),
        (("trials.csv", "-m", "letters", "--group", "sex"), 2, "no column sex"),
        (("same.csv", "-m", "letters"), 2, "none is non-mated"),
        (("labels.csv", "-m", "letters"), 2, "has no trial"),
        (("trials.csv", "-m", "letters", "--report", "x.pdf"), 2, "ends in .html"),
        (("trials.csv", "-m", "letters", "--report", "no/x.html"), 2, "does not exist"),
        (("trials.csv", "-m", "letters", "--scores", "trials.csv"), 2, "is the source itself"),
        (("trials.csv", "-m", "lettrs"), 1, "lettrs"),
        (("--gallery", "nobody"), 1, "no store"),
        (("trials.csv", "-m", "letters", "--snorm"), 2, "a cohort needs at least"),
    ],
)
def test_bad_input(shell, arguments, code, said):
    trials(shell.folder, pairs(4, 2))
    trials(shell.folder, [("a b", "a c", 1), ("b c", "b d", 1)], "same.csv")
    trials(shell.folder, [("a b", "a c", "maybe")], "labels.csv")
    done = shell("evaluate", *arguments)
    assert done.code == code
    assert said in done.err
