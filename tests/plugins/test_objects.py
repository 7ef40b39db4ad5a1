"""The region detector objects, and how SSD is decoded."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.detector_folder import read_folder, write_folder
from siamkit.sdk.media import load_image
from siamkit.types import Image
from siamkit_objects import Objects
from siamkit_objects.folder import FolderDetector
from siamkit_objects.inputs import prepare
from siamkit_objects.objects import FOLDER

if find_spec("skimage") is None:
    pytest.skip("skimage is not installed", allow_module_level=True)


def picture(name: str) -> Image:
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return load_image(Path(spec.origin).parent / "data" / name)


def overlap(left, right):
    """Return the intersection over union of two boxes."""
    left, right = np.array(left), np.array(right)
    common = np.maximum(np.minimum(left[2:], right[2:]) - np.maximum(left[:2], right[:2]), 0)
    sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in (left, right)]
    return common.prod() / (sum(sizes) - common.prod())


@pytest.fixture(scope="module")
def detector() -> FolderDetector:
    return FolderDetector(FOLDER)


@pytest.mark.parametrize(
    ("name", "label", "box"),
    [
        ("chelsea.png", "cat", (0, 0, 410, 300)),
        ("astronaut.png", "person", (15, 0, 430, 512)),
        ("coffee.png", "cup", (170, 20, 415, 255)),
    ],
)
def test_things_are_found_where_they_are(name, label, box):
    detector = Objects()
    best = max((r for r in detector.find(picture(name)) if r.label == label), key=lambda r: r.score)
    assert best.score >= detector.min_score
    assert overlap(best.where, box) >= 0.7, best.where
    assert label in detector.labels
    assert len(detector.labels) == 80


def slow_decode(codes, logits, card, width, height):
    """Decode every row and class by the formulas, then suppress one pair at a time."""
    rows, start = [], 0
    for across, down, shapes in card.decode["grids"]:
        for cell in range(across * down):
            for h, w in shapes:
                y, x = (cell // across + 0.5) / down, (cell % across + 0.5) / across
                ty, tx, th, tw = codes[start]
                cy, cx = ty / 10 * h + y, tx / 10 * w + x
                bh, bw = np.exp(th / 5) * h, np.exp(tw / 5) * w
                box = np.clip([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], 0, 1)
                scores = 1 / (1 + np.exp(-logits[start].astype(float)))
                rows += [
                    (score, label, tuple(box * [width, height, width, height]))
                    for score, label in zip(scores, card.labels, strict=True)
                    if score >= card.min_score
                ]
                start += 1
    best = []
    for row in sorted(rows, reverse=True):
        if all(row[1] != other[1] or overlap(row[2], other[2]) <= 0.5 for other in best):
            best.append(row)
    return best[: card.max_regions]


def test_regions_are_those_of_a_slow_decoder(detector):
    cat, lower = picture("chelsea.png"), detector.with_min_score(0.05)
    array, _ = prepare(cat.pixels, detector.card.input)
    codes, logits = lower._network.run({"picture": array})
    expected = slow_decode(codes[0], logits[0], lower.card, *cat.pixels.shape[1::-1])
    regions = lower.find(cat)
    assert [region.label for region in regions] == [label for _, label, _ in expected]
    for region, (score, _, box) in zip(regions, expected, strict=True):
        assert region.score == pytest.approx(score, abs=1e-5)
        assert region.where == pytest.approx(box, abs=0.01)
    assert len(regions) > len(detector.find(cat)) > 0


def test_another_lowest_score_leaves_the_detector_as_it_was(detector):
    lower = detector.with_min_score(0.02)
    assert (lower.min_score, detector.min_score) == (0.02, 0.3)
    for score in (-0.1, 1.1, float("nan")):
        with pytest.raises(BadInput, match="not between 0 and 1"):
            detector.with_min_score(score)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 3)])
def test_a_tiny_picture_gives_a_list(detector, shape):
    detector.with_min_score(0).find(Image(np.zeros((*shape, 3), np.uint8)))


def test_a_graph_of_another_head_is_refused_with_the_shapes(tmp_path):
    card, graph = read_folder(FOLDER)
    write_folder(tmp_path, graph, replace(card, labels=card.labels[:79]))
    with pytest.raises(MissingWeights, match=r"\(1, 1917, 80\).* 79 labels"):
        FolderDetector(tmp_path).find(picture("chelsea.png"))


@pytest.mark.parametrize(
    "change",
    [{"size": [0, 300]}, {"size": None}, {"resize": "crop"}, {"std": [1, 0, 1]}, {"scale": "1"}],
)
def test_a_recipe_that_cannot_be_followed_is_refused(tmp_path, change):
    card, graph = read_folder(FOLDER)
    write_folder(tmp_path, graph, replace(card, input={**card.input, **change}))
    with pytest.raises(MissingWeights, match=f"the input {next(iter(change))}"):
        FolderDetector(tmp_path)


def test_an_unknown_family_is_refused(tmp_path):
    card, graph = read_folder(FOLDER)
    write_folder(tmp_path, graph, replace(card, family="yolo99"))
    with pytest.raises(MissingWeights, match="the family 'yolo99', which is not known"):
        FolderDetector(tmp_path)
