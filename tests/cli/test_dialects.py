"""Every command that reads a table reads every dialect of it alike."""

from __future__ import annotations

import json
import shutil
import sqlite3

import numpy as np
import pytest
from dialects import DIALECTS, write
from PIL import Image
from scoreddata import texts

from siamkit.train.examples import read_examples

WORDS = ["Où est – l’été?", "Grüße, „viele“; bitte", "two\nlines 5 €", "plain | words", "-0.5 = ½"]
ROWS = [["id", "text"], *([str(n), text] for n, text in enumerate(WORDS, 1))]
LISTED = [(f"{one}é", f"{text} “{one}”") for one, text in texts(14, 3)]
TRIALS = [["a", "b", "label", "score", "Ort"]] + [
    [a, b, int(one == other), 0.9 if one == other else -0.25, "Köln" if n % 2 else "Nîmes"]
    for n, (one, a) in enumerate(LISTED)
    for other, b in LISTED[n + 1 :]
]
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def answers(shell, *arguments, code=0):
    done = shell(*arguments, "--json")
    assert done.code == code, done.err
    assert "Error" not in done.err
    return done.out


@every_dialect
def test_enrol_texts(shell, dialect):
    name, *options = write(shell.folder, ROWS, dialect)
    done = answers(
        shell, "enrol", "letters", "--from", name, "--column", "text", "--id", "id", *options
    )
    rows = [json.loads(line) for line in done.splitlines()]
    assert [(row["label"], row["source"]) for row in rows] == [tuple(row) for row in ROWS[1:]]


@every_dialect
def test_enrol_files(shell, dialect):
    for name in ("é 1.png", "b’2.png"):
        Image.new("RGB", (20, 20), "red").save(shell.folder / name)
    rows = [["label", "path", "note"], ["Zoë", "é 1.png", "x"], [7, "b’2.png", "€"]]
    name, *options = write(shell.folder, rows, dialect)
    done = answers(shell, "enrol", "tiles", "--from", name, *options)
    listed = [json.loads(line) for line in done.splitlines()]
    assert [(row["label"], row["status"]) for row in listed] == [
        ("Zoë", "enrolled"),
        ("7", "enrolled"),
    ]


@every_dialect
def test_dedupe(shell, dialect):
    rows = [*ROWS, ["6", WORDS[0]], ["7", WORDS[2]]]
    name, *options = write(shell.folder, rows, dialect)
    rule = ("--rerank", "none", "--threshold", "0.999")
    done = answers(shell, "dedupe", name, "-m", "letters", "--column", "text", *rule, *options)
    groups = json.loads(done)["groups"]
    assert [[m["id"] for m in group["members"]] for group in groups] == [["1", "6"], ["3", "7"]]
    assert {m["text"] for group in groups for m in group["members"]} == {WORDS[0], WORDS[2]}


@every_dialect
def test_dedupe_against(letters, dialect):
    name, *options = write(letters.folder, ROWS, dialect)
    columns = ("--column", "text", *options)
    assert letters("enrol", "letters", "--from", name, *columns).code == 0
    rule = ("--rerank", "none", "--threshold", "0.999")
    done = answers(letters, "dedupe", name, *columns, "--against", "letters", *rule)
    assert [row["identity"] for row in json.loads(done)["checked"]] == ["1", "2", "3", "4", "5"]


