"""Regions go to the formats of supervision, torchvision and COCO, and come back as they were."""

from __future__ import annotations

import json

import numpy as np
import pytest

from siamkit import Region
from siamkit import region_formats as formats
from siamkit.io import coco

SIZE = WIDTH, HEIGHT = 20, 12
LABELS = ["cat", "dog"]


def ring(height: int, width: int) -> np.ndarray:
    mask = np.ones((height, width), bool)
    mask[2:-2, 2:-2] = False
    return mask


def regions() -> list[Region]:
    """One with a hole, one in two parts, one box between pixels at the edge, its mask full."""
    parts = np.zeros((4, 6), bool)
    parts[:, :2] = parts[1:3, 4:] = True
    return [
        Region((2, 1, 11, 9), 0.75, mask=ring(8, 9), label="dog"),
        Region((12, 3, 18, 7), 0.5, mask=parts, label="cat"),
        Region((15.5, 8.25, 20, 12), 0.25, mask=np.ones((4, 5), bool), label="dog"),
    ]


def same(left: list[Region], right: list[Region]) -> None:
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert (a.where, a.score, a.label) == (b.where, b.score, b.label)
        np.testing.assert_array_equal(a.mask, b.mask)


def test_arrays_are_those_of_supervision_and_come_back():
    arrays = formats.to_arrays(regions(), LABELS, size=SIZE)
    assert (arrays["xyxy"].dtype, arrays["xyxy"].shape) == (np.float32, (3, 4))
    assert arrays["class_id"].tolist() == [1, 0, 1]
    assert arrays["mask"].shape == (3, HEIGHT, WIDTH)
    assert arrays["mask"][0].sum() == ring(8, 9).sum()
    same(formats.from_arrays(arrays), regions())
    same(formats.from_arrays({**arrays, "data": {}}, LABELS), regions())


def test_supervision_takes_the_arrays_and_its_detections_come_back():
    supervision = pytest.importorskip("supervision")
    detections = supervision.Detections(**formats.to_arrays(regions(), LABELS, size=SIZE))
    np.testing.assert_allclose(detections.area, [region.mask.sum() for region in regions()])
    same(formats.from_arrays(detections[detections.class_id == 0], LABELS), regions()[1:2])
    assert len(supervision.Detections(**formats.to_arrays([]))) == 0
    assert formats.from_arrays(supervision.Detections.empty()) == []


def test_torchvision_dicts_come_back_from_tensors_and_soft_masks():
    categories = [formats.BACKGROUND, *LABELS]
    output = formats.to_torchvision(regions(), categories, size=SIZE)
    assert output["labels"].tolist() == [2, 1, 2]
    same(formats.from_torchvision(output, categories), regions())
    soft = {**output, "masks": output["masks"][:, None] * np.float32(0.6)}
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(values).requires_grad_(values.dtype.kind == "f")
               for name, values in soft.items()}  # fmt: skip
    same(formats.from_torchvision(tensors, categories), regions())
    bare = formats.from_torchvision({"boxes": output["boxes"], "labels": output["labels"]})
    assert [(region.label, region.score, region.mask) for region in bare] == [
        ("2", 1.0, None),
        ("1", 1.0, None),
        ("2", 1.0, None),
    ]


@pytest.mark.parametrize("polygons", [False, True])
def test_coco_annotations_come_back_with_holes_and_parts(polygons):
    annotations = formats.to_coco(regions(), LABELS, size=SIZE, polygons=polygons)
    assert [a["category_id"] for a in annotations] == [2, 1, 2]
    assert [a["area"] for a in annotations] == [region.mask.sum() for region in regions()]
    kinds = [type(a["segmentation"]) for a in annotations]
    assert kinds == ([dict, list, list] if polygons else [dict] * 3)  # a polygon has no hole
    back = formats.from_coco(json.loads(json.dumps(annotations)), {1: "cat", 2: "dog"}, size=SIZE)
    same(back, regions())


def test_a_region_without_a_box_is_the_whole_picture():
    arrays = formats.to_arrays([Region(label="all")], size=SIZE)
    assert arrays["xyxy"].tolist() == [[0, 0, 20, 12]]
    assert arrays["mask"] is None
    (annotation,) = formats.to_coco([Region()], size=SIZE)
    assert (annotation["bbox"], annotation["area"]) == ([0, 0, 20, 12], 240)
    assert "segmentation" not in annotation


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: formats.to_arrays(regions()), "size"),
        (lambda: formats.to_arrays([Region((0.5, 1.5))]), "no box"),
        (lambda: formats.to_arrays([Region()]), "whole picture"),
        (lambda: formats.from_coco([{"bbox": [1, 2, 3]}], size=SIZE), "annotation"),
        (lambda: formats.from_coco([{}], size=SIZE), "annotation"),
        (lambda: formats.from_coco(
            [{"bbox": [0, 0, 1, 1], "segmentation": [[1, 2, 3, 4]]}], size=SIZE), "corners"),
        (lambda: formats.from_coco(
            [{"bbox": [0, 0, 1, 1], "segmentation": {"size": [9, 9], "counts": [81]}}], size=SIZE),
         "9 x 9"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused(call, reason):
    with pytest.raises(ValueError, match=reason):
        call()


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own
def test_files_load_in_the_evaluators(tmp_path):
    pictures = [
        coco.Picture("a b/ä.jpg", *SIZE, [formats.to_annotation(r, *SIZE) for r in regions()]),
        coco.Picture("none.jpg", *SIZE),
    ]
    coco.write(tmp_path / "out.json", pictures, ["cat"])
    reader = pytest.importorskip("pycocotools.coco").COCO(tmp_path / "out.json")
    assert reader.loadImgs(1)[0]["file_name"] == "a b/ä.jpg"
    assert [c["name"] for c in reader.loadCats(reader.getCatIds())] == ["cat", "dog"]
    for annotation, region in zip(reader.anns.values(), regions(), strict=True):
        assert reader.annToMask(annotation).sum() == region.mask.sum()
    faster = pytest.importorskip("faster_coco_eval")
    truth = faster.COCO(str(tmp_path / "out.json"))
    results = formats.to_coco(regions(), ["cat", "dog"], size=SIZE)
    for kind in ("bbox", "segm"):
        evaluator = faster.COCOeval_faster(truth, truth.loadRes(results), kind)
        evaluator.run()
        assert evaluator.stats_as_dict["AP_50"] == 1


def test_a_file_without_a_detection_loads(tmp_path):
    coco.write(tmp_path / "out.json", [coco.Picture("none.jpg", 4, 3)], ["cat"])
    reader = pytest.importorskip("pycocotools.coco").COCO(tmp_path / "out.json")
    assert (reader.getImgIds(), reader.getCatIds(), reader.getAnnIds()) == ([1], [1], [])
