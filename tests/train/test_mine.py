"""siamkit mine-negatives: what is mined, against brute force, and the table that is written."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from toydata import train, write_texts  # noqa: F401

from siamkit.errors import BadInput
from siamkit.train.examples import Example
from siamkit.train.mine import MiningRule, find_neighbours
from siamkit.train.mine_samples import Samples
from siamkit.train.mine_table import write
from siamkit.train.neighbours import ceilings

NONE = np.empty((0, 2), np.int64)
PAIRS = """\
a,b,label
how do i reset my password,how can i reset my password,1
how do i reset my pin,how can i reset the pin,1
where is my parcel,where is the parcel now,1
where is my order,where are my orders,1
where is my parcel,where is my parka,0
"""


def clusters(identities=12, each=4, *, noise=1.4, impostors=0.2, sides=False) -> Samples:
    """Rows around a centre per identity, shuffled."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(identities), each))
    centres = rng.normal(size=(identities, 16))
    rows = centres[labels] + noise * rng.normal(size=(len(labels), 16))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    examples = [
        Example(
            f"s{row}",
            f"k{label:02}",
            bool(rng.random() < impostors),
            ("train", "validation")[label % 2] if sides else None,
        )
        for row, label in enumerate(labels)
    ]
    return Samples(examples, vectors, NONE, NONE, [], [])


def by_hand(samples: Samples, rule: MiningRule) -> tuple[list[list[int]], set[tuple[int, int]]]:
    """Return the negatives of each row, and the pairs that are too near, a row at a time."""
    positives = ceilings(samples.vectors, samples.labels, samples.impostor)
    cosines = samples.vectors @ samples.vectors.T
    negatives, near = [], set()
    for row, example in enumerate(samples.examples):
        limit = positives[row]
        limit -= max(rule.margin, rule.relative_margin * abs(limit)) if np.isfinite(limit) else 0
        wrong = [
            other
            for other in np.argsort(-cosines[row], kind="stable").tolist()
            if samples.examples[other].split == example.split
            and (samples.labels[other] != samples.labels[row] or samples.impostor[other])
            and other != row
        ]
        far = [other for other in wrong if cosines[row, other] < min(limit, rule.ceiling)]
        negatives.append(far[rule.skip : rule.skip + rule.count])
        if np.isfinite(positives[row]):
            near |= {(row, o) for o in wrong[: rule.count] if cosines[row, o] >= positives[row]}
    return negatives, near


@pytest.mark.parametrize(
    "rule",
    [
        MiningRule(),
        MiningRule(count=5, margin=0.1),
        MiningRule(relative_margin=0.3),
        MiningRule(count=1, margin=-2),
        MiningRule(ceiling=0.3, skip=2),
    ],
)
@pytest.mark.parametrize("sides", [False, True])
def test_it_mines_what_a_search_by_hand_finds(rule, sides):
    samples = clusters(sides=sides)
    neighbours = find_neighbours(samples, rule)
    negatives, near = by_hand(samples, rule)
    assert [[n for n in row if n >= 0] for row in neighbours.negatives.tolist()] == negatives
    assert {*map(tuple, neighbours.near.tolist())} == near
    mutual = {(a, b) for a, b in near if (b, a) in near and a < b}
    assert {*map(tuple, neighbours.near[neighbours.mutual].tolist())} >= mutual


def test_one_identity_under_two_names_is_suspected_and_no_negative():
    samples = clusters(noise=0.3, impostors=0)
    twin = {"k00": "k01"}
    renamed = [Example(e.source, twin.get(e.label, e.label)) for e in samples.examples]
    split = [
        Example(e.source, f"{e.label}'" if e.label == "k01" and row % 2 else e.label)
        for row, e in enumerate(renamed)
    ]
    samples = Samples(split, samples.vectors, NONE, NONE, [], [])
    neighbours = find_neighbours(samples, MiningRule(count=2))
    suspected = {
        frozenset(split[row].label for row in pair)
        for pair in neighbours.near[neighbours.mutual].tolist()
    }
    assert suspected == {frozenset({"k01", "k01'"})}


@pytest.mark.parametrize(
    "values",
    [{"count": 0}, {"skip": -1}, {"margin": 3.0}, {"ceiling": 1.5}, {"relative_margin": -0.1}],
)
def test_a_rule_out_of_range_is_refused(values):
    with pytest.raises(BadInput, match=next(iter(values))):
        MiningRule(**values)


def read(path, delimiter=",") -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [*csv.DictReader(file, delimiter=delimiter)]


def test_pairs_keep_what_the_data_say_and_add_each_negative_once(shell):
    (shell.folder / "pairs.csv").write_text(PAIRS)
    mined = shell("mine-negatives", "pairs.csv", "-m", "letters", "-o", "mined.csv", "--json")
    facts = json.loads(mined.out)
    rows = read(shell.folder / "mined.csv")
    stated = [tuple(row) for row in csv.reader(PAIRS.splitlines()[1:])]
    assert mined.code == 0
    assert facts["rows"] == len(rows)
    assert {(r["a"], r["b"], r["label"]) for r in rows[:5]} == {*stated}
    added = [frozenset((r["a"], r["b"])) for r in rows[5:]]
    assert {r["label"] for r in rows[5:]} == {"0"}
    assert len(added) == len({*added})
    assert not {frozenset(pair[:2]) for pair in stated} & {*added}
    assert facts["negatives"] - len(added) in (0, 1)  # the stated negative may be mined, too
    assert facts["anchors"] == 8
    assert facts["faults"] == []


