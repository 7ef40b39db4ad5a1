"""Warnings at enrolment: copies, matches and strangers under one label."""

from __future__ import annotations

import json

import pytest

import siamkit as sk
from siamkit.embed.pipeline import Pipeline
from siamkit.flows import mixups
from siamkit.types import Calibration, ErrorCurve

CALIBRATION = Calibration(
    "letters/1:toy", "a test", "isotonic", (0.2, 0.9), (-6.0, 6.0),
    ErrorCurve((0.1, 1e-6), (0.5, 0.95)), ErrorCurve((0.1, 1e-3), (0.5, 0.2)),
    fmr=0.01, fpir=0.01, mated=9_999, non_mated=99_999, identities=200,
    non_mated_identity_pairs=19_900,
)  # fmt: skip


@pytest.fixture
def ws(tmp_path, monkeypatch):
    """A workspace whose encoder of letters is calibrated."""
    monkeypatch.setattr(Pipeline, "calibration", CALIBRATION)
    monkeypatch.setattr(mixups, "TOPICAL", ())
    return sk.Workspace(tmp_path / "store")


def warnings_of(ws, *pairs):
    results = list(ws.enrol_many("letters", pairs))
    assert [result.status for result in results] == ["enrolled"] * len(pairs)
    return [result.warnings for result in results]


def test_a_copy_under_another_label_is_named_with_what_to_do(ws):
    assert warnings_of(ws, ("greet you", "hello there")) == [()]
    ((warning,),) = warnings_of(ws, ("hail", "hello there"))
    assert warning == (
        "hello there, enrolled as hail, is the same as a sample of greet you."
        " One text: `siamkit merge hail 'greet you'`. A mistake: `siamkit forget --sample 2`."
        " Both labels hold, for `siamkit classify --tags`: leave it."
        " To look: `siamkit show 'greet you'`"
    )


def test_a_match_with_another_identity_and_none_with_its_own(ws):
    ours = ("reset", "how do i reset my password")
    assert warnings_of(ws, ours, ("reset", "how do i reset my pasword")) == [(), ()]
    (warning,), nothing = warnings_of(
        ws, ("other", "how do i reset my passwort"), ("zebra", "zzzz qqqq")
    )
    assert "enrolled as other, matches reset, cosine 0.9" in warning
    assert nothing == ()


def test_samples_of_one_batch_are_compared_with_each_other(ws):
    one, two, three = warnings_of(
        ws, ("a", "where is my invoice"), ("b", "where is my invoise"), ("a", "zzzz qqqq")
    )
    assert (one, len(two), len(three)) == ((), 1, 1)
    assert "matches a" in two[0]
    assert "unlike every other sample of a: best cosine" in three[0]
    assert "`siamkit forget --sample 3`" in three[0]


def test_texts_of_a_topic_need_not_be_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(Pipeline, "calibration", CALIBRATION)
    ws = sk.Workspace(tmp_path / "store")
    assert warnings_of(ws, ("a", "where is my invoice"), ("a", "zzzz qqqq")) == [(), ()]


def test_a_stranger_is_found_however_many_others_are_nearer(ws):
    warnings_of(ws, *((f"id {n}", f"zzzz qqqq {n} {n * n}") for n in range(9)))
    (none,), (warning,) = (
        warnings_of(ws, ("a", "where is my invoice")),
        *warnings_of(ws, ("a", "zzzz qqqq")),
    )
    assert none == ()
    assert "a" in warning


def test_a_large_gallery_needs_more_evidence():
    few, many = (mixups._same_from(CALIBRATION, count) for count in (10, 10_000))
    assert 0.5 < few < many < mixups.COPY
    assert mixups._same_from(None, 10) == mixups.COPY


def test_without_a_calibration_only_copies_are_told_in_json_and_on_screen(shell):
    assert shell("enrol", "letters", "--text", "hello", "--as", "a").err == ""
    done = shell("enrol", "letters", "--text", "hello", "--as", "b", "--json")
    assert done.code == 0
    assert "is the same as a sample of a" in json.loads(done.out)["warnings"][0]
    done = shell("enrol", "letters", "--text", "hello", "--as", "c")
    assert done.err.startswith("Warning: hello, enrolled as c, is the same")
    assert shell("enrol", "letters", "--text", "zzz qqq", "--as", "a").err == ""


def test_a_long_batch_shows_some_warnings_and_counts_the_others(shell):
    rows = "".join(f"label {n},the same text\n" for n in range(31))
    (shell.folder / "t.csv").write_text("id,text\n" + rows)
    done = shell("enrol", "letters", "--from", "t.csv", "--column", "text")
    assert done.err.count("Warning: ") == 20
    assert "… and 10 more warnings" in done.err


def test_what_follows_the_checked_samples_is_left_to_audit(ws, monkeypatch, caplog):
    monkeypatch.setattr(mixups, "CHECKED", 1)
    assert warnings_of(ws, ("a", "hello"), ("b", "hello"))[1]
    assert warnings_of(ws, ("c", "good bye"))
    assert "`siamkit audit letters` looks at all" in caplog.text