@every_dialect
def test_embed(shell, dialect):
    name, *options = write(shell.folder, ROWS, dialect)
    arguments = ("--from", name, "--column", "text", "-o", "v.npy", *options)
    answers(shell, "embed", "-m", "letters", *arguments)
    lines = (shell.folder / "v.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["source"] for line in lines] == WORDS
    assert len(np.load(shell.folder / "v.npy")) == len(WORDS)


@pytest.fixture(scope="module")
def measured(shell_in, tmp_path_factory):
    """What `evaluate` prints of the plain dialect, with an encoder and of given scores."""
    shell = shell_in(tmp_path_factory.mktemp("plain"))
    name, *_ = write(shell.folder, TRIALS, "comma")
    with_encoder = answers(shell, "evaluate", name, "-m", "letters", "--group", "Ort")
    return json.loads(with_encoder), json.loads(answers(shell, "evaluate", name))


@every_dialect
def test_evaluate(shell, measured, dialect):
    name, *options = write(shell.folder, TRIALS, dialect)
    arguments = ("-m", "letters", "--group", "Ort", *options)
    done = json.loads(answers(shell, "evaluate", name, *arguments))
    assert done == measured[0]
    assert {group["name"] for group in done[0]["groups"]} >= {"Köln", "Nîmes"}
    (scored,) = json.loads(answers(shell, "evaluate", name, *options))
    assert {**scored, "name": ""} == {**measured[1][0], "name": ""}


def test_scores_with_decimal_commas(shell, measured):
    rows = [[a, b, m, str(s).replace(".", ","), o] for a, b, m, s, o in TRIALS[1:]]
    name, *_ = write(shell.folder, [TRIALS[0], *rows], "semicolon")
    assert json.loads(answers(shell, "evaluate", name))[0]["eer"] == measured[1][0]["eer"]


@pytest.fixture(scope="module")
def gallery(shell_in, tmp_path_factory):
    shell = shell_in(tmp_path_factory.mktemp("gallery"))
    assert shell("enrol", "letters", "--text", "some words to learn", "--as", "a").code == 0
    return shell.folder


@pytest.mark.parametrize("dialect", DIALECTS[::6])  # `evaluate` reads the same trials
def test_calibrate(shell, gallery, dialect):
    shutil.copytree(gallery, shell.folder, dirs_exist_ok=True)
    name, *options = write(shell.folder, TRIALS, dialect)
    rate = ("--fmr", "0.05")
    done = answers(shell, "calibrate", "letters", "--trials", name, *rate, *options)
    assert (json.loads(done)["mated"], json.loads(done)["non_mated"]) == (42, 819)


@every_dialect
def test_examples_to_train_on(tmp_path, dialect):
    rows = [["text", "label", "impostor"], [WORDS[0], 5, 0], [WORDS[1], "Zoë", 1]]
    name, *options = write(tmp_path, rows, dialect)
    examples = read_examples(str(tmp_path / name), encoding="cp1252" if options else None)
    assert [(e.source, e.label, e.impostor) for e in examples] == [
        (WORDS[0], "5", False),
        (WORDS[1], "Zoë", True),
    ]


@every_dialect
def test_lists_of_files(shell, dialect):
    for name, colour in (("é 1.png", "red"), ("b’2.png", "blue"), ("c.png", "red")):
        Image.new("RGB", (20, 20), colour).save(shell.folder / name)
    rows = [["path", "note"], ["é 1.png", "€"], ["b’2.png", "x"], ["c.png", "y"]]
    name, *options = write(shell.folder, rows, dialect)
    (group,) = json.loads(answers(shell, "dedupe", name, "-m", "tiles", *options))["groups"]
    assert [member["text"] for member in group["members"]] == ["é 1.png", "c.png"]
    answers(shell, "embed", "-m", "tiles", "--from", name, "-o", "v.npy", *options)
    lines = (shell.folder / "v.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["source"] for line in lines] == [row[0] for row in rows[1:]]


@pytest.mark.parametrize("suffix", [".xlsx", ".db"])
def test_one_of_several_tables(shell, gallery, suffix):
    """Each command names the option that chooses, and takes it."""
    shutil.copytree(gallery, shell.folder, dirs_exist_ok=True)
    rows = [["path", *TRIALS[0]], *(["a.png", *row] for row in TRIALS[1:])]
    Image.new("RGB", (20, 20), "red").save(shell.folder / "a.png")
    file = shell.folder / f"t{suffix}"
    if suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        book.active.append(["other"])
        for row in rows:
            (book["t"] if "t" in book.sheetnames else book.create_sheet("t")).append(row)
        book.save(file)
    else:
        write(shell.folder, rows, "sqlite")
        with sqlite3.connect(file) as db:
            db.execute("CREATE TABLE other (x)")
        db.close()
    for arguments in (
        ("enrol", "tiles", "--from", file.name),
        ("embed", "-m", "tiles", "--from", file.name, "-o", "v.npy"),
        ("dedupe", file.name, "-m", "tiles"),
        ("embed", "-m", "letters", "--from", file.name, "--column", "a", "-o", "v.npy"),
        ("evaluate", file.name, "-m", "letters"),
        ("evaluate", file.name),
        ("calibrate", "letters", "--trials", file.name, "--fmr", "0.05"),
    ):
        refused = shell(*arguments)
        assert refused.code == 2, arguments
        assert "give `--table`" in refused.err
        answers(shell, *arguments, "--table", "t")
    assert len(read_examples(str(file), table="t")) == len(TRIALS) - 1
