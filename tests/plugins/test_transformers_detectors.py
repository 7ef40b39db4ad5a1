"""Detectors and segmenters of transformers, by name: the same regions as transformers' own."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from siamkit.errors import BadInput, MissingPackage, MissingWeights
from siamkit.models.detectors import open_detector
from siamkit.protocols import Prompted
from siamkit.types import Image, Prompt
from siamkit_objects import Objects, export_check
from siamkit_objects.export_transformers import write_transformers_folder
from siamkit_objects.families import sam
from siamkit_objects.folder import FolderDetector
from tests.support import toynets

# Detector folders are compared with transformers when they are written; these are the least
# regions that each must have been compared by.
KINDS = {"detr": 20, "rt_detr_v2": 20, "yolos": 10, "segformer": 2, "mask2former": 4, "sam2": 12}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function that saves a tiny network in a folder, once."""
    root = tmp_path_factory.mktemp("networks")

    def save(kind):
        folder = root / kind
        if not folder.is_dir():
            network, processor = toynets.transformer(kind)
            network.save_pretrained(folder)
            processor.save_pretrained(folder)
        return folder

    return save


@pytest.mark.parametrize("kind", KINDS)
def test_regions_agree(saved, tmp_path, kind):
    agreement = write_transformers_folder(str(saved(kind)), tmp_path)
    assert agreement.regions >= KINDS[kind]
    assert agreement.box <= 0.01
    assert agreement.score <= 1e-4
    assert agreement.mask >= 0.999
    detector = FolderDetector(tmp_path)
    for shape in ((1, 1, 3), (40, 90, 3)):
        detector.find(Image(np.full(shape, 90, np.uint8)))


def test_segment_anything_is_added_by_name_and_takes_prompts(shell, saved, monkeypatch):
    monkeypatch.setenv("SIAMKIT_CACHE", str(shell.folder / "cache"))
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    added = shell("detectors", "add", "sam", f"transformers:{saved('sam')}", "--json")
    assert added.code == 0, added.err
    detector = open_detector("sam")
    assert isinstance(detector, Prompted)
    picture = Image(export_check.probes()[0])
    regions = detector.find_prompted(picture, Prompt(((160, 90),), ((10, 10),)))
    assert 0 < len(regions) <= 3
    assert [region.score for region in regions] == sorted((r.score for r in regions), reverse=True)
    monkeypatch.setattr(sam, "STABLE", 0.0)  # of a network that nobody has trained
    monkeypatch.setattr(sam, "GRID", 4)
    everything = detector.with_min_score(0.0).find(picture)
    assert len(everything) > 1
    assert all(region.mask.any() for region in [*regions, *everything])
    for prompt, message in (
        (Prompt(((400, 90),)), "the point 400,90 is outside the picture of 320 x 240 px"),
        (Prompt((), ((4, 4),)), "needs a point on the object, or a box round it"),
    ):
        with pytest.raises(BadInput, match=message):
            detector.find_prompted(picture, prompt)


def test_models_that_do_not_fit_are_named(saved, tmp_path):
    def changed(name, **values):
        folder = tmp_path / name
        shutil.copytree(saved("yolos"), folder)
        config = json.loads((folder / "config.json").read_text()) | values
        (folder / "config.json").write_text(json.dumps(config))
        return str(folder)

    (tmp_path / "empty").mkdir()
    for lacking in ("model.safetensors", "preprocessor_config.json"):
        (Path(changed(lacking)) / lacking).unlink()
    names = {number: f"class {number}" for number in range(7)}
    for model, message in (
        (changed("bert", model_type="bert"), "bert is a bert, which cannot be added"),
        (changed("detr", model_type="detr"), "detr"),
        (
            changed("seven", id2label=names),
            r"class_labels.* shape \(6,\), .* 7 labels needs \(8,\)",
        ),
        (str(tmp_path / "empty"), "empty is not a transformers model"),
        (str(tmp_path / "model.safetensors"), "transformers cannot open .*model.safetensors"),
        (str(tmp_path / "preprocessor_config.json"), "preprocessor_config.json"),
        ("no/such/folder", "neither a folder nor a hub name"),
    ):
        with pytest.raises(BadInput, match=message):
            Objects().add("transformers", model, tmp_path)
    with pytest.raises(BadInput, match="leave out --labels"):
        Objects().add("transformers", "a/b", tmp_path, labels=tmp_path)


def test_without_hub_or_transformers_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights, match="not in the local hub cache") as raised:
        Objects().add("transformers", "somebody/something", tmp_path)
    assert "without a network give a folder" in raised.value.hint
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPackage, match="needs the package transformers") as missing:
        Objects().add("transformers", "somebody/something", tmp_path)
    assert 'pip install "siamkit[train]"' in missing.value.hint
