"""Detector folders: written, read back, and refused when they are damaged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from siamkit.errors import MissingWeights
from siamkit.sdk.detector_folder import (
    CARD,
    GRAPH,
    DetectorCard,
    read_card,
    read_folder,
    write_folder,
)

TOY = DetectorCard(
    name="toy",
    plugin="objects",
    family="ssd",
    labels=("cat", "dog"),
    input={"size": [8, 8]},
    decode={"variances": [0.1, 0.2]},
    min_score=0.3,
    iou=0.5,
    max_regions=10,
    licence="CC0-1.0",
    source="made up",
)


def test_a_folder_comes_back_as_it_was_written(tmp_path):
    write_folder(tmp_path, b"graph", TOY)
    card, graph = read_folder(tmp_path)
    assert graph == b"graph"
    assert card.fingerprint.startswith("objects/1:")
    assert replace(card, fingerprint="") == TOY


CHANGES = {
    "family": "yolo",
    "labels": ["cat", "cow"],
    "input": {"size": [8, 9]},
    "decode": {},
    "min_score": 0.4,
    "iou": None,
    "max_regions": 11,
}


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_constant_is_noticed(tmp_path, key):
    write_folder(tmp_path, b"graph", TOY)
    data = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps({**data, key: CHANGES[key]}))
    with pytest.raises(MissingWeights, match="is damaged: its files do not match its fingerprint"):
        read_folder(tmp_path)


def test_a_changed_or_absent_graph_is_noticed(tmp_path):
    write_folder(tmp_path, b"graph", TOY)
    (tmp_path / GRAPH).write_bytes(b"grapf")
    with pytest.raises(MissingWeights, match="is damaged"):
        read_folder(tmp_path)
    (tmp_path / GRAPH).unlink()
    with pytest.raises(MissingWeights, match=r"has no detector\.onnx"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("labels", "cat"),
        ("labels", [1]),
        ("min_score", -0.1),
        ("min_score", True),
        ("iou", "0.5"),
        ("max_regions", 0),
        ("input", []),
        ("format", 2),
        ("surprise", 1),
    ],
)
def test_a_card_of_other_values_is_refused(tmp_path, key, value):
    write_folder(tmp_path, b"graph", TOY)
    data = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps({**data, key: value}))
    with pytest.raises(MissingWeights, match="is not a detector folder"):
        read_card(tmp_path)


def test_what_is_no_detector_folder_is_named(tmp_path):
    with pytest.raises(MissingWeights, match=r"folder: it has no detector\.json$"):
        read_card(tmp_path)
