"""A second look at flat things: corners that fit one homography."""

from __future__ import annotations

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper
from skimage import data

import siamkit as sk
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import open_reranker
from siamkit.errors import MissingWeights
from siamkit.protocols import Reranker, Reranks
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.picture_recipe import TRAINED
from siamkit_images import Images
from siamkit_images.keypoints import Keypoints, count_inliers, find_corners

NO_VECTORS = np.zeros((1, 4), np.float32)


@pytest.fixture(scope="module")
def poster():
    return np.ascontiguousarray(data.astronaut()[:256, 100:420])


@pytest.fixture(scope="module")
def seen(poster):
    """The poster, small and from the side, in another picture."""
    height, width = poster.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = np.array([[30, 20], [190, 40], [180, 170], [20, 150]], np.float32)
    turn = cv2.getPerspectiveTransform(corners, moved)
    scene = np.ascontiguousarray(data.coffee()[:200, :240])
    return cv2.warpPerspective(poster, turn, (240, 200), scene, borderMode=cv2.BORDER_TRANSPARENT)


def write_mean_colour(folder):
    """Write an encoder folder whose vectors are the pictures' mean colours."""
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 224, 224, 3])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 3])
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("LpNormalization", ["mean"], ["vector"], axis=1, p=2),
    ]
    graph = helper.make_graph(nodes, "mean", [image], [vector])
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    write_folder(folder, model, Card("images", "mean", 3, TRAINED, "", "drawn"))


def judge(left, right, encoder=None):
    return Keypoints(encoder).score([sk.Image(left)], [sk.Image(right)], NO_VECTORS, NO_VECTORS)[0]


def test_it_recognises_a_flat_thing_from_the_side(poster, seen):
    limit = Keypoints(None).threshold
    assert judge(poster, seen) > limit.value > judge(poster, data.chelsea()[:200, :240])
    assert limit.fmr == 0.01
    assert limit.source


def test_the_order_and_the_other_pairs_of_a_call_do_not_matter(poster, seen):
    a, b, c = (sk.Image(pixels) for pixels in (poster, seen, data.coffee()[:150, :150]))
    vectors = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    reranker = Keypoints("detail")
    forth = reranker.score([a, a, b], [b, c, c], vectors, vectors[::-1].copy())
    back = reranker.score([b, c, c], [a, a, b], vectors[::-1].copy(), vectors)
    alone = reranker.score([b], [c], vectors[2:], vectors[:1])
    assert forth.dtype == np.float32
    assert forth.tobytes() == back.tobytes()
    assert alone[0] == forth[2]


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (24, 16), (900, 1300)])
def test_any_size_has_corners_or_none(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    corners = find_corners(pixels)
    assert corners.descriptors.shape == (len(corners.points), 64)
    assert np.isfinite(corners.descriptors).all()
    assert 0 <= judge(pixels, pixels) <= 1


def test_a_single_colour_has_nothing_to_match(poster):
    blank = np.full((60, 80, 3), 200, np.uint8)
    assert count_inliers(find_corners(blank), find_corners(poster)) == 0


def test_pictures_have_one_reranker():
    encoder = SimpleNamespace(card=Card("images", "mine", 4, {}, "", "timm:mine"))
    pipeline = Pipeline(Images(), None, encoder)
    assert isinstance(pipeline.modality, Reranks)
    assert isinstance(open_reranker(pipeline, "keypoints"), Reranker)
    with pytest.raises(MissingWeights, match="no reranker 'lexical'"):
        Images().reranker("lexical", pipeline.encoder)


def test_two_files_are_verified_from_the_shell(shell, poster, seen, tmp_path):
    for name, pixels in (("poster", poster), ("seen", seen)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels[..., ::-1])
    files = (str(tmp_path / "poster.png"), str(tmp_path / "seen.png"))
    write_mean_colour(tmp_path)
    rule = ("--encoder", str(tmp_path), "--rerank", "keypoints", "--json")
    done = shell("verify", *files, "-m", "images", *rule)
    assert done.code == 0, done.err
    assert json.loads(done.out)["decision"] == "same"
