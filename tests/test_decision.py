"""Decisions are strings, true only where something is the same or present."""

from __future__ import annotations

import json

import pytest

from siamkit import Decision, Threshold, Verdict


def test_only_same_and_present_are_true():
    assert [word for word in Decision if word] == ["same", "present"]


def test_a_decision_is_its_word_in_text_and_json():
    assert f"{Decision.SAME}: {Decision('inconclusive')}" == "same: inconclusive"
    assert json.dumps({"decision": Decision.DIFFERENT}) == '{"decision": "different"}'


@pytest.mark.parametrize("word", Decision)
def test_a_verdict_is_as_true_as_its_decision(word):
    assert bool(Verdict(word, 0.9, Threshold(0.5))) is (word in ("same", "present"))


def test_a_verification_is_true_only_for_the_same(workspace):
    same = workspace.verify("letters", "hello", "hello!")
    different = workspace.verify("letters", "hello", "2 + 2")
    assert (bool(same), same.decision) == (True, Decision.SAME)
    assert (bool(different), different.decision) == (False, Decision.DIFFERENT)
