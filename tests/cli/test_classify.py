"""`siamkit classify`: classes, tags, and what belongs to none."""

from __future__ import annotations

import itertools
import json

import pytest
from manifest import lines
from scoreddata import texts

from siamkit.errors import BadInput
from siamkit.store import labels

TOPICS = [
    ("parcels", "where is my parcel now"),
    ("parcels", "my parcel is not here"),
    ("parcels", "the parcel came too late"),
    ("parcels", "is there a parcel for me"),
    ("parcels", "my neighbour has the parcel"),
    ("money", "i want my money back"),
    ("money", "when is the money back on my account"),
    ("money", "you took the money twice"),
    ("money", "the money is still missing"),
    ("money", "how much money is it"),
]


@pytest.fixture
def topics(shell):
    done = shell("enrol", "topics", "-m", "letters", "--from", "-", stdin=lines(*TOPICS))
    assert done.code == 0, done.err
    return shell


def asked(shell, *arguments):
    done = shell("classify", *arguments, "--json")
    return done, json.loads(done.out)


@pytest.mark.parametrize("by", ["knn", "prototypes"])
def test_a_text_is_of_the_class_that_it_is_like(topics, by):
    done, found = asked(topics, "topics", "--text", "is my parcel late", "--by", by)
    assert done.code == 0
    (probe,) = found["probes"]
    (region,) = probe["regions"]
    assert region["class"] == "parcels"
    assert [match["identity"] for match in region["classes"]] == ["parcels", "money"]
    assert sum(match["probability"] for match in region["classes"]) == pytest.approx(1)
    assert "10 enrolled samples" in found["probabilities"]
    table = topics("classify", "topics", "--text", "is my parcel late", "--by", by).out
    assert table.startswith("parcels (probability ")
    assert "\nprobabilities fitted to 10 enrolled samples" in table


def test_one_sample_a_class_will_do_and_says_that_it_guesses(shell):
    shell("enrol", "topics", "-m", "letters", "--from", "-", stdin=lines(TOPICS[0], TOPICS[-1]))
    done, found = asked(shell, "topics", "--text", "give me my money")
    assert done.code == 0
    assert found["probes"][0]["regions"][0]["class"] == "money"
    assert "guessed" in found["probabilities"]
    assert "siamkit calibrate topics" in done.err


def test_a_calibration_says_how_likely_classes_of_one_sample_are(shell):
    every = texts(60, 2)
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*every[::2])).code == 0
    _, found = asked(shell, "letters", "--text", every[1][1])
    assert "guessed" in found["probabilities"]
    with (shell.folder / "trials.csv").open("w") as file:
        print("a,b,label", file=file)
        for (name, one), (_, other) in itertools.product(every[:40:2], every[1:40:2]):
            print(one, other, int(other == dict(every)[name]), sep=",", file=file)
    assert shell("calibrate", "letters", "--trials", "trials.csv").code == 0
    for by in ("knn", "prototypes"):
        done, found = asked(shell, "letters", "--text", every[1][1], "-k", "2", "--by", by)
        assert found["probabilities"].startswith("by the calibration: trials.csv")
        assert done.err == ""
        (region,) = found["probes"][0]["regions"]
        assert len(region["classes"]) == 2
        assert region["class"] == every[1][0]
        assert region["classes"][0]["probability"] > 0.8


def test_a_stranger_is_unknown_at_the_rate_of_the_calibration(shell):
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*texts(60, 3))).code == 0
    assert shell("calibrate", "letters").code == 0
    done, found = asked(shell, "letters", "--text", "quite another thing", "--fpir", "0.1")
    assert done.code == 3
    assert found["probes"][0]["threshold"]["fpir"] == 0.1
    assert found["probes"][0]["regions"][0]["class"] is None


def test_what_is_of_no_class_is_unknown_if_asked(topics):
    strange = ("topics", "--text", "zzz qqq xxx")
    assert topics("classify", *strange).code == 0
    done, found = asked(topics, *strange, "--unknown")
    assert done.code == 3
    (region,) = found["probes"][0]["regions"]
    assert region["class"] is None
    assert region["decision"] == "different"
    table = topics("classify", *strange, "--unknown").out
    assert table.startswith("not enrolled\nnearest: parcels, score 0.450, same from 0.800: at most")
    done, found = asked(topics, *strange, "--threshold", "-1")
    assert done.code == 0
    best = ("topics", "--text", "where is my parcel now", "--unknown")
    assert topics("classify", *best).code == 0


@pytest.mark.parametrize("by", ["knn", "prototypes"])
def test_a_sample_may_bear_several_tags(shell, by):
    tagged = [
        *[("red", f"red red paint no {i}") for i in range(5)],
        *[("round", f"a round ball, number {i}") for i in range(5)],
        *[(tag, f"red red round ball {i}") for i in range(5) for tag in ("red", "round")],
        *[("flat", f"zzz flat flat {i}") for i in range(5)],
    ]
    assert shell("enrol", "things", "-m", "letters", "--from", "-", stdin=lines(*tagged)).code == 0
    done, found = asked(
        shell, "things", "--tags", "--by", by, "--text", "red red round ball x",
        "--text", "zzz flat flat x",
    )  # fmt: skip
    assert done.code == 0
    both, flat = (probe["regions"][0]["tags"] for probe in found["probes"])
    assert sorted(both) == ["red", "round"]
    assert flat == ["flat"]
    assert "20 enrolled samples" in found["probabilities"]
    strange = ("things", "--tags", "--text", "qqq xxx yyy", "--threshold", "0.9")
    assert shell("classify", *strange).code == 3


