"""Pictures with boxes: COCO JSON, Pascal VOC, YOLO, tables; what is wrong in them is named."""

from __future__ import annotations

import json

import pytest

from siamkit.errors import BadInput
from siamkit.io.boxes_read import read_boxed_pictures
from siamkit.io.labelled_boxes import LabelledBox


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")


def read(path):
    """Return the read pictures by name, and the faults as lines."""
    boxed = read_boxed_pictures(path)
    return {picture.path.name: picture for picture in boxed.pictures}, [*map(str, boxed.faults)]


def write_coco(path, images, annotations):
    categories = [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def test_coco(tmp_path):
    touch(tmp_path / "val2017" / "a.jpg", tmp_path / "val2017" / "b.jpg")
    touch(*(tmp_path / "val2017" / f"{name}.jpg" for name in "defg"))
    images = [{"id": n, "file_name": f"{name}.jpg"} for n, name in enumerate("abcdefg")]
    images[0] |= {"width": 64, "height": 48}
    annotations = [
        {"image_id": 0, "category_id": 7, "bbox": [1, 2, 10, 20]},
        {"image_id": 0, "category_id": 1, "bbox": [1.5, 2, 3, 4]},
        {"image_id": 3, "category_id": 99, "bbox": [1, 2, 3, 4]},
        {"image_id": 4, "category_id": 1, "bbox": [1, 2, 0, 4]},
        {"image_id": 5, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        {"image_id": 6, "category_id": 1, "bbox": "1 2 3 4"},
        {"image_id": 50, "category_id": 1, "bbox": [1, 2, 3, 4]},
    ]
    write_coco(tmp_path / "annotations" / "instances_val2017.json", images, annotations)
    pictures, faults = read(tmp_path / "annotations" / "instances_val2017.json")
    assert set(pictures) == {"a.jpg", "b.jpg"}
    assert pictures["a.jpg"].size == (64, 48)
    dog, cat = pictures["a.jpg"].boxes
    assert dog == LabelledBox("dog", (1, 2, 11, 22))
    assert cat == LabelledBox("cat", (1.5, 2, 4.5, 6))
    assert pictures["b.jpg"].boxes == ()
    expected = [
        "annotation 3 (image id 3): its category 99 is not among the categories",
        "annotation 4 (image id 4): its box (1, 2, 1, 6) has no area",
        "annotation 6 (image id 6): its bbox 1 2 3 4 is not [left, top, width, height]",
        "c.jpg: there is no such picture",
        "f.jpg: only a crowd is marked in it",
        "image id 50: it has annotations, but is not among the images",
    ]
    assert len(faults) == len(expected)
    for fault, start in zip(faults, expected, strict=True):
        assert fault.startswith(start)


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"images": [], "annotations": []}', '{"images": 1}']
)
def test_other_json(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BadInput, match=r"COCO JSON|not JSON"):
        read_boxed_pictures(tmp_path / "x.json")


VOC = """<annotation><filename>{name}</filename>
<size><width>{width}</width><height>48</height></size>{objects}</annotation>"""
OBJECT = (
    "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>3</ymin><xmax>{right}</xmax>"
    "<ymax>9</ymax></bndbox></object>"
)


def test_voc(tmp_path):
    folder = tmp_path / "Annotations"
    folder.mkdir()
    touch(*(tmp_path / "JPEGImages" / f"{name}.jpg" for name in "abcde"))
    good = OBJECT.format(right="5.5")
    (folder / "a.xml").write_text(VOC.format(name="a.jpg", width=64, objects=good))
    (folder / "b.xml").write_text(VOC.format(name="C:\\old\\name.png", width=0, objects=""))
    (folder / "c.xml").write_text("<annotation><object>")
    (folder / "d.xml").write_text(
        VOC.format(name="d.jpg", width=64, objects=OBJECT.format(right="x"))
    )
    (folder / "e.xml").write_text("<note/>")
    (folder / "f.xml").write_text(VOC.format(name="f.jpg", width=64, objects=good))
    pictures, faults = read(tmp_path)
    assert set(pictures) == {"a.jpg", "b.jpg"}
    assert pictures["a.jpg"].boxes == (LabelledBox("cat", (0, 2, 5.5, 9)),)
    assert (pictures["a.jpg"].size, pictures["b.jpg"].size) == ((64, 48), None)
    reasons = [
        "is not XML: ",
        "a bndbox is not four numbers",
        "begins with <note>",
        "no picture 'f.jpg'",
    ]
    assert len(faults) == len(reasons)
    for fault, reason, name in zip(faults, reasons, "cdef", strict=True):
        assert fault.startswith(f"{folder / name}.xml: ")
        assert reason in fault


