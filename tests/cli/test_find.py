"""`siamkit find` and `siamkit calibrate --find` from the command line."""

from __future__ import annotations

import json
import signal

import pytest
from PIL import Image

OPTIONS = ("-d", "squares")
HIGH = ("so", "high", "without", "it")


def draw(path, *squares, size=(120, 60)):
    """Draw squares of (colour, left, top, right, bottom) on white."""
    picture = Image.new("RGB", size, "white")
    for colour, *box in squares:
        picture.paste(colour, tuple(box))
    path.parent.mkdir(exist_ok=True)
    picture.save(path)


@pytest.fixture
def things(shell):
    """A gallery of a red and a blue thing; a scene with both, one with neither, 20 negatives."""
    folder = shell.folder
    for colour in ("red", "blue"):
        draw(folder / f"{colour}.png", (colour, 0, 0, 30, 30), size=(30, 30))
        done = shell("enrol", "things", f"{colour}.png", "--as", colour, "-m", "swatches")
        assert done.code == 0, done.err
    draw(folder / "scenes/both.png", ("blue", 10, 10, 40, 40), ((235, 0, 0), 60, 5, 110, 55))
    draw(folder / "scenes/none.png", ("green", 10, 10, 40, 40))
    for number in range(20):
        draw(folder / f"negatives/{number}.png", ((0, 255, 12 * number), 10, 10, 50, 50))
    return shell


@pytest.fixture
def calibrated(things):
    done = things("calibrate", "things", "--find", "negatives", *OPTIONS)
    assert done.code == 0, done.err
    return things


def test_the_verdict_comes_first_then_the_places_then_the_threshold(calibrated):
    done = calibrated("find", "things", "scenes/both.png", *OPTIONS)
    assert done.code == 0
    verdict, basis, head, first, second = done.out.splitlines()
    assert verdict == "blue, red"
    assert basis == (
        "present from 0.281: at most 1 in 20 pictures without anything enrolled would get a box,"
        " measured on negatives"
    )
    assert head.split() == ["#", "region", "answer", "score"]
    assert first.split() == ["1", "10,10,40,40", "blue", "1.000"]
    assert second.split() == ["2", "60,5,110,55", "red", "0.997"]
    all_known = calibrated("find", "things", "scenes/both.png", *OPTIONS, "-v")
    _, _, head, first, _ = all_known.out.splitlines()
    assert head.split()[4:] == [*HIGH, "enrolled", "from"]
    assert "1 in 21 pictures" in first
    assert first.endswith("blue.png")


def test_absent_is_exit_code_3_and_explained(calibrated):
    done = calibrated("find", "things", "scenes/none.png", *OPTIONS)
    assert done.code == 3
    assert done.out.startswith("absent\nnearest: ")
    assert "of pictures without it" in done.out


def test_a_picture_without_a_region_is_absent_too(shell):
    draw(shell.folder / "red.png", ("red", 10, 10, 50, 50))
    draw(shell.folder / "empty.png")
    assert shell("enrol", "tiles", "red.png", "--as", "red").code == 0
    done = shell("find", "tiles", "empty.png", "red.png")
    assert done.code == 0
    head, empty, red, summary, _ = done.out.splitlines()
    assert head.split() == ["file", "#", "region", "answer", "probability", "score"]
    assert empty.split() == ["empty.png", "-", "-", "absent", "-", "-"]
    assert red.split()[3] == "red"
    assert summary == "2 pictures: 1 absent, 1 present"
    assert "as for a query, false match rate 0.01, made up for the tests" in done.out
    done = shell("find", "tiles", "empty.png")
    assert (done.code, done.out.splitlines()[0]) == (3, "absent")
    assert "the detector finds nothing in it" in done.out


def test_without_a_threshold_it_cannot_tell_and_says_what_to_type(things):
    done = things("find", "things", "scenes/both.png", *OPTIONS)
    assert done.code == 5
    assert done.out == (
        "inconclusive\nnearest: blue at 10,10,40,40, score 1.000, no threshold is known\n"
    )
    assert "`siamkit calibrate things --find PICTURES --detector squares`" in done.err
    given = things("find", "things", "scenes/both.png", *OPTIONS, "--threshold", "0.99")
    assert given.code == 0
    assert "present from 0.990: given by the caller" in given.out


def test_a_rate_for_one_call_needs_a_calibration_that_shows_it(calibrated):
    lax = calibrated("find", "things", "negatives", *OPTIONS, "--fpir", "0.5", "--json")
    assert lax.code == 0
    pictures = json.loads(lax.out)["pictures"]
    assert 8 <= sum(picture["decision"] == "present" for picture in pictures) <= 10
    done = calibrated("find", "things", "scenes", *OPTIONS, "--fpir", "0.001")
    assert done.code == 1
    assert "support a false positive rate of 0.048 per picture, not 0.001" in done.err
    assert "999 pictures or more" in done.err
    done = calibrated("find", "things", "scenes", "-d", "none", "--fpir", "0.1")
    assert done.code == 1
    assert "`siamkit calibrate things --find PICTURES --detector none`" in done.err


