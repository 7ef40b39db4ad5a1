"""Answers as dicts, JSON and rows: the same as the command line prints."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from inks import ink, png

import siamkit as sk
from siamkit.reports.answer_rows import SCHEMA

TEXTS = ["hello, there", "one and two", "quite another thing"]


@pytest.fixture
def texts(shell):
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        ws.enrol("letters", "greeting", ["hello there", "hello here"])
        ws.enrol("letters", "sums", "one and one")
        yield ws


@pytest.fixture
def tiles(shell):
    for name, colour in {"red": (250, 0, 0), "blue": (0, 0, 250)}.items():
        (shell.folder / f"{name}.png").write_bytes(png(ink(colour)))
    (shell.folder / "white.png").write_bytes(png(np.full((60, 80, 3), 255, np.uint8)))
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        ws.enrol("tiles", "red", shell.folder / "red.png")
        yield ws


def test_a_query_of_many_is_what_the_command_prints(texts, shell):
    options = [option for text in TEXTS for option in ("--text", text)]
    printed = json.loads(shell("query", "letters", *options, "--json").out)
    batch = texts.query("letters", TEXTS)
    assert json.loads(batch.to_json()) == printed
    assert [len(answers) for answers in batch] == [1, 1, 1]
    assert batch[0].to_dict() == printed["probes"][0]
    assert texts.query("letters", TEXTS[0]).to_dict() == printed["probes"][0]
    assert texts.query("letters", TEXTS[0])[0].to_dict() == printed["probes"][0]["regions"][0]


def test_errors_of_a_query_of_many_are_what_the_command_prints(tiles, shell):
    files = [shell.folder / name for name in ("red.png", "white.png", "absent.png")]
    printed = json.loads(shell("query", "tiles", *files, "--json").out)
    batch = tiles.query("tiles", files)
    assert json.loads(batch.to_json()) == printed
    assert [bool(answers.error) for answers in batch] == [False, True, True]
    assert [str(error) for error in batch.errors] == [p["error"] for p in printed["probes"][1:]]


def test_classes_are_what_the_command_prints(texts, shell):
    printed = json.loads(shell("classify", "letters", "--text", TEXTS[0], "--json").out)
    assert texts.classify("letters", TEXTS[0]).to_dict() == printed["probes"][0]
    assert len(texts.classify("letters", TEXTS).rows()) == 3


def test_a_verification_is_what_the_command_prints(texts, shell):
    pair = ["hello there", "hello, there"]
    options = [option for text in pair for option in ("--text", text)]
    printed = json.loads(shell("verify", "letters", *options, "--json").out)
    assert texts.verify("letters", *pair).to_dict() == printed


def test_a_search_is_what_the_command_prints(tiles, shell):
    files = [shell.folder / name for name in ("red.png", "white.png", "absent.png")]
    printed = json.loads(shell("find", "tiles", *files, "--json").out)
    assert json.loads(tiles.find("tiles", files).to_json()) == printed
    detected = json.loads(shell("detect", files[0], "--detector", "squares", "--json").out)
    assert tiles.detect(files[0], detector="squares").to_dict() == detected["sources"][0]


def test_duplicates_are_what_the_command_prints(texts, shell):
    items = ["hello there", "hello, there", "one and two", "hello there"]
    (shell.folder / "texts.csv").write_text("text\n" + "\n".join(f'"{item}"' for item in items))
    done = shell("dedupe", "texts.csv", "-m", "letters", "--json")
    printed = json.loads(done.out)
    deduped = texts.dedupe(items, modality="letters")
    facts = json.loads(deduped.to_json())
    assert {key: facts[key] for key in ("items", "copies", "pairs", "threshold")} == {
        key: printed[key] for key in ("items", "copies", "pairs", "threshold")
    }
    assert [row["text"] for row in deduped.rows()] == ["hello there", "hello, there", "hello there"]


def test_an_evaluation_is_what_the_command_prints(texts, shell):
    texts.enrol("letters", "sums", ["one and two", "two and one"])
    printed = json.loads(shell("evaluate", "--gallery", "letters", "--json").out)
    (evaluation,) = texts.evaluate(gallery="letters")
    assert json.loads(evaluation.to_json()) == printed[0]
    assert evaluation.rows()[0]["name"] == "letters"


def test_rows_have_the_same_columns_and_plain_values(tiles, texts, shell):
    files = [shell.folder / name for name in ("red.png", "white.png", "absent.png", "blue.png")]
    for answer in (
        tiles.query("tiles", files),
        tiles.find("tiles", files),
        sk.Batch(tiles.detect_many(files, detector="squares")),
        texts.classify("letters", TEXTS),
        tiles.embed("tiles", files),
        texts.enrol("letters", "greeting", ["hello you", "hello there"]),
        sk.Batch(texts.identities()),
        sk.Batch(texts.audit("letters")),
    ):
        rows = answer.rows()
        assert len({tuple(row) for row in rows}) <= 1
        values = [value for row in rows for value in row.values()]
        assert all(isinstance(v, str | int | float | list | None) for v in values)
        json.dumps(rows)
    rows = tiles.query("tiles", files).rows()
    assert [list(row) for row in rows] == [list(SCHEMA)] * len(rows), "those of -o FILE"
    assert [row["identity"] for row in rows] == ["red", None, None, None]
    assert [row["error"] is None for row in rows] == [True, False, False, True]
    assert (rows[0]["left"], rows[0]["region"], rows[0]["decision"]) == (20.0, 1, "same")


def test_a_gallery_and_its_samples_are_dicts(texts):
    (gallery,) = texts.galleries()
    assert json.loads(gallery.to_json())["modality"] == "letters"
    assert texts.identity("sums")[0].to_dict()["source"] == "one and one"
    assert texts.identities()[0].to_dict() == asdict(texts.identities()[0])


def test_embeddings_in_memory(tiles, shell):
    red, blue = ink((250, 0, 0)), ink((0, 0, 250))
    embedded = tiles.embed("tiles", [red, {}, blue, red])
    assert (embedded.vectors.shape, embedded.vectors.dtype) == ((3, 48), np.float32)
    assert np.allclose(np.linalg.norm(embedded.vectors, axis=1), 1)
    assert [place.item for place in embedded.regions] == [0, 2, 3]
    assert list(embedded.errors) == [1]
    assert (tiles.embed("tiles", red).vectors == embedded.vectors[:1]).all()
    assert tiles.embed("tiles", iter([red, blue])).vectors.shape == (2, 48)
    with pytest.raises(sk.BadInput, match=r"^items: expected a path"):
        tiles.embed("tiles", None)
    with pytest.raises(sk.NothingFound):
        tiles.embed("tiles", np.full((60, 80, 3), 255, np.uint8))


def test_lists_are_enrolled_and_searched_as_batches(tiles):
    red, blue = ink((250, 0, 0)), ink((0, 0, 250))
    results = tiles.enrol("tiles", "blue", [blue, blue, None])
    assert [result.status for result in results] == ["enrolled", "already", "failed"]
    assert str(results[2].error).startswith("source[2]: expected a path")
    assert [p.identities for p in tiles.find("tiles", [red, blue])] == [("red",), ("blue",)]
    assert [[a.identity for a in each] for each in tiles.query("tiles", (red, blue))] == [
        ["red"],
        ["blue"],
    ]
