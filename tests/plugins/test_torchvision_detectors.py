"""Detectors of torchvision, by name: the same regions as torchvision's, without torch to serve."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torchvision import models
from torchvision.models.detection import (
    MaskRCNN_ResNet50_FPN_V2_Weights,
    RetinaNet_ResNet50_FPN_V2_Weights,
)
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights

from siamkit.errors import BadInput, MissingPackage, MissingWeights, PluginError
from siamkit.models.detectors import open_detector
from siamkit.types import Image, Region
from siamkit_objects import Objects, export_check
from siamkit_objects.export_torchvision import write_torchvision_folder
from siamkit_objects.families.boxes import paste
from siamkit_objects.folder import FolderDetector
from tests.support import toynets

TOYS = {  # the first in the list of builders, which is searched for whose weights a file has
    "a_rcnn": (models.detection, toynets.mask_rcnn, MaskRCNN_ResNet50_FPN_V2_Weights),
    "a_retinanet": (models.detection, toynets.retinanet, RetinaNet_ResNet50_FPN_V2_Weights),
    "a_lraspp": (models.segmentation, toynets.semantic, LRASPP_MobileNet_V3_Large_Weights),
}


@pytest.fixture(scope="module", autouse=True)
def builders():
    """Tiny builders among torchvision's, with the labels of large ones."""
    for name, (module, make, weights) in TOYS.items():

        def build(*, weights=None, make=make, **options):
            return make(**options)

        build.__annotations__["weights"] = weights
        build.__module__ = f"{module.__name__}.toys"
        models._api.BUILTIN_MODELS[name] = build
    yield
    for name in TOYS:
        del models._api.BUILTIN_MODELS[name]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a Mask R-CNN of three labels, and of the semantic network."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save(toynets.enliven(toynets.mask_rcnn(4)).state_dict(), folder / "rcnn.pth")
    torch.save({"model": toynets.enliven(toynets.semantic()).state_dict()}, folder / "semantic.pth")
    torch.save(toynets.enliven(toynets.retinanet()).state_dict(), folder / "retinanet.pth")
    (folder / "labels.txt").write_text("nut\nbolt\nwasher\n")
    return folder


@pytest.fixture
def cached(shell, monkeypatch):
    monkeypatch.setenv("SIAMKIT_CACHE", str(shell.folder / "cache"))
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    return shell


@pytest.fixture(scope="module")
def rcnn(tmp_path_factory, weights):
    """The detector folder of the Mask R-CNN, and how well it agrees with torchvision."""
    folder = tmp_path_factory.mktemp("rcnn")
    labels = weights / "labels.txt"
    return folder, write_torchvision_folder(f"a_rcnn@{weights / 'rcnn.pth'}", folder, labels)


def test_boxes_scores_and_masks_agree(rcnn):
    folder, agreement = rcnn
    assert agreement.regions >= 20
    assert agreement.box <= 0.01
    assert agreement.score <= 1e-4
    assert agreement.mask >= 0.999
    assert FolderDetector(folder).labels == ("nut", "bolt", "washer")


def test_a_retinanet_scores_its_background_too(weights, tmp_path):
    model = f"a_retinanet@{weights / 'retinanet.pth'}"
    agreement = write_torchvision_folder(model, tmp_path, weights / "labels.txt")
    assert agreement.regions >= 20
    assert FolderDetector(tmp_path).labels == ("__background__", "nut", "bolt", "washer")