def test_a_folder_with_a_bad_picture_has_an_answer_for_each(calibrated):
    (calibrated.folder / "scenes/bad.png").write_bytes(b"no picture")
    done = calibrated("find", "things", "scenes", *OPTIONS, "--json")
    assert done.code == 0
    assert "scenes/bad.png" in done.err
    facts = json.loads(done.out)
    assert facts["gallery"] == "things"
    assert facts["threshold"]["fpir"] == 0.05
    bad, both, none = facts["pictures"]
    assert "bad.png" in bad["error"]
    assert (both["decision"], both["width"], both["height"]) == ("present", 120, 60)
    assert [s["identity"] for s in both["sightings"]] == ["blue", "red"]
    assert both["sightings"][0]["region"]["where"] == [10, 10, 40, 40]
    assert both["sightings"][0]["source"].endswith("blue.png")
    assert (none["decision"], none["sightings"]) == ("absent", [])
    assert none["nearest"]["score"] < facts["threshold"]["value"]
    alone = calibrated("find", "things", "scenes/bad.png", *OPTIONS)
    assert (alone.code, alone.out) == (2, "")


def test_tiles_are_another_search(calibrated):
    done = calibrated("find", "things", "scenes/both.png", *OPTIONS, "--tiles", "64")
    assert done.code == 5
    assert "not calibrated for --detector squares --tiles 64, but for" in done.err
    tiled = calibrated("find", "things", "scenes", *OPTIONS, "--tiles", "64", "--threshold", "0.99")
    assert [line.split()[3] for line in tiled.out.splitlines()[1:3]] == ["blue", "red"]


def test_calibrate_says_what_was_measured(things):
    done = things("calibrate", "things", "--find", "negatives", *OPTIONS, "--fpir", "0.1")
    assert done.code == 0, done.err
    assert "things is calibrated for find --detector squares, by negatives, 20 pictures" in done.out
    assert "1 in 10 pictures that show nothing enrolled would get a box, on average" in done.out
    assert "with 95 % confidence" in done.out
    assert "spoils the threshold" in done.out
    facts = things("calibrate", "things", "--find", "negatives", *OPTIONS, "--json")
    facts = json.loads(facts.out)
    assert (facts["fpir"], facts["pictures"]) == (0.05, 20)
    assert 0.05 < facts["fpir_upper_bound"] < 0.2
    assert len(facts["highest"]) == 20
    assert facts["setup"] == {"detector": "squares", "tiles": None, "reranker": None}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--find", "negatives", "--trials", "x.csv"), "--find takes neither"),
        (("--find", "negatives", "--fmr", "0.1"), "give --fpir, or none"),
        (("--find", "negatives", "--report", "x.html"), "writes no --output and no --report"),
        (("-d", "squares"), "go with --find"),
        (("--find", "scenes", *OPTIONS), "2 pictures without an enrolled thing are too few"),
        (("--find", "negatives", *OPTIONS, "--fpir", "0.01"), "99 pictures or more"),
        (("--find", "nowhere", *OPTIONS), "nowhere"),
    ],
)
def test_what_cannot_be_calibrated_is_one_line(things, arguments, words):
    done = things("calibrate", "things", *arguments)
    assert done.code in (1, 2)
    assert words in done.err


def test_galleries_of_other_media_name_their_command(letters):
    done = letters("find", "letters", "q.txt")
    assert done.code == 2
    assert "`siamkit query letters --text TEXT`" in done.err


# --- files ---


def test_every_output_of_a_folder_of_pictures(calibrated):
    (calibrated.folder / "scenes/bad.png").write_bytes(b"no picture")
    done = calibrated("find", "things", "scenes", *OPTIONS, "-o", "found.json", "--crops", "crops",
                      "--save-annotated", "seen", "--report", "page.html")  # fmt: skip
    assert done.code == 0, done.err
    assert "saved found.json" in done.err
    folder = calibrated.folder
    found = json.loads((folder / "found.json").read_text())
    assert [i["file_name"] for i in found["images"]] == ["scenes/both.png", "scenes/none.png"]
    names = {category["id"]: category["name"] for category in found["categories"]}
    assert sorted(names.values()) == ["blue", "red"]
    boxes = {names[a["category_id"]]: a["bbox"] for a in found["annotations"]}
    assert boxes == {"blue": [10, 10, 30, 30], "red": [60, 5, 50, 50]}
    assert all(a["score"] > 0.9 for a in found["annotations"])
    assert {path.name for path in (folder / "crops").iterdir()} == {
        "both-1-blue.png",
        "both-2-red.png",
    }
    assert Image.open(folder / "crops/both-1-blue.png").getpixel((3, 3))[:3] == (0, 0, 255)
    assert {path.name for path in (folder / "seen").iterdir()} == {"both.png", "none.png"}
    page = (folder / "page.html").read_text()
    assert page.count("<div class='place'>") == 2
    assert page.count("<div class='place rejected'>") == 1
    assert page.count('<img alt="" src="data:image/jpeg') == 2 + 3 * 2  # scenes, crops, examples
    assert "bad.png" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_report_says_when_an_example_is_gone(calibrated):
    (calibrated.folder / "red.png").unlink()
    done = calibrated("find", "things", "scenes/both.png", *OPTIONS, "--report", "page.html")
    assert done.code == 0, done.err
    assert "its file is gone or has changed" in (calibrated.folder / "page.html").read_text()


