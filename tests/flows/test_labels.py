"""Labels that are not text: numbers are their digits, anything else is one row's fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamkit.errors import BadInput

NUMBERS = [(5, "5"), (np.int64(6), "6"), (np.uint8(7), "7"), (8.0, "8"), (np.float32(9), "9"),
           (5.5, "5.5"), (-1, "-1"), (np.str_("a"), "a"), (10**30, "1" + "0" * 30)]  # fmt: skip
BAD = [True, np.True_, b"x", Path("x"), ["x"], object(), float("nan"), float("inf"), 1j, "", "\n",
       "a\ud800", "x" * 300]  # fmt: skip


@pytest.mark.parametrize(("label", "stored"), NUMBERS)
def test_numbers_are_labels(workspace, label, stored):
    result = workspace.enrol("letters", label, "some words to learn")
    assert (result.label, result.status, type(result.label)) == (stored, "enrolled", str)
    assert [h.identity for h in workspace.identities("letters")] == [stored]
    assert workspace.identity(label)[0].identity == stored
    verdict = workspace.verify_identity("letters", label, "some words to learn").verdict
    assert verdict.decision == "same"
    assert workspace.forget(label) == 1


@pytest.mark.parametrize(
    "label", ["anna", " anna\u00a0", "\ufeffanna", "anna\u200b ", "\tanna\r\n"]
)
def test_what_is_blank_around_a_label_is_none_of_it(workspace, label):
    assert workspace.enrol("letters", label, "some words to learn").label == "anna"


@pytest.mark.parametrize("label", BAD, ids=lambda label: type(label).__name__)
def test_what_is_no_label_is_refused(workspace, label):
    with pytest.raises(BadInput, match="label"):
        workspace.enrol("letters", label, "some words to learn")


def test_bad_rows_are_faults_and_the_good_ones_stay(workspace):
    good = [("a", "first words to learn"), (5, "other words to learn"), (None, "its own label")]
    bad = [(label, f"text {n}") for n, label in enumerate(BAD)]
    bad += [("x", 5), ("x", None), ("x", 2.5), ("alone",), None, 7, ("a", "b", "c"), "ab c"]
    rows = [row for pair in zip(good, bad, strict=False) for row in pair] + bad[3:]
    results = list(workspace.enrol_many("letters", rows))
    assert len(results) == len(rows)
    assert [r.label for r in results if r.status == "enrolled"] == ["a", "5", "its own label"]
    assert sum(r.status == "failed" and isinstance(r.error, BadInput) for r in results) == len(bad)


def test_vectors_are_enrolled_under_numbers(workspace):
    workspace.enrol("letters", "a", "some words to learn")
    labels = np.array([1, 2])
    assert list(workspace.add_templates("letters", labels, np.eye(2, 64)))[-1] == 2
    assert {h.identity for h in workspace.identities("letters")} == {"a", "1", "2"}