def test_it_serves_without_torch(rcnn):
    script = (
        "import sys, numpy as np; from pathlib import Path; from siamkit.types import Image;"
        "from siamkit_objects import Objects, export_check;"
        "d = Objects().open(Path(sys.argv[1])).with_min_score(0.05);"
        "r = [q for p in [*export_check.probes(), np.zeros((1, 1, 3), np.uint8)]"
        " for q in d.find(Image(p))];"
        "assert r and all(q.mask is not None and q.score >= 0.05 for q in r);"
        "assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, rcnn[0]], check=True, timeout=60)


def test_a_semantic_network_is_added_by_name(cached, weights):
    spec = f"torchvision:a_lraspp@{weights / 'semantic.pth'}"
    added = cached("detectors", "add", "scene", spec, "--json")
    assert added.code == 0, added.err
    assert json.loads(added.out)["labels"][:2] == ["__background__", "aeroplane"]
    picture = export_check.probes()[1]
    regions = open_detector("scene").find(Image(picture))
    assert regions
    painted = np.zeros(picture.shape[:2], int)
    for region in regions:
        left, top, right, bottom = (int(edge) for edge in region.where)
        assert region.label != "__background__"
        assert region.mask.sum() >= 0.001 * painted.size
        painted[top:bottom, left:right] += region.mask
    assert painted.max() == 1


def test_an_export_that_differs_is_not_added(cached, weights, monkeypatch):
    monkeypatch.setattr(export_check, "SCORE", 1e-12)
    spec = f"torchvision:a_lraspp@{weights / 'semantic.pth'}"
    added = cached("detectors", "add", "wrong", spec)
    assert added.code == PluginError.exit_code
    assert "the exported model and torchvision differ in" in added.err
    assert cached("detectors", "path", "wrong").code != 0


@pytest.mark.parametrize(
    ("off", "rounding", "is_same"),
    [
        (0.009, None, True),  # px; float64 is not asked for
        (0.015, 0.0, False),
        (0.015, 0.004, False),
        (0.015, 0.008, True),  # within twice the original's own error
        (0.09, 0.3, True),
        (0.11, 0.3, False),  # never more than ten times the rule
    ],
)
def test_limits_are_wider_where_the_original_itself_rounds_more(off, rounding, is_same):
    def region(left):
        return [Region((100.0 + left, 20.0, 200.0, 90.0), 0.7, label="nut")]

    def exact():
        assert rounding is not None
        return region(rounding), None

    def compare():
        return export_check.require_same(
            region(off), (region(0.0), None), exact, peer="torchvision"
        )

    if is_same:
        assert compare().box == pytest.approx(off, abs=1e-9)
    else:
        with pytest.raises(PluginError, match="the nearest of the exported model is 0"):
            compare()


def test_weights_that_do_not_fit_are_named(tmp_path, weights):
    rcnn = weights / "rcnn.pth"
    (tmp_path / "two.txt").write_text("nut\nbolt\n")
    (tmp_path / "no.pth").write_text("no weights")
    for model, labels, message in (
        (f"ssdlite320_mobilenet_v3_large@{rcnn}", None, "weights are those of a_rcnn"),
        (f"a_rcnn@{rcnn}", None, "has 4 classes, torchvision's own weights have 91"),
        (f"a_rcnn@{rcnn}", tmp_path / "two.txt", "has 2 labels, .* has 3 classes"),
        (f"a_rcnn@{tmp_path / 'no.pth'}", None, "cannot be read as weights"),
        (f"a_rcnn@{tmp_path / 'none.pth'}", None, "there is no file"),
        ("a_rcnn@", None, "a_rcnn@ names no file of weights"),
        ("resnet50", None, "no detector or semantic network 'resnet50'"),
    ):
        with pytest.raises(BadInput, match=message):
            Objects().add("torchvision", model, tmp_path, labels=labels)
    with pytest.raises(BadInput) as raised:
        Objects().add("torchvision", "fasterrcnn_resnet50_fpn_v3", tmp_path)
    assert "fasterrcnn_resnet50_fpn_v2" in raised.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no.pth", "two.txt"]


def test_without_hub_or_torchvision_it_says_what_to_do(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(
        MissingWeights, match=r"cannot be fetched from download\.pytorch\.org"
    ) as error:
        Objects().add("torchvision", "ssdlite320_mobilenet_v3_large", tmp_path)
    assert "torchvision:ssdlite320_mobilenet_v3_large@ssdlite320" in error.value.hint
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingPackage, match="needs the package torchvision") as missing:
        Objects().add("torchvision", "ssd300_vgg16", tmp_path)
    assert 'pip install "siamkit[train]"' in missing.value.hint


def test_masks_are_painted_as_by_torchvision():
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    rng = np.random.default_rng(0)
    for box in ((3.2, 4.8, 40.1, 30.9), (0.0, 0.0, 60.0, 50.0), (20.3, 10.1, 20.6, 49.9)):
        mask = rng.random((28, 28), np.float32)
        drawn = paste_masks_in_image(
            torch.from_numpy(mask)[None, None], torch.tensor([box]), (50, 60)
        )[0, 0].numpy()
        left, top, right, bottom = (
            np.floor(box[:2]).astype(int).tolist() + np.ceil(box[2:]).astype(int).tolist()
        )
        assert np.array_equal(paste(mask, box, 50, 60), drawn[top:bottom, left:right] > 0.5), box
