"""Texts at the command line: given as they are, or as a column of a table."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def table(shell):
    (shell.folder / "faq.csv").write_text(
        "number,question\nq1,hello there my friend\nq2,one and one is two\n"
        "q2,one and one makes two\nq3,\nq4,too,many\n"
    )
    return shell


def enrol(shell, *arguments):
    return shell("enrol", "faq", "-m", "letters", *arguments)


def names(shell) -> list[str]:
    return [row["identity"] for row in json.loads(shell("list", "faq", "--json").out)]


def test_a_column_of_a_table_is_enrolled_row_by_row(table):
    done = enrol(table, "--from", "faq.csv", "--column", "question", "--id", "number")
    assert done.code == 1
    assert "3 enrolled, 2 failed" in done.out
    assert "faq.csv, line 5: its text is empty" in done.err
    assert "faq.csv, line 6: 3 fields, where the head has 2" in done.err
    assert names(table) == ["q1", "q2"]
    repeated = enrol(table, "--from", "faq.csv", "--column", "question", "--id", "number", "--json")
    assert [json.loads(line)["status"] for line in repeated.out.splitlines()] == [
        "failed",
        "failed",
        "already",
        "already",
        "already",
    ]


def test_a_text_without_an_id_is_its_own_label(shell):
    long = "a very long text " * 30
    assert enrol(shell, "--text", "hello  there", "--text", long).code == 0
    first, second = sorted(names(shell), key=len)
    assert first == "hello there"
    assert second.startswith("a very long text a very")
    assert len(second) <= 200
    assert enrol(shell, "--text", "hello over there", "--as", "hello there").code == 0
    assert len(names(shell)) == 2


def test_query_and_verify_take_texts(table):
    enrol(table, "--from", "faq.csv", "--column", "question", "--id", "number")
    done = table("query", "faq", "--text", "hello there my freind", "--json")
    assert done.code == 0, done.err
    (probe,) = json.loads(done.out)["probes"]
    assert probe["source"] == "hello there my freind"
    assert probe["regions"][0]["identity"] == "q1"
    assert table("query", "faq", "--text", "zzz qqq").code == 3
    assert table("verify", "faq", "--as", "q2", "--text", "one and one is twoo").code == 0
    assert table("verify", "faq", "--text", "hello", "--text", "hello!").code == 0
    assert table("verify", "-m", "letters", "--text", "one", "--text", "zebra").code == 3


def test_a_reranker_moves_matches_and_has_the_threshold(table):
    enrol(table, "--from", "faq.csv", "--column", "question", "--id", "number")
    done = table("query", "faq", "--text", "hello there my friend", "--rerank", "words", "--json")
    (probe,) = json.loads(done.out)["probes"]
    best, *lower = probe["regions"][0]["matches"]
    assert (best["identity"], best["probability"]) == ("q1", 1.0)
    assert [m["probability"] for m in lower] == sorted(
        (m["probability"] for m in lower), reverse=True
    )
    assert probe["threshold"]["value"] == 0.5
    assert (probe["decided_by"], probe["reranker"]) == ("probability", "words")
    done = table("query", "faq", "--text", "hello my friend", "--rerank", "words")
    assert "probability" in done.out
    pair = table(
        "verify",
        "-m",
        "letters",
        "--text",
        "one two",
        "--text",
        "two one",
        "--rerank",
        "words",
        "--json",
    )
    assert json.loads(pair.out)["probability"] == 1.0
    assert json.loads(pair.out)["decision"] == "same"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "faq"], "Give FILES, folders, --from or --text"),
        (["query", "faq", "--text", " "], "a text is empty"),
        (
            ["embed", "-m", "letters", "--from", "faq.jsonl", "--column", "q", "-o", "faq.npy"],
            "faq.jsonl would be overwritten",
        ),
        (["query", "tiles", "--text", "x"], "tiles are not texts"),
        (["verify", "-m", "tiles", "--text", "x", "--text", "y"], "tiles are not texts"),
        (["verify", "-m", "letters", "--text", "x"], "--text A --text B"),
        (["verify", "-m", "letters", "faq.csv", "faq.csv"], "`--from faq.csv --column NAME`"),
        (["verify", "-m", "letters", "hello there", "hello"], "write `--text` before it"),
        (["verify", "-m", "letters", "hello there?", "hello"], "write `--text` before it"),
        (["verify", "-m", "letters", "", "faq.csv"], "an empty file name"),
        (["dedupe", "", "-m", "tiles"], "an empty file name"),
        (["dedupe", "faq.csv", "faq.csv"], "--against GALLERY"),
        (["query", "faq.csv"], "The gallery comes first"),
        (["query", "letters", "faq.csv"], "`siamkit enrol letters FILE --as NAME`"),
        (["enrol", "leters", "--text", "x", "--as", "y"], "did you mean 'letters'?"),
        (["evaluate", "letters"], "--gallery letters"),
        (["timeline", "faq.csv", "faq.csv"], 'for f in *; do siamkit timeline "$f"; done'),
        (
            ["verify", "-m", "letters", "--text", "x", "--text", "y", "--box", "1,2,3,4"],
            "--box is a region of a picture",
        ),
        (["verify", "faq", "--as", "q1", "--text", "x", "--rerank", "words"], "compares two"),
        (["verify", "-m", "letters", "--text", "x", "--text", "y", "--rerank", "no"], "'no'"),
        (["enrol", "faq", "--column", "question", "--text", "x"], "need --from"),
        (["enrol", "tiles", "--from", "faq.csv", "--column", "question"], "tiles are not texts"),
        (["enrol", "faq", "-m", "letters", "--from", "faq.csv"], "add `--column"),
        (
            ["embed", "-m", "tiles", "--from", "faq.csv", "--column", "q", "-o", "v.npy"],
            "not texts",
        ),
        (["query", "faq", "--text", "crash hello", "--rerank", "words"], "faq"),
    ],
)
def test_one_line_for_each_mistake(table, arguments, message):
    done = table(*arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert not (table.folder / ".siamkit").exists()


def test_a_column_is_embedded(table):
    done = table(
        "embed",
        "-m",
        "letters",
        "--from",
        "faq.csv",
        "--column",
        "question",
        "-o",
        "v.npy",
        "--json",
    )
    facts = json.loads(done.out)
    assert (facts["rows"], facts["errors"]) == (3, 2)
    assert "faq.csv, line 5: its text is empty" in done.err


def test_other_models_become_encoders(shell):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    done = shell("encoders", "add", "letters", "salt:Some-Model", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert (facts["name"], facts["state"]) == ("some-model", "built")
    assert shell("encoders", "path", "letters", "some-model").out.strip() == facts["path"]
    assert shell("encoders", "add", "letters", "salt:Some-Model").code == 0  # is there already
    refused = shell("encoders", "add", "letters", "salt:other", "--name", "some-model")
    assert refused.code == 2
    assert "an encoder 'some-model' already exists" in refused.err
    pair = ("verify", "-m", "letters", "--text", "hello", "--text", "hello")
    assert shell(*pair, "--encoder", "some-model").code == 0
    created = shell("galleries", "create", "faq", "-m", "letters", "--encoder", "some-model")
    assert created.code == 0, created.err
    assert shell("enrol", "faq", "--text", "hello there").code == 0
    assert shell("query", "faq", "--text", "hello there").code == 0
    for spec, message in {
        "salt:nowhere": "there is no network",
        "hub:model": "cannot make an encoder of 'hub:model'",
        "salt": "cannot make an encoder of 'salt'",
        "salt://": "cannot be an encoder's name",
    }.items():
        refused = shell("encoders", "add", "letters", spec)
        assert refused.code in (1, 2)
        assert message in refused.err
    assert sorted(p.name for p in (shell.folder / "cache/encoders/letters").iterdir()) == [
        "some-model"
    ]
    assert "cannot make an encoder" in shell("encoders", "add", "tiles", "salt:x").err
