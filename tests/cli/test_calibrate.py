"""`siamkit calibrate`, and the decisions that galleries make by it."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
from manifest import lines
from scoreddata import texts


@pytest.fixture(scope="module")
def first(shell_in, tmp_path_factory):
    """The folder of a calibrated gallery, and what calibration said."""
    shell = shell_in(tmp_path_factory.mktemp("first"))
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*texts(60, 3))).code == 0
    done = shell("calibrate", "letters", "--json")
    assert done.code == 0, done.err
    return shell.folder, json.loads(done.out)


@pytest.fixture
def calibrated(first, shell):
    folder, shell.made = first
    shutil.copytree(folder, shell.folder, dirs_exist_ok=True)
    return shell


def test_a_gallery_calibrates_itself(calibrated):
    made = calibrated.made
    assert made["mated"] == 180
    assert made["impostor_pairs"] == 60 * 59 // 2
    assert made["fmr"] == 0.01
    assert made["fusion"] == "best"
    assert made["pairs"]["fusion"] is None
    assert made["normalised"] is None
    assert made["ece"] < 0.05
    table = calibrated("calibrate", "letters", "--fmr", "0.05", "--fpir", "0.1").out
    assert "1 in 20 pairs of different texts would pass" in table
    assert "1 in 10 searches for what is not enrolled would match" in table
    assert "Cllr" not in table
    assert "Cllr" in calibrated("calibrate", "letters", "-v").out


def test_answers_tell_a_probability_and_the_rate_they_stand_for(calibrated):
    asked = texts(60, 3)[0][1][:-3] + "xyz"
    (probe,) = json.loads(calibrated("query", "letters", "--text", asked, "--json").out)["probes"]
    assert probe["threshold"]["fpir"] == calibrated.made["fpir"]
    (region,) = probe["regions"]
    assert region["decision"] == "same"
    assert region["matches"][0]["probability"] > 0.9
    assert region["matches"][1]["probability"] < 0.5
    done = calibrated("query", "letters", "--text", asked)
    assert done.out.startswith("id000 (probability ")
    assert "at most 1 in 20 searches for what is not enrolled would match" in done.out
    done = calibrated("verify", "letters", "--text", asked, "--text", texts(60, 3)[0][1])
    assert done.code == 0
    assert done.out.startswith("same text (probability ")
    assert "at most 1 in 100 pairs of different texts would pass" in done.out


def test_the_rate_is_chosen_per_call(calibrated):
    asked = texts(60, 3)[0][1]
    strict = ("query", "letters", "--text", asked, "--json")
    one, other = (
        json.loads(calibrated(*strict, "--fmr", rate).out)["probes"][0]["threshold"]
        for rate in ("0.1", "0.01")
    )
    assert one["value"] < other["value"]
    assert (one["fmr"], other["fmr"]) == (0.1, 0.01)
    few = json.loads(calibrated(*strict, "--fpir", "0.3").out)["probes"][0]["threshold"]
    assert few["fpir"] == 0.3
    done = calibrated("verify", "letters", "--as", "id000", "--text", asked, "--fmr", "1e-6")
    assert done.code == 1
    assert "1,770 pairs of identities" in done.err


def test_between_the_thresholds_none_can_tell(calibrated):
    own = texts(60, 3)[0][1]
    codes = {}
    for changed in range(0, 60, 2):
        asked = "".join("zqxj"[n % 4] if n < changed else c for n, c in enumerate(own))
        done = calibrated("verify", "letters", "--as", "id000", "--text", asked)
        codes[done.code] = done
    assert set(codes) <= {0, 3, 5}
    assert {0, 3} <= set(codes)
    if 5 in codes:
        assert codes[5].out.startswith("inconclusive (probability of the same text ")
    limit = json.loads(
        calibrated("verify", "letters", "--as", "id000", "--text", own, "--json").out
    )
    assert limit["probability"] > 0.5


def test_by_trials(calibrated):
    listed = texts(40, 3, seed=9)
    with (calibrated.folder / "t.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["a", "b", "label"])
        for n, (one, a) in enumerate(listed):
            out.writerows((a, b, int(one == other)) for other, b in listed[n + 1 :])
    done = calibrated("calibrate", "letters", "--trials", "t.csv", "-o", "c.json", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["source"] == "t.csv, 7,140 trials"
    assert made["fusion"] is None
    assert json.loads((calibrated.folder / "c.json").read_text())["fmr"] == made["fmr"]
    done = calibrated("calibrate", "letters", "--trials", "t.csv", "--precision", "0.95")
    assert done.code in (0, 1)


def test_another_encoder_makes_a_calibration_void(calibrated):
    calibrated.environment["TOYKIT_SALT"] = "other"
    done = calibrated("calibrate", "letters")
    assert done.code == 1
    assert "reembed" in done.err
    assert calibrated("reembed", "letters").code == 0
    asked = ("query", "letters", "--text", texts(60, 3)[0][1], "--json")
    threshold = json.loads(calibrated(*asked).out)["probes"][0]["threshold"]
    assert threshold["source"] == "made up for the tests"
    # Nor does it come back with the encoder: samples may have gone meanwhile.
    del calibrated.environment["TOYKIT_SALT"]
    assert calibrated("reembed", "letters").code == 0
    threshold = json.loads(calibrated(*asked).out)["probes"][0]["threshold"]
    assert threshold["source"] == "made up for the tests"


def test_by_s_norm(calibrated):
    done = calibrated("calibrate", "letters", "--snorm")
    assert "adaptive S-norm" in done.out
    asked = texts(60, 3)[0][1][:-3] + "xyz"
    (probe,) = json.loads(calibrated("query", "letters", "--text", asked, "--json").out)["probes"]
    best, *others = probe["regions"][0]["matches"]
    assert probe["regions"][0]["identity"] == best["identity"] == "id000"
    assert best["normalised"] > probe["threshold"]["value"] > 1 > best["score"]
    assert all(match["normalised"] < best["normalised"] for match in others)
    assert best["probability"] > 0.9 > others[0]["probability"]
    assert "S-norm" in calibrated("query", "letters", "--text", asked).out
    done = calibrated("verify", "letters", "--as", "id000", "--text", asked)
    assert done.code == 0
    assert done.out.startswith("same text (probability ")
    assert "\nscore (S-norm) " in done.out
    # A threshold of the caller's is on the cosine.
    done = calibrated("verify", "letters", "--as", "id000", "--text", asked, "--threshold", "0.5")
    assert done.out.splitlines()[1].startswith("score 0.")
    done = calibrated("calibrate", "letters", "--snorm", "--trials", "x.csv")
    assert done.code == 2
    assert "--snorm is relative to who is enrolled" in done.err
    assert "the cosine" in calibrated("calibrate", "letters", "-v").out


def test_a_gallery_too_small_for_s_norm(shell):
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*texts(9, 3))).code == 0
    done = shell("calibrate", "letters", "--fmr", "0.1", "--snorm")
    assert done.code == 2
    assert "a cohort needs at least 12 identities; there are 9" in done.err
    assert shell("calibrate", "letters", "--fmr", "0.1").code == 0


def test_a_gallery_that_has_become_too_small_for_its_s_norm_goes_by_cosines(shell):
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*texts(12, 3))).code == 0
    assert shell("calibrate", "letters", "--fmr", "0.1", "--snorm").code == 0
    assert shell("forget", "id011", "--yes").code == 0
    (probe,) = json.loads(shell("query", "letters", "--text", texts(12, 3)[0][1], "--json").out)[
        "probes"
    ]
    assert probe["regions"][0]["identity"] == "id000"
    assert probe["regions"][0]["matches"][0]["normalised"] is None
    assert probe["threshold"]["value"] < 1


def test_copies_under_two_labels_leave_no_threshold(shell):
    listed = texts(30, 2)
    copies = [(f"copy of {label}", text) for label, text in listed]
    assert shell("enrol", "letters", "--from", "-", stdin=lines(*listed, *copies)).code == 0
    done = shell("calibrate", "letters", "--fmr", "0.005")
    assert done.code == 1
    assert "siamkit audit letters" in done.err
    assert "made up for the tests" in shell("query", "letters", "--text", "a b", "--json").out


def test_an_export_takes_the_calibration_along(calibrated):
    assert calibrated("export", "letters", "out").code == 0
    assert calibrated("import", "out", "--as-gallery", "again").code == 0
    asked = ("--text", texts(60, 3)[0][1], "--json")
    one, other = (
        json.loads(calibrated("query", name, *asked).out)["probes"] for name in ("letters", "again")
    )
    assert one[0]["threshold"] == other[0]["threshold"]
    card = calibrated.folder / "out/gallery.json"
    card.write_text(card.read_text().replace('"llrs": [', '"llrs": [1, '))
    done = calibrated("import", "out", "--as-gallery", "third")
    assert done.code == 2
    assert "are inconsistent" in done.err


def test_several_galleries_give_one_answer(calibrated):
    people = dict(texts(60, 3))
    assert calibrated("galleries", "create", "more", "-m", "bigrams").code == 0
    more = lines(*((label, text[::-1]) for label, text in texts(60, 3)))
    assert calibrated("enrol", "more", "--from", "-", stdin=more).code == 0
    asked = ("verify", "--as", "id003", "--probe", f"letters={people['id003']}")
    done = calibrated(*asked, "--probe", f"more={people['id003'][::-1]}")
    assert done.code == 1
    assert "gallery more is not calibrated" in done.err
    assert calibrated("calibrate", "more").code == 0
    done = calibrated(*asked, "--probe", f"more={people['id003'][::-1]}", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["llr"] == pytest.approx(sum(one["llr"] for one in found["evidence"]))
    assert found["decision"] == "same"
    done = calibrated(*asked, "--probe", f"more={people['id004'][::-1]}")
    assert done.code in (3, 5)
    assert calibrated("galleries", "create", "again", "-m", "letters").code == 0
    done = calibrated(*asked, "--probe", "again=abc")
    assert done.code == 2
    assert "two probes are of letters (letters and again)" in done.err
    done = calibrated(*asked, "--fmr", "1e-9")
    assert done.code == 1
    assert "support a false match rate of 0.0" in done.err
    # Alone, it says "same" at the rate that it supports, and which that is.
    alone = json.loads(calibrated(*asked, "--json").out)
    assert (alone["decision"], alone["threshold"]["fmr"]) == ("same", 0.001)
    assert calibrated("galleries", "create", "empty", "-m", "bigrams").code == 0
    done = calibrated(*asked, "--probe", "empty=abc")
    assert "empty drops out" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("calibrate", "letters", "--fmr", "0.1", "--precision", "0.9"), 2, "give only one"),
        (("calibrate", "letters", "--fmr", "1e-5"), 1, "1,770 pairs of identities"),
        (("calibrate", "letters", "--fmr", "2"), 2, "a false match rate of 2"),
        (("calibrate", "letters", "--fpir", "0"), 2, "identification rate of 0"),
        (("calibrate", "letters", "--fpir", "0.001"), 1, "they support 0.05"),
        (("calibrate", "letters", "--trials", "gone.csv"), 2, "gone.csv"),
        (("calibrate", "nobody"), 1, "no gallery 'nobody'"),
        (("calibrate", "letters", "-o", "no/c.json"), 2, "its folder does not exist"),
        (("calibrate", "letters", "-o", "c.html"), 2, "must end in .json"),
        (("query", "letters", "--text", "x", "--fmr", "0.1", "--fpir", "0.1"), 2, "give only one"),
        (("verify", "--as", "id000", "--probe", "letters"), 2, "GALLERY=FILE"),
        (("verify", "--probe", "letters=x"), 2, "can be combined only with --as"),
        (
            ("verify", "--as", "id0", "--probe", "letters=a", "--probe", "letters=b"),
            2,
            "two probes",
        ),
        (("verify", "-m", "letters", "--text", "a", "--text", "b", "--fmr", ".1"), 1, "calibrate"),
    ],
)
def test_bad_input(calibrated, arguments, code, said):
    done = calibrated(*arguments)
    assert (done.code, said in done.err) == (code, True), done.err


def test_a_gallery_without_second_samples_cannot_calibrate_itself(letters):
    done = letters("calibrate", "letters")
    assert done.code == 2
    assert "--trials FILE" in done.err
