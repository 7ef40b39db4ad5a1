"""`siamkit detect`, with a stranger's detectors of coloured squares and of beeps."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

import siamkit as sk
from siamkit.flows.detect import PreparedDetector


@pytest.fixture
def shelf(tiles):
    """The pictures of `tiles`, some of them in a folder with a file that is not a picture."""
    folder = tiles.folder / "shelf" / "top"
    folder.mkdir(parents=True)
    for name in ("both", "red"):
        (folder / f"{name}.png").write_bytes((tiles.folder / f"{name}.png").read_bytes())
    (tiles.folder / "shelf" / "notes.txt").write_text("not a picture")
    return tiles


@pytest.fixture
def ring(tiles):
    """A red ring, whose mask has a hole."""
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[5:25, 10:40] = (255, 0, 0)
    pixels[10:20, 20:30] = 255
    Image.fromarray(pixels).save(tiles.folder / "ring.png")
    return tiles


def detect(shell, *arguments):
    return shell("detect", *arguments, "-d", "inks")


def size(path):
    with Image.open(path) as picture:
        return picture.size


def test_a_table_for_people(tiles):
    done = detect(tiles, "both.png")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "both.png: 2 found (inks)",
        "#  label  score  region        mask px",
        "1  red    0.900  10,10,40,50     1,200",
        "2  blue   0.900  60,10,100,50    1,600",
    ]


def test_json_has_every_region_and_the_size(tiles):
    done = detect(tiles, "both.png", "--label", "red", "--json")
    data = json.loads(done.out)
    assert data["detector"] == "inks"
    (source,) = data["sources"]
    assert (source["source"], source["width"], source["height"]) == ("both.png", 120, 60)
    (region,) = source["regions"]
    assert (region["label"], region["where"]) == ("red", [10.0, 10.0, 40.0, 50.0])
    assert region["mask"]["size"] == [40, 30]


def test_nothing_found_is_code_4_and_a_valid_file(tiles):
    done = detect(tiles, "empty.png", "-o", "out.json")
    assert (done.code, done.out) == (4, "empty.png: nothing found (inks)\n")
    written = json.loads((tiles.folder / "out.json").read_text())
    assert (len(written["images"]), written["annotations"]) == (1, [])
    assert [category["name"] for category in written["categories"]] == ["blue", "red", "green"]
    assert detect(tiles, "red.png", "--label", "green").code == 4


def test_a_lower_score_finds_more(tiles):
    assert detect(tiles, "small.png").code == 4
    assert detect(tiles, "small.png", "--min-score", "0.2").code == 0
    assert detect(tiles, "red.png", "--min-score", "0.95").code == 4


def test_bad_pictures_are_reported_and_good_ones_kept(shelf):
    done = detect(shelf, "shelf", "gone.png", "both.png", "-o", "out.json", "--crops", "crops")
    assert done.code == 1
    errors = [line for line in done.err.splitlines() if line.startswith("Error")]
    assert [error.split(": ")[1].split()[0] for error in errors] == ["shelf/notes.txt", "gone.png"]
    assert done.out == "5 found in 3 of 5 (inks), 2 failed\n"
    written = json.loads((shelf.folder / "out.json").read_text())
    names = [image["file_name"] for image in written["images"]]
    assert names == ["shelf/top/both.png", "shelf/top/red.png", "both.png"]
    crops = shelf.folder / "crops"
    assert sorted(str(path.relative_to(crops)) for path in crops.rglob("*.png")) == [
        "both-1-red.png",
        "both-2-blue.png",
        "top/both-1-red.png",
        "top/both-2-blue.png",
        "top/red-1-red.png",
    ]


def test_coco_keeps_holes_and_loads(ring):
    coco = pytest.importorskip("pycocotools.coco")
    assert detect(ring, "ring.png", "red.png", "-o", "out.json").code == 0
    reader = coco.COCO(ring.folder / "out.json")
    first, second = reader.loadAnns(reader.getAnnIds())
    assert (first["area"], first["bbox"], first["iscrowd"]) == (500, [10, 5, 30, 20], 0)
    assert first["segmentation"]["size"] == [40, 60]
    assert (second["image_id"], second["score"]) == (2, 0.9)
    assert detect(ring, "ring.png", "red.png", "-o", "out.json", "--polygons").code == 0
    first, second = json.loads((ring.folder / "out.json").read_text())["annotations"]
    assert first["segmentation"]["size"] == [40, 60]  # a hole
    assert sorted(second["segmentation"][0]) == [10, 10, 10, 10, 50, 50, 50, 50]


def test_yolo_labels_in_a_folder(shelf):
    done = detect(shelf, "shelf", "empty.png", "-o", "labels")
    assert done.code == 1  # of the text file
    labels = shelf.folder / "labels"
    assert (labels / "classes.txt").read_text().split() == ["blue", "red", "green"]
    assert (labels / "top" / "both.txt").read_text().splitlines() == [
        "1 0.208333 0.500000 0.250000 0.666667",
        "0 0.666667 0.500000 0.333333 0.666667",
    ]
    assert (labels / "empty.txt").read_text() == ""


def test_a_table_of_boxes_with_a_row_for_a_picture_without_any(tiles):
    assert detect(tiles, "both.png", "empty.png", "-o", "out.csv").code == 0
    with (tiles.folder / "out.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["image", "label", "score", "left", "top", "right", "bottom"],
        ["both.png", "red", "0.9", "10.0", "10.0", "40.0", "50.0"],
        ["both.png", "blue", "0.9", "60.0", "10.0", "100.0", "50.0"],
        ["empty.png", "", "", "", "", "", ""],
    ]


def test_the_format_may_be_named(tiles):
    assert detect(tiles, "red.png", "-o", "out.txt", "--format", "coco").code == 0
    assert json.loads((tiles.folder / "out.txt").read_text())["annotations"]


def test_crops_are_cut_out_by_their_mask(ring):
    assert detect(ring, "ring.png", "--crops", "crops").code == 0
    with Image.open(ring.folder / "crops" / "ring-1-red.png") as crop:
        assert (crop.mode, crop.size) == ("RGBA", (30, 20))
        alpha = np.asarray(crop)[..., 3]
    assert set(np.unique(alpha)) == {0, 255}
    assert not alpha[5:15, 10:20].any()


def test_annotated_pictures_of_one_and_of_several(shelf):
    assert detect(shelf, "both.png", "--save-annotated", "seen.png").code == 0
    assert size(shelf.folder / "seen.png") == (480, 240)  # enlarged, so as to be read
    (shelf.folder / "both.jpg").write_bytes((shelf.folder / "both.png").read_bytes())
    done = detect(shelf, "both.png", "both.jpg", "shelf/top", "--save-annotated", "seen")
    assert done.code == 0
    seen = shelf.folder / "seen"
    names = sorted(path.name for path in seen.iterdir())
    assert names == ["both.jpg.jpg", "both.png", "both.png.png", "red.png"]


def test_an_interrupted_run_goes_on_where_it_stopped(shelf, monkeypatch):
    files = ["red.png", "blue.png", "both.png"]
    command = [*files, "-o", "out.json", "--crops", "crops"]
    searched, detect_one = [], PreparedDetector.detect

    def counting(search, source):
        searched.append(source.name)
        if stops and source.name == "both.png":
            raise KeyboardInterrupt
        return detect_one(search, source)

    monkeypatch.setattr(PreparedDetector, "detect", counting)
    stops = True
    done = detect(shelf, *command)
    assert done.code == 130
    assert "2 done so far" in done.err
    assert not (shelf.folder / "out.json").exists()
    stops = False
    (shelf.folder / "crops" / "red-1-red.png").unlink()  # which is written again
    searched.clear()
    assert detect(shelf, *command).code == 0
    assert searched == ["red.png", "both.png"]
    whole = json.loads((shelf.folder / "out.json").read_text())
    assert [annotation["image_id"] for annotation in whole["annotations"]] == [1, 2, 3, 3]
    assert len(list((shelf.folder / "crops").iterdir())) == 4
    searched.clear()
    assert detect(shelf, *command).code == 0  # a finished run is not continued
    assert searched == files
    assert json.loads((shelf.folder / "out.json").read_text()) == whole


def test_what_was_written_into_a_folder_is_no_source_of_the_next_run(shelf):
    command = ["shelf/top", "-o", "shelf/top/out.json", "--crops", "shelf/top/crops"]
    assert detect(shelf, *command).code == 0
    done = detect(shelf, *command)
    assert (done.code, done.out) == (0, "3 found in 2 of 2 (inks)\n")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["red.png", "--label", "rde"], 2, "did you mean 'red'"),
        (["red.png", "--label", "zebra"], 2, "its labels: blue, red, green"),
        (["red.png", "--point", "1,1"], 2, "marker"),
        (["red.png", "blue.png", "--point", "1,1"], 2, "one picture"),
        (["red.png", "--box", "5,5,1,1"], 2, "not a box"),
        (["red.png", "-o", "out.xyz"], 2, "cannot write '.xyz'"),
        (["red.png", "-o", "no/out.json"], 2, "does not exist"),
        (["red.png", "--crops", "blue.png/crops"], 2, "cannot be written"),
        (["red.png", "--crops", "blue.png"], 2, "blue.png cannot be written"),
        (["red.png", "--save-annotated", "out.gif"], 2, "cannot write '.gif'"),
        (["red.png", "--save-annotated", "red.png"], 2, "would be overwritten"),
        (["red.png", "both.png", "--save-annotated", "seen.png"], 2, "name a folder"),
        (["red.png", "--polygons"], 2, "--output"),
        (["red.png", "--min-score", "2"], 2, "0<=x<=1"),
        (["nowhere"], 2, "nowhere"),
        (["nothing"], 2, "there is no file in nothing"),
    ],
)
def test_what_cannot_work_is_one_line_before_anything_is_written(tiles, arguments, code, reason):
    (tiles.folder / "nothing").mkdir()
    before = sorted(tiles.folder.rglob("*"))
    done = detect(tiles, *arguments)
    assert done.code == code
    assert reason in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("Error")]) == 1
    assert [path for path in sorted(tiles.folder.rglob("*")) if path not in before] == []


def test_a_prompt_marks_one_object(tiles):
    done = tiles("detect", "both.png", "-d", "marker", "--point", "70,20", "--json")
    (source,) = json.loads(done.out)["sources"]
    assert [region["where"] for region in source["regions"]] == [[60.0, 10.0, 100.0, 50.0]]
    outside = tiles("detect", "both.png", "-d", "marker", "--point", "121,20")
    assert outside.code == 2
    assert "the point 121,20 is outside the picture of 120 x 60 px" in outside.err
    outside = tiles("detect", "both.png", "-d", "marker", "--box", "0,0,50,62")
    assert "the box 0,0,50,62 is not inside the picture of 120 x 60 px" in outside.err


def test_an_unknown_detector_is_named(tiles):
    done = tiles("detect", "red.png", "-d", "ink")
    assert done.code == 1
    assert "did you mean 'inks'" in done.err
    done = tiles("detect", "red.png", "-d", "squares", "--label", "red")
    assert "does not say what its regions are" in done.err


def test_spans_of_a_sound(shell):
    soundfile = pytest.importorskip("soundfile")
    samples = np.sin(np.arange(48_000) / 5) / 2
    samples[:8_000] = samples[16_000:24_000] = samples[32_000:] = 0
    soundfile.write(shell.folder / "talk.wav", samples, 16_000)
    done = shell("detect", "talk.wav", "-d", "beeps", "-o", "talk.csv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1:] == [
        "#  score  region",
        "1  0.800  0.5-1.0 s",
        "1  0.800  1.5-2.0 s",
    ]
    assert (shell.folder / "talk.csv").read_text().splitlines() == [
        "sound,label,score,start,stop",
        "talk.wav,,0.8,0.5,1.0",
        "talk.wav,,0.8,1.5,2.0",
    ]
    (source,) = json.loads(shell("detect", "talk.wav", "-d", "beeps", "--json").out)["sources"]
    assert (source["seconds"], source["regions"][0]["where"]) == (3.0, [0.5, 2.0])
    for output in (["-o", "talk.json"], ["--crops", "crops"], ["-o", "labels"]):
        done = shell("detect", "talk.wav", "-d", "beeps", *output)
        assert done.code == 2
        assert "audio has no boxes" in done.err
    assert not list(shell.folder.glob("[cl]*"))


def test_a_picture_of_one_pixel_and_a_truncated_one(tiles):
    Image.new("RGB", (1, 1), "red").save(tiles.folder / "dot.png")
    done = detect(tiles, "dot.png", "--min-score", "0", "--save-annotated", "seen.jpg",
                  "-o", "out.json", "--crops", "crops")  # fmt: skip
    assert done.code == 0, done.err
    assert size(tiles.folder / "crops" / "dot-1-red.png") == (1, 1)
    content = (tiles.folder / "red.png").read_bytes()
    (tiles.folder / "cut.png").write_bytes(content[: len(content) // 2])
    done = detect(tiles, "cut.png", "-o", "cut.json")
    assert done.code == 2
    assert done.err.startswith("Error: cut.png: ")


def test_python_finds_the_same(tiles, monkeypatch):
    monkeypatch.chdir(tiles.folder)
    ws = sk.Workspace("nowhere")
    detected = ws.detect("both.png", detector="inks", labels=["red"])
    assert (detected.source, detected.width, detected.height) == ("both.png", 120, 60)
    arrays = sk.region_formats.to_arrays(detected.regions, size=(120, 60))
    assert arrays["xyxy"].tolist() == [[10, 10, 40, 50]]
    prompt = sk.Prompt(points=((70, 20),))
    assert len(ws.detect("both.png", detector="marker", prompt=prompt).regions) == 1
    content = (tiles.folder / "red.png").read_bytes()
    results = list(ws.detect_many([content, "gone.png"], detector="inks"))
    assert [len(result.regions) for result in results] == [1, 0]
    assert isinstance(results[1].error, sk.UnreadableSample)
    with pytest.raises(sk.BadInput, match="one picture"):
        list(ws.detect_many(["red.png", "blue.png"], detector="marker", prompt=prompt))
    assert not (tiles.folder / "nowhere").exists()
