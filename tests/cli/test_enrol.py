"""Enrolment: the region that is taken, its source, and the report."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from manifest import lines

from siamkit.sdk.masks import from_rle


def test_enrol_reports_each_source_once_it_is_durable(letters):
    done = letters(
        "enrol",
        "letters",
        "--from",
        "-",
        "--json",
        stdin=lines(("greet", "hello there my friend"), ("new", "something else"), ("bad", "NaN")),
    )
    assert [json.loads(line)["status"] for line in done.out.splitlines()] == [
        "already",
        "enrolled",
        "failed",
    ]
    assert done.code == 1


def test_enrol_needs_exactly_one_usable_region(tiles):
    done = tiles("enrol", "tiles", "both.png", "--as", "x", "-m", "tiles")
    assert done.code == 2
    assert "2 usable regions in it: 10,10,40,50; 60,10,100,50" in done.err
    assert "--box" in done.err
    assert tiles("enrol", "tiles", "empty.png", "--as", "x").code == 4
    done = tiles("enrol", "tiles", "small.png", "--as", "x")
    assert done.code == 2
    assert "4 px wide, at least 8" in done.err
    assert not (tiles.folder / ".siamkit").exists()


@pytest.mark.parametrize(
    ("options", "boxes"),
    [
        (["--largest"], [[60, 10, 100, 50]]),
        (["--all-regions"], [[10, 10, 40, 50], [60, 10, 100, 50]]),
        (["--box", "12,10,40,48"], [[10, 10, 40, 50]]),
        (["--box", "0,0,20,20"], [[0, 0, 20, 20]]),
    ],
)
def test_enrol_takes_the_regions_that_options_name(tiles, options, boxes):
    done = tiles("enrol", "tiles", "both.png", "--as", "x", *options)
    assert done.code == 0, done.err
    samples = json.loads(tiles("show", "x", "--json").out)["samples"]
    assert [s["region"]["where"] for s in samples] == boxes
    assert "already" in tiles("enrol", "tiles", "both.png", "--as", "x", *options).out


def test_enrol_from_a_folder_and_from_a_manifest(tiles):
    people = tiles.folder / "people"
    (people / "rita").mkdir(parents=True)
    (tiles.folder / "red.png").rename(people / "rita" / "1.png")
    (tiles.folder / "blue.png").rename(people / "bo.png")
    assert tiles("enrol", "tiles", "--from", "people").out.strip() == (
        "bo: people/bo.png enrolled\nrita: people/rita/1.png enrolled\n2 enrolled"
    )
    (people / "list.csv").write_text("label,path\nrita,rita/1.png\nno,missing.png\n")
    done = tiles("enrol", "tiles", "--from", "people/list.csv")
    assert done.code == 1
    assert "1 already, 1 failed" in done.out
    assert "missing.png cannot be read: No such file" in done.err


def test_a_batch_of_one_ends_like_any_batch(letters):
    done = letters("enrol", "letters", "--from", "-", stdin=lines(("bad", "NaN")))
    assert (done.code, done.out) == (1, "1 failed\n")
    done = letters("enrol", "letters", "missing.txt", "--as", "x")
    assert done.code == 2


def test_the_bar_counts_rows_without_a_text_too(letters, monkeypatch):
    totals, steps = [], []

    @contextmanager
    def bar(label, total):
        totals.append(total)
        yield steps.append

    monkeypatch.setattr("siamkit.cli.progress.bar", bar)
    (letters.folder / "t.csv").write_text("id,q\na,one and two\nb,\n")
    assert letters("enrol", "letters", "--from", "t.csv", "--column", "q").code == 1
    assert totals == [steps[-1]] == [2]


def test_texts_are_refused_by_a_modality_of_files(tiles):
    line = '{"label": "x", "text": "red.png"}\n'
    done = tiles("enrol", "tiles", "--from", "-", stdin=line)
    assert done.code == 2
    assert "tiles" in done.err
    assert not (tiles.folder / ".siamkit").exists()
    for command in (["embed", "--output", "v.npy", "--from"], ["dedupe"]):
        done = tiles(*command, "-", "-m", "tiles", stdin='{"text": "red.png"}\n')
        assert done.code == 2
        assert "text" in done.err


def test_a_box_outside_or_too_small_is_refused(tiles):
    for box, why in (("115,0,500,500", "not inside its 120 x 60"), ("0,0,5,5", "5 px wide")):
        done = tiles("enrol", "tiles", "both.png", "--as", "x", "--box", box)
        assert done.code == 2
        assert why in done.err
    assert (
        tiles("enrol", "tiles", "both.png", "--as", "x", "--box", "0,0,5,5", "--any-quality").code
        == 0
    )


def test_a_wrong_first_file_leaves_nothing_behind(tiles):
    for name in ("missing.png", "empty.png", "both.png", "small.png"):
        assert tiles("enrol", "tiles", name, "--as", "x").code in (2, 4)
    assert tiles("enrol", "nonsense", "red.png", "--as", "x").code == 1
    assert tiles("enrol", "a/b", "red.png", "--as", "x", "-m", "tiles").code == 2
    assert not (tiles.folder / ".siamkit" / "store.db").exists()


def test_two_first_enrolments_at_once_both_count(letters):
    for word in ("one", "two"):
        (letters.folder / f"{word}.txt").write_text(f"the word {word}")
    both = [
        letters.start("enrol", "fresh", f"{w}.txt", "--as", w, "-m", "letters", "--store", "new")
        for w in ("one", "two")
    ]
    output = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], output
    listed = json.loads(letters("list", "--store", "new", "--json").out)
    assert [h["identity"] for h in listed] == ["one", "two"]


def test_a_label_is_found_with_composed_and_decomposed_accents(letters):
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    letters("enrol", "letters", "q.txt", "--as", decomposed)
    assert letters("show", decomposed).code == letters("show", composed).code == 0
    assert letters("forget", decomposed).code == 0


def sample_of(tiles, label):
    (sample,) = json.loads(tiles("show", label, "--json").out)["samples"]
    return sample


def test_a_prompt_cuts_the_object_out_and_its_mask_is_stored(tiles):
    marked = ["enrol", "tiles", "both.png", "--as", "x", "--detector", "marker"]
    assert tiles(*marked, "--point", "70,20").code == 0
    region = sample_of(tiles, "x")["region"]
    assert region["where"] == [60, 10, 100, 50]
    assert from_rle(region["mask"]).shape == (40, 40)
    assert "already" in tiles(*marked, "--point", "70,20").out
    box = [
        "enrol",
        "tiles",
        "both.png",
        "--as",
        "y",
        "--detector",
        "marker",
        "--box",
        "50,0,110,60",
    ]
    assert tiles(*box).code == 0
    region = sample_of(tiles, "y")["region"]
    assert region["where"] == [50, 0, 110, 60]  # the box that was drawn
    assert from_rle(region["mask"]).sum() == 40 * 40


def test_a_box_is_taken_as_it_is_without_a_detector(tiles):
    box = ["--detector", "none", "--box", "50,0,110,60"]
    assert tiles("enrol", "tiles", "both.png", "--as", "x", *box).code == 0
    assert sample_of(tiles, "x")["region"] == {"where": [50, 0, 110, 60], "score": 1}


def test_a_mask_survives_export_import_and_reembedding(tiles):
    marked = ["--detector", "marker", "--point", "70,20"]
    assert tiles("enrol", "tiles", "both.png", "--as", "x", *marked).code == 0
    before = sample_of(tiles, "x")["region"]
    assert tiles("export", "tiles", "out").code == 0
    assert tiles("import", "out", "--media", ".", "--store", "other").code == 0
    assert tiles("reembed", "tiles", "--store", "other").code == 0
    (sample,) = json.loads(tiles("show", "x", "--json", "--store", "other").out)["samples"]
    assert sample["region"] == before


def test_a_prompt_says_why_it_cannot_be_followed(tiles):
    for options, why in (
        (["--detector", "squares", "--point", "5,5"], "squares does not"),
        (["--detector", "none", "--point", "5,5"], "none does not"),
        (["--not-point", "5,5"], "--not-point needs"),
        (["--point", "5"], "not two numbers"),
        (["--point", "5,5", "--largest"], "exclude each other"),
        (["--detector", "marker", "--box", "41,0,59,60"], "nothing was found where the prompt is"),
    ):
        done = tiles("enrol", "tiles", "both.png", "--as", "x", *options)
        assert done.code in (2, 4), options
        assert why in done.err
    assert not (tiles.folder / ".siamkit").exists()


def test_a_call_may_use_another_detector_than_the_gallery(tiles):
    assert tiles("enrol", "tiles", "red.png", "--as", "red").code == 0
    query = ["query", "tiles", "both.png", "--json"]
    count = len(json.loads(tiles(*query).out)["probes"][0]["regions"])
    assert count == 2
    (region,) = json.loads(tiles(*query, "--detector", "none").out)["probes"][0]["regions"]
    assert "where" not in region["region"]
    assert tiles("query", "tiles", "empty.png").code == 4
    assert tiles("query", "tiles", "empty.png", "--detector", "none").code in (0, 3)
    assert tiles("classify", "tiles", "empty.png", "--detector", "none").code in (0, 3)
    for command in (["verify", "tiles"], ["verify", "tiles", "--as", "red"], ["explain", "tiles"]):
        files = ["empty.png"] if "--as" in command else ["red.png", "empty.png"]
        done = tiles(*command, *files)
        assert done.code == 4
        assert "`--detector none`" in done.err
        assert "nothing was found" not in tiles(*command, *files, "--detector", "none").err
    assert tiles("init", "whole", "-m", "tiles", "--detector", "none").code == 0
    galleries = {g["name"]: g["detector"] for g in json.loads(tiles("galleries", "--json").out)}
    assert galleries == {"tiles": "squares", "whole": None}
