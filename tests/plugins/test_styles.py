"""Styles: how a picture is made counts, not what it shows."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as pil

from siamkit.errors import BadInput, MissingWeights
from siamkit.models.names import resolve
from siamkit.sdk.layers import read_layers
from siamkit.sdk.model_folder import GRAPH, read_card
from siamkit.types import Image, Region
from siamkit_style import Styles

SIDE = 200


@pytest.fixture(scope="module")
def styles():
    return Styles()


@pytest.fixture(scope="module")
def encoder(styles):
    return styles.encoder(resolve(styles, None))


def thing(name):
    """Where a ball, or a house, is in a picture: content."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    if name == "ball":
        return np.hypot(rows - 90, columns - 120) < 60
    return (abs(columns - 80) < 50) & (rows > 80)


def stripes(inside, seed):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = np.where(inside, 0.4, 1.9) + seed
    wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / 7)
    return np.repeat((128 + 100 * wave)[..., None], 3, axis=2).astype(np.uint8)


def blots(inside, seed):
    noise = np.random.default_rng(seed).normal(size=(SIDE // 10, SIDE // 10)) > 0
    mask = np.kron(noise, np.ones((10, 10))) > 0
    colours = np.where(inside[..., None], (230, 60, 40), (40, 90, 220))
    return np.where(mask[..., None], colours, 255 - colours).astype(np.uint8)


def test_the_style_counts_more_than_what_is_shown(encoder):
    pictures = [
        Image(paint(thing(name), seed))
        for seed, name in enumerate(("ball", "house"))
        for paint in (stripes, blots)
    ]
    striped_ball, blotted_ball, striped_house, blotted_house = encoder.embed(pictures)
    for probe, alike, distractor in (
        (striped_ball, striped_house, blotted_ball),
        (blotted_house, blotted_ball, striped_house),
    ):
        assert probe @ alike > probe @ distractor + 0.2


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "1", "I;16"])
def test_pictures_of_every_mode_are_compared(styles, encoder, mode):
    file = io.BytesIO()
    picture = pil.fromarray(blots(thing("ball"), 0))
    if mode == "I;16":
        picture = pil.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    picture.convert(mode).save(file, "TIFF")
    medium = styles.load(file.getvalue())
    assert styles.assess(medium, Region()).comparable
    assert np.isfinite(encoder.embed([medium])).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (900, 30)])
def test_shapes(styles, encoder, shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert np.linalg.norm(encoder.embed([Image(pixels)])) == pytest.approx(1, abs=1e-5)
    assert styles.assess(Image(pixels), Region()).comparable == (shape != (1, 1))


def test_a_blank_picture_has_no_style(styles):
    quality = styles.assess(Image(np.full((40, 40, 3), 200, np.uint8)), Region())
    assert not quality.comparable
    assert quality.problems == ("the picture has a single colour, and so no style",)


@pytest.fixture
def small_vgg(monkeypatch):
    """torchvision, whose vgg19 has its layers, but few channels and random weights."""
    import torch
    from torchvision import models

    widths = [4, 4, "M", 6, 6, "M", *[8] * 4, "M", *[8] * 4, "M", *[40] * 4, "M"]

    def get_model(name, weights=None, **options):
        torch.manual_seed(3)
        network = models.VGG(models.vgg.make_layers(widths), num_classes=2)
        network.classifier = torch.nn.Identity()
        return network

    monkeypatch.setattr(models, "get_model", get_model)
    return get_model


def test_vgg_is_exported_with_its_layers(styles, small_vgg, tmp_path):
    styles.add("torchvision", "vgg19", tmp_path)
    layers = read_layers((tmp_path / GRAPH).read_bytes())
    convolutions = [layer.name for layer in layers if layer.op.startswith("Conv")]
    assert convolutions[:3] == ["relu1_1", "relu1_2", "relu2_1"]
    assert convolutions[-1] == "relu5_1"
    assert layers[-1].stride == (16, 16)
    card = read_card(tmp_path)
    assert (card.name, card.dim) == ("vgg19", 10 + 21 + 36 + 36 + 528)
    assert card.source.startswith("torchvision:vgg19@IMAGENET1K_V1, SHA-256 ")
    encoder = styles.encoder(tmp_path)
    alike = [Image(stripes(thing(name), 0)) for name in ("ball", "house")]
    first, second, other = encoder.embed([*alike, Image(blots(thing("ball"), 0))])
    assert first @ second > first @ other


def test_vgg_takes_the_weights_of_a_file(styles, small_vgg, tmp_path):
    import torch

    torch.save(small_vgg("vgg19").state_dict(), tmp_path / "mine.pth")
    (tmp_path / "encoder").mkdir()
    styles.add("torchvision", f"vgg19@{tmp_path / 'mine.pth'}", tmp_path / "encoder")
    assert read_card(tmp_path / "encoder").source.startswith("torchvision:vgg19@mine.pth, SHA")
    (tmp_path / "other.pth").write_bytes(b"no weights")
    with pytest.raises(BadInput, match="does not hold the weights of vgg19"):
        styles.add("torchvision", f"vgg19@{tmp_path / 'other.pth'}", tmp_path)


def test_weights_that_cannot_be_fetched(styles, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(*_, **__):
        raise OSError

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(MissingWeights) as error:
        styles.add("torchvision", "vgg19", tmp_path)
    assert "torchvision:vgg19@vgg19-dcbb9e9d.pth --name vgg19" in error.value.hint
    with pytest.raises(BadInput) as unknown:
        styles.add("torchvision", "resnet50", tmp_path)
    assert "vgg19" in unknown.value.hint