def test_triplets_hold_each_positive_pair(shell):
    (shell.folder / "pairs.csv").write_text(PAIRS)
    options = ("--format", "triplets", "--count", "1", "--ceiling", "0.7")
    mined = shell("mine-negatives", "pairs.csv", "-m", "letters", "-o", "t.tsv", *options, "--json")
    rows = read(shell.folder / "t.tsv", "\t")
    stated = {frozenset(r[:2]) for r in csv.reader(PAIRS.splitlines()[1:5])}
    assert {frozenset((row["anchor"], row["positive"])) for row in rows} == stated
    assert len({row["anchor"] for row in rows}) == 8
    without = [row for row in rows if not row["negative"]]
    assert len(without) == json.loads(mined.out)["without"]
    negatives = {frozenset((row["anchor"], row["negative"])) for row in rows if row["negative"]}
    labelled = frozenset(("where is my parcel", "where is my parka"))
    assert labelled in negatives  # which is nearer than 0.7
    mined = [row for row in rows if row["negative"] and "parka" not in row["negative"]]
    assert all(float(row["cosine"]) <= 0.7 for row in mined)


def test_bad_samples_are_named_and_the_others_mined(shell):
    table = "text,label\nhello there,a\nhello here,a\nNaN,a\nhello hare,b\nhallo hare,b\n"
    table += "both of them,a\nboth of them,b\n=1+1,c\n=1+1+1,c\n"
    (shell.folder / "texts.csv").write_text(table)
    mined = shell("mine-negatives", "texts.csv", "-m", "letters", "-o", "mined.jsonl")
    lines = (shell.folder / "mined.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    texts = {row[side] for row in rows for side in "ab"}
    assert mined.code == 1
    assert "NaN" in mined.err
    assert "both of them: it is of 'a' and of 'b'" in mined.err
    assert texts == {"hello there", "hello here", "hello hare", "hallo hare", "=1+1", "=1+1+1"}


@pytest.mark.parametrize(
    ("output", "code", "reason"),
    [
        ("pairs.csv", 2, "would be overwritten"),
        ("mined.txt", 2, "cannot write '.txt'"),
        ("nowhere/mined.csv", 2, "does not exist"),
    ],
)
def test_an_output_that_cannot_be_is_refused_at_once(shell, output, code, reason):
    (shell.folder / "pairs.csv").write_text(PAIRS)
    mined = shell("mine-negatives", "pairs.csv", "-m", "letters", "-o", output)
    assert mined.code == code
    assert reason in mined.err
    assert (shell.folder / "pairs.csv").read_text() == PAIRS


@pytest.mark.parametrize(
    ("table", "options", "code", "reason"),
    [
        (PAIRS, ("--ceiling", "-1"), 4, "far enough"),
        ("text,label\nhello,a\nhullo,a\nNaN,b\n", (), 2, "one identity"),
        ("text,label\nhello,a\nhullo,a\nNaN,b\n", (), 2, "1 of 3 samples could not be used"),
        ("a,b,score\nhello,hullo,0.5\none,two,0.25\n", (), 2, "degrees"),
        ("text,label\nNaN,a\nInf,a\n", (), 4, "none of 2 samples"),
    ],
)
def test_data_without_negatives_leave_the_old_output(shell, table, options, code, reason):
    (shell.folder / "data.csv").write_text(table)
    (shell.folder / "mined.csv").write_text("old")
    mined = shell("mine-negatives", "data.csv", "-m", "letters", "-o", "mined.csv", *options)
    assert (mined.code, reason in mined.err) == (code, True), mined.err
    assert (shell.folder / "mined.csv").read_text() == "old"


def test_a_gallery_is_mined_by_its_own_templates(shell):
    for text, label in (("hello there", "a"), ("hello here", "a"), ("hello hare", "b")):
        shell("enrol", "g", "-m", "letters", "--text", text, "--as", label)
    mine = ("mine-negatives", "gallery:g", "-m", "letters", "-o", "mined.csv", "--margin", "-1")
    assert shell(*mine).code == 0
    rows = read(shell.folder / "mined.csv")
    assert {(row["a"], row["b"], row["label"]) for row in rows} == {
        ("hello there", "hello here", "1"),
        ("hello there", "hello hare", "0"),
        ("hello here", "hello hare", "0"),
    }
    refused = shell(*mine, "--encoder", "salt:x")
    assert refused.code == 2
    assert "own encoder" in refused.err


def test_files_are_written_so_that_the_table_trains_from_anywhere(tmp_path):
    samples = clusters(impostors=0, sides=True)
    examples = [
        Example(tmp_path / f"{row}.png", e.label, split=e.split)
        for row, e in enumerate(samples.examples)
    ]
    samples = Samples(examples, samples.vectors, NONE, NONE, [], [])
    neighbours = find_neighbours(samples, MiningRule())
    write(tmp_path / "mined.csv", "pairs", samples, neighbours.negatives)
    rows = read(tmp_path / "mined.csv")
    sides = {str(e.source): e.split for e in examples}
    assert rows
    assert all(sides[r["a"]] == sides[r["b"]] == r["split"] for r in rows)


@pytest.mark.timeout(60)
def test_torch_is_not_loaded(shell):
    (shell.folder / "pairs.csv").write_text(PAIRS)
    program = (
        "import sys; from siamkit import cli;"
        "code = cli.run('mine-negatives pairs.csv -m letters -o mined.csv'.split());"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=shell.folder, env=shell.environment, check=True)


def test_training_reads_the_table_as_it_is(train):  # noqa: F811
    write_texts(train.folder)
    mine = ("mine-negatives", "texts.jsonl", "-m", "bigrams", "-o", "mined.csv", "--json")
    mined = json.loads(train(*mine).out)
    trained = train.texts("mined.csv", steps=2, evaluate_every=2)
    assert trained.code == 0, trained.err
    same = mined["samples"]  # a ring of five in each identity
    assert f"{mined['rows']:,} pairs: {same:,} the same" in trained.err