def test_yolo(tmp_path):
    touch(*(tmp_path / "images" / "train" / f"{name}.jpg" for name in "abcdef"))
    touch(tmp_path / "images" / "val" / "g.jpg", tmp_path / "images" / "test" / "h.jpg")
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\ntrain: images/train\n")
    labels = tmp_path / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "a.txt").write_text("1 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.3 0.1 0.3 0.3\n")
    (labels / "b.txt").write_text("")
    (labels / "c.txt").write_text("2 0.5 0.5 0.2 0.4\n")
    (labels / "d.txt").write_text("0 0.5 1.5 0.2 0.4\n0 0.5 0.5 0.2\n")
    (labels / "e.txt").write_text("cat 0.5 0.5 0.2 0.4\n")
    boxed = read_boxed_pictures(tmp_path)
    pictures, faults = read(tmp_path)
    assert set(pictures) == {"a.jpg", "b.jpg", "f.jpg", "g.jpg"}
    dog, cat = pictures["a.jpg"].boxes
    assert (dog.label, cat.label) == ("dog", "cat")
    assert dog.box == pytest.approx((0.4, 0.3, 0.6, 0.7))
    assert cat.box == pytest.approx((0.1, 0.1, 0.3, 0.3))
    assert all(picture.relative for picture in pictures.values())
    assert [pictures[name].split for name in ("a.jpg", "g.jpg")] == ["train", "validation"]
    assert boxed.notes == ("2 pictures have no label file: nothing there",)
    expected = [
        "c.txt, line 1: class 2, and there are 2 names, from 0",
        "d.txt, line 1: 1.5 is not in [0, 1]: a share of the picture's side",
        "d.txt, line 2: 4 numbers are neither a box nor an outline",
        "e.txt, line 1: 'cat' is not a class",
    ]
    assert [fault.rpartition("/")[2] for fault in faults] == expected
    (tmp_path / "data.yaml").write_text("names: [cat\n")
    with pytest.raises(BadInput, match=r"data\.yaml cannot be read"):
        read_boxed_pictures(tmp_path)


def test_a_table(tmp_path):
    (tmp_path / "boxes.csv").write_text(
        "image,label,left,top,right,bottom,split\n"
        "a.jpg,cat,1,2,3,4,train\n"
        "a.jpg,dog,1,2,30,40,train\n"
        "b.jpg,,,,,,val\n"
        "c.jpg,cat,1,2,3,,\n"
        "c.jpg,cat,1,2,3,4,\n"
        "d.jpg,,1,2,3,4,\n"
        "e.jpg,cat,3,2,1,4,\n"
        "f.jpg,,,,,,\n"
        "f.jpg,cat,1,2,3,4,\n"
        "g.jpg,cat,1,2,3,4,test\n"
    )
    pictures, faults = read(tmp_path / "boxes.csv")
    assert set(pictures) == {"a.jpg", "b.jpg"}
    assert [box.label for box in pictures["a.jpg"].boxes] == ["cat", "dog"]
    assert (pictures["b.jpg"].boxes, pictures["b.jpg"].split) == ((), "validation")
    assert [fault.split(":")[0] for fault in faults[:-1]] == [f"line {n}" for n in (5, 7, 8, 11)]
    assert "one row says that nothing is there" in faults[-1]


def test_what_holds_no_boxes(tmp_path):
    with pytest.raises(BadInput, match="has neither XML as VOC's"):
        read_boxed_pictures(tmp_path)
    with pytest.raises(BadInput, match="neither a folder nor a file"):
        read_boxed_pictures(tmp_path / "absent")
    (tmp_path / "people.csv").write_text("path,label\na.jpg,cat\n")
    with pytest.raises(BadInput, match="has the columns path, label"):
        read_boxed_pictures(tmp_path / "people.csv")
    (tmp_path / "boxes.csv").write_text("image,label,left,top,right,bottom\na.jpg,cat,1,2,3,\n")
    with pytest.raises(BadInput, match="line 2"):
        read_boxed_pictures(tmp_path / "boxes.csv")
