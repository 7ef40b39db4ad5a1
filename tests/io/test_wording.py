"""The words of answers: siamkit.io.wording."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from siamkit.io import wording
from siamkit.types import Threshold

PEOPLE = wording.Nouns("person", "people")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "< 0.001"),
        (0.0004, "< 0.001"),
        (0.0005, "0.001"),
        (0.06, "0.060"),
        (0.9994, "0.999"),
        (0.9996, "> 0.999"),
        (1.0, "> 0.999"),
    ],
)
def test_a_probability_is_never_shown_as_certain(share, text):
    assert wording.format_probability(share) == text


def test_a_pair_is_the_same_or_different_or_inconclusive():
    assert wording.describe_pair("same", PEOPLE, 0.9876) == "same person (probability 0.988)"
    different = "different people (probability of the same person < 0.001)"
    assert wording.describe_pair("different", PEOPLE, 0.0) == different
    assert wording.describe_pair("inconclusive", PEOPLE) == "inconclusive"


def test_an_identity_is_named_not_enrolled_or_perhaps():
    assert wording.describe_identity("same", "ann", PEOPLE, 0.98) == "ann (probability 0.980)"
    assert wording.describe_identity("different", "ann", PEOPLE, 0.02) == "not enrolled"
    perhaps = "inconclusive: perhaps ann (probability 0.510)"
    assert wording.describe_identity("inconclusive", "ann", PEOPLE, 0.51) == perhaps


def test_a_plugin_without_words_gets_those_of_its_kind():
    assert wording.nouns_of(SimpleNamespace(kind="image")).singular == "picture"
    assert wording.nouns_of(SimpleNamespace(kind="smell")).plural == "identities"
    assert wording.nouns_of(SimpleNamespace(nouns=("dog", "dogs"))) == ("dog", "dogs")


def test_a_rate_is_said_in_words():
    threshold = Threshold(0.4, 0.001, "LFW, aligned crops, 2,086 people")
    passed = "at most 1 in 1,000 pairs of different people would pass, measured on LFW"
    assert wording.describe_rate(threshold, PEOPLE) == passed
    assert wording.describe_rate(Threshold(0.4), PEOPLE) == ""
    search = wording.describe_rate(Threshold(0.4, None, "gallery a, 9 people", 0.18), PEOPLE)
    assert (
        search
        == "at most 18 % of searches for a stranger would find somebody, measured on gallery a"
    )
