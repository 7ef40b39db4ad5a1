"""`siamkit init` with a gallery, and encoders of other models, for a third-party modality."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def cached(shell):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    return shell


def test_a_gallery_with_an_encoder_of_another_model_is_one_step(cached):
    done = cached("init", "mine", "--encoder", "salt:pepper", "--json")
    assert done.code == 0, done.err
    gallery = json.loads(done.out)
    assert (gallery["modality"], gallery["encoder"]) == ("letters", "pepper")
    assert gallery["fingerprint"] == "letters/1:toypepper"
    assert cached("enrol", "mine", "--text", "hello", "--as", "x").code == 0
    assert cached("init", "other", "--encoder", "pepper").code == 0
    assert (
        cached("galleries", "create", "third", "-m", "letters", "--encoder", "salt:mint").code == 0
    )
    assert cached("reembed", "mine", "--encoder", "salt:mint").code == 0
    listed = json.loads(cached("galleries", "--json").out)
    assert {g["name"]: g["encoder"] for g in listed} == {
        "mine": "mint",
        "other": "pepper",
        "third": "mint",
    }


def test_an_encoder_is_added_under_a_name_by_its_kind(cached):
    assert cached("encoders", "add", "spiced", "salt:pepper", "--kind", "text").code == 0
    done = cached("init", "mine", "--encoder", "spiced")
    assert done.out == "created gallery mine of letters, encoder letters/1:toypepper\n"


def test_a_gallery_of_a_modality_needs_no_encoder(cached):
    assert cached("init", "mine", "-m", "letters").code == 0
    assert cached("init", "letters").code == 0
    done = cached("init", "letters")
    assert done.code == 1
    assert "gallery 'letters' already exists" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["init", "mine"], 2, "no modality named 'mine'"),
        (["init", "--encoder", "salt:x"], 2, "name the GALLERY"),
        (["init", "mine", "--encoder", "sugar:x"], 2, "salt:NAME (text)"),
        (["init", "mine", "--encoder", "salt:nowhere"], 1, "there is no network"),
        (["init", "a/b", "--encoder", "salt:x"], 2, "cannot name a gallery"),
        (["init", "mine", "--encoder", "salt:"], 2, "no modality has an encoder 'salt:'"),
        (["encoders", "add", "x", "salt:x", "--kind", "image"], 2, "of kind image"),
        (["encoders", "add", "x", "salt:x", "--kind", "text", "--name", "y"], 2, "leave --name"),
    ],
    ids=str,
)
def test_wrong_use_is_one_line_and_creates_nothing(cached, arguments, code, words):
    done = cached(*arguments)
    assert (done.code, words in done.err) == (code, True), done.err
    assert not (cached.folder / ".siamkit").exists()
