"""Answers in a notebook: pictures with boxes, verdicts in words, and no markup of users."""

from __future__ import annotations

import numpy as np
import pytest
from inks import ink, png

import siamkit as sk

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def tiles(workspace, tmp_path):
    for name, colour in {"red": (250, 0, 0), "blue": (0, 0, 250)}.items():
        (tmp_path / f"{name}.png").write_bytes(png(ink(colour)))
    workspace.enrol("tiles", HOSTILE, tmp_path / "red.png")
    return workspace


def html_of(answer):
    html = answer._repr_html_()
    assert "<script" not in html
    return html


def test_a_query_shows_the_picture_and_the_verdict(tiles, tmp_path):
    both = np.hstack([ink((250, 0, 0)), ink((0, 0, 250))])
    for probe in (both, png(both)):
        html = html_of(tiles.query("tiles", probe))
        assert "data:image/jpeg" in html
        assert "2 found, 1 identified" in html
        assert "not enrolled" in html
    html = html_of(tiles.query("tiles", tmp_path / "blue.png"))
    assert html.index("not enrolled") < html.index("blue.png") < html.index("data:image")
    assert "data:image/jpeg" in html_of(tiles.query("tiles", tmp_path / "blue.png")[0])


def test_a_file_that_is_gone_has_a_verdict_still(tiles, tmp_path):
    answers = tiles.query("tiles", tmp_path / "blue.png")
    (tmp_path / "blue.png").unlink()
    html = html_of(answers)
    assert "not enrolled" in html
    assert "data:image" not in html


def test_a_batch_shows_a_card_each_and_the_errors(tiles, tmp_path):
    html = html_of(tiles.query("tiles", [ink((250, 0, 0)), tmp_path / "absent.png"]))
    assert html.count("data:image/jpeg") == 1
    assert "absent.png cannot be read" in html
    assert "data:image" in html_of(tiles.find("tiles", [ink((250, 0, 0))]))


def test_a_verification_shows_both_samples_and_its_words(tiles):
    same = tiles.verify("tiles", ink((250, 0, 0)), ink((250, 0, 0)))
    html = html_of(same)
    assert html.count("data:image/jpeg") == 2
    assert str(same) == "same picture"
    assert "same picture" in html
    assert "1 enrolled" in html_of(tiles.verify_identity("tiles", HOSTILE, ink((250, 0, 0))))


def test_every_answer_has_a_look(tiles):
    red = ink((250, 0, 0))
    deduped = tiles.dedupe([red, red, ink((0, 0, 250))], modality="tiles")
    for answer in (
        tiles.classify("tiles", red),
        tiles.find("tiles", ink((0, 250, 0))),
        tiles.detect(red, detector="squares"),
        deduped,
        tiles.embed("tiles", red),
        tiles.galleries()[0],
        sk.Batch(tiles.identities()),
        sk.Batch(),
    ):
        assert "siamkit" in html_of(answer)
    assert "1 found" in html_of(tiles.detect(red, detector="squares"))


def test_texts_are_quoted(workspace):
    workspace.enrol("letters", "greeting", "hello there")
    html = html_of(workspace.query("letters", "hello <b>there</b>"))
    assert "&lt;b&gt;" in html


def test_answers_are_short_in_a_console(workspace):
    workspace.enrol("letters", "greeting", "hello there")
    assert repr(workspace.query("letters", "hello, there")) == (
        "<Answers about hello, there: greeting>"
    )
    assert "not enrolled" in str(workspace.query("letters", ["one and one"]))
    deduped = workspace.dedupe(["hello there", "hello there"], modality="letters")
    assert repr(deduped) == "<Deduped 2 items: 1 group of duplicates>"
    assert repr(deduped.items[1]) == "<Item hello there (line 2)>"
    (answer,) = workspace.query("letters", "hello, there")
    assert repr(answer) == "<Answer about hello, there: greeting>"