def test_a_table_has_a_row_per_place(calibrated):
    done = calibrated("find", "things", "scenes", *OPTIONS, "-o", "found.csv")
    assert done.code == 0, done.err
    rows = (calibrated.folder / "found.csv").read_text().splitlines()
    assert rows[0] == "image,label,score,left,top,right,bottom"
    assert rows[1].startswith("scenes/both.png,blue,")
    assert rows[3] == "scenes/none.png,,,,,,"


def test_a_run_that_is_stopped_has_written_what_is_done(calibrated, monkeypatch):
    shown = []

    def stop(table, picture):
        shown.append(picture)
        if len(shown) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("siamkit.cli.find_results.PictureTable.add", stop)
    done = calibrated("find", "things", "negatives", *OPTIONS, "-o", "found.json")
    assert done.code == 130
    found = json.loads((calibrated.folder / "found.json").read_text())
    assert len(found["images"]) == 2


def test_a_run_that_is_stopped_at_once_leaves_an_older_file(calibrated, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("siamkit.flows.find_many.find", stop)
    (calibrated.folder / "older.json").write_text("older")
    done = calibrated("find", "things", "negatives", *OPTIONS, "-o", "older.json")
    assert done.code == 130
    assert (calibrated.folder / "older.json").read_text() == "older"


def test_a_picture_that_cannot_be_read_leaves_an_older_file(calibrated):
    (calibrated.folder / "older.json").write_text("older")
    (calibrated.folder / "broken.png").write_text("no picture")
    done = calibrated("find", "things", "broken.png", *OPTIONS, "-o", "older.json")
    assert done.code == 2
    assert (calibrated.folder / "older.json").read_text() == "older"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "scenes/both.png"), "would be overwritten"),
        (("-o", "found.xyz"), "cannot write '.xyz'"),
        (("--report", "page.txt"), "ends in .html"),
        (("-o", "nowhere/found.json"), "does not exist"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_first(things, arguments, words):
    done = things("find", "things", "scenes/both.png", *OPTIONS, *arguments)
    assert done.code == 2
    assert words in done.err
    assert not done.out


# --- labelled pictures ---


@pytest.fixture
def labelled(things):
    """A COCO JSON of 24 pictures: red in twelve of them, once beside its box, and green ones."""
    images, annotations = [], []
    for number in range(24):
        is_red = number < 12
        colour = (255 - 6 * number, 0, 0) if is_red else (0, 255, 12 * number - 144)
        name = f"{number}.png"
        draw(things.folder / "images" / name, (colour, 10, 10, 50, 50))
        images.append({"id": number, "file_name": name, "width": 120, "height": 60})
        box = [70, 10, 40, 40] if number == 11 else [10, 10, 40, 40]
        category = 1 if is_red else 3
        annotations.append({"id": number, "image_id": number, "category_id": category, "bbox": box})
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "red"}, {"id": 3, "name": "green"}],
    }
    (things.folder / "labelled.json").write_text(json.dumps(document))
    return things


def test_labelled_places_give_probabilities(labelled):
    done = labelled("calibrate", "things", "--find", "labelled.json", *OPTIONS, "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["pictures"] == 12  # green is not enrolled
    assert facts["sightings"]["right"] == 11
    assert facts["fpir"] == 0.077  # 1 in 13
    both = json.loads(labelled("find", "things", "scenes/both.png", *OPTIONS, "--json").out)
    red = both["pictures"][0]["sightings"][0]
    assert 0.5 < red["probability"] < 1
    shown = labelled("find", "things", "scenes/both.png", *OPTIONS).out
    assert "probability" in shown.splitlines()[2]


def test_labels_that_are_not_enrolled_are_refused(labelled):
    path = labelled.folder / "labelled.json"
    path.write_text(path.read_text().replace('"red"', '"Red"'))
    done = labelled("calibrate", "things", "--find", "labelled.json", *OPTIONS)
    assert done.code == 2
    assert "no category of labelled.json is enrolled: Red, green" in done.err
    assert "named as" not in done.err
    path.write_text("{}")
    assert labelled("calibrate", "things", "--find", "labelled.json", *OPTIONS).code == 2


@pytest.mark.timeout(120)
def test_ctrl_c_in_a_process_keeps_what_is_done(calibrated):
    """The first line is printed while later pictures are searched; then the signal comes."""
    for number in range(400):
        draw(calibrated.folder / f"many/{number:03}.png", ("red", 10, 10, 50, 50))
    arguments = ("find", "things", "many", *OPTIONS, "-o", "found.json")
    process = calibrated.start(*arguments, bufsize=0)
    assert process.stdout.readline().startswith(b"file ")
    assert process.stdout.readline().startswith(b"many/000.png ")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    images = json.loads((calibrated.folder / "found.json").read_text())["images"]
    assert images[0]["file_name"] == "many/000.png"
    assert len(images) < 400