def test_every_region_of_a_picture_is_classified(tiles):
    for name in ("red", "blue"):
        assert tiles("enrol", "colours", f"{name}.png", "--as", name, "-m", "tiles").code == 0
    done, found = asked(tiles, "colours", "both.png")
    assert sorted(r["class"] for r in found["probes"][0]["regions"]) == ["blue", "red"]
    table = tiles("classify", "colours", "both.png", "-k", "1").out
    assert table.startswith("2 found: red, blue\n")
    assert tiles("classify", "colours", "empty.png").code == 4
    done, found = asked(tiles, "colours", "empty.png", "both.png", "--largest")
    assert done.code == 0
    assert "error" in found["probes"][0]


def test_wrong_use_is_told_in_a_line(topics, workspace):
    for arguments, code, words in (
        (["topics"], 2, "Give FILES, folders, --from or --text"),
        (["nobody", "--text", "x"], 1, "nobody"),
        (["topics", "--text", "x", "-k", "0"], 2, "0"),
        (["topics", "--text", "x", "--by", "prototypes", "--neighbours", "3"], 2, "--by knn"),
        (["topics", "--text", "x", "--threshold", "1", "--fmr", "0.1"], 2, "give only one"),
        (["topics", "--text", "x", "--threshold", "7"], 2, "not in the range"),
        (["topics", "--text", "x", "--fpir", "0.1"], 1, "not calibrated"),
        (["topics", "none.txt"], 2, "none.txt"),
    ):
        done = topics("classify", *arguments)
        assert (done.code, words in done.err) == (code, True), done.err


def test_an_empty_gallery_has_no_classes(shell):
    assert shell("galleries", "create", "void", "-m", "letters").code == 0
    done = shell("classify", "void", "--text", "x")
    assert done.code == 2
    assert "gallery void is empty" in done.err


def test_an_open_workspace_answers_from_what_is_enrolled_now(workspace):
    for label, text in TOPICS:
        workspace.enrol("topics", label, text, modality="letters")
    opened = workspace.classifier("topics")
    assert workspace.classifier("topics") is opened
    (found,) = workspace.classify("topics", "where is the key")
    assert found.identity in ("parcels", "money")
    workspace.enrol("topics", "keys", "where is the key")
    (found,) = workspace.classify("topics", "where is the key", k=1)
    assert found.identities == ["keys"]
    workspace.forget("keys")
    (found,) = workspace.classify("topics", "where is the key", k=1)
    assert "keys" not in [match.identity for match in found.classes]


def test_an_open_workspace_calls_a_class_by_its_newest_name(workspace):
    for label, text in TOPICS:
        workspace.enrol("topics", label, text, modality="letters")
    assert workspace.classify("topics", "where is my parcel")[0].identity == "parcels"
    labels.rename(workspace.store, "parcels", "packages")
    assert workspace.classify("topics", "where is my parcel")[0].identity == "packages"
    for old, new in (("packages", "aside"), ("money", "packages"), ("aside", "money")):
        labels.rename(workspace.store, old, new)
    assert workspace.classify("topics", "where is my parcel")[0].identity == "money"


def test_no_method_but_the_two(workspace):
    workspace.enrol("topics", "a", "where is my parcel", modality="letters")
    with pytest.raises(BadInput, match="no method 'bogus'") as caught:
        workspace.classify("topics", "x", by="bogus")
    assert "knn or prototypes" in caught.value.hint


def test_a_tag_that_is_not_given_is_no_identity(workspace):
    for number, tag in enumerate("abcdefgh"):
        workspace.enrol("things", tag, f"{tag * 9} {number}", modality="letters")
    (found,) = workspace.classify("things", "quite another thing", tags=True)
    assert (found.identities, found.identity, found.decision) == ([], None, "different")


def test_a_sample_without_a_likely_tag_is_not_identified(shell):
    tagged = [(tag, f"{tag * 9} {number}") for number, tag in enumerate("abcdefgh")]
    assert shell("enrol", "things", "-m", "letters", "--from", "-", stdin=lines(*tagged)).code == 0
    asked_tags = ("classify", "things", "--tags", "--text", "quite another thing")
    done = shell(*asked_tags, "-o", "tags.jsonl")
    assert done.code == 3
    assert done.out.startswith("no tag is likely\nlikeliest tags: ")
    row = json.loads((shell.folder / "tags.jsonl").read_text())
    assert (row["decision"], row["identity"]) == ("different", None)
    many = shell(*asked_tags, "--text", "quite another thing again")
    assert many.code == 3
    assert "2 texts: 2 not enrolled" in many.out


def test_a_gallery_of_one_class_says_so(shell):
    assert shell("enrol", "one", "-m", "letters", "--text", "hello", "--as", "a").code == 0
    done = shell("classify", "one", "--text", "quite another thing")
    assert "there is one class, so every sample belongs to it" in done.err
    tags = shell("classify", "one", "--text", "quite another thing", "--tags")
    assert "more samples of each tag." in tags.err
