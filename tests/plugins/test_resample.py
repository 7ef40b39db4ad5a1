"""Pictures are resized as torch, Pillow and transformers do it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as pil
from torch.nn.functional import interpolate

from siamkit_objects import resample
from siamkit_objects.inputs import prepare

SHAPES = [(31, 47), (1, 1), (3, 200), (130, 90)]
SIZES = [(20, 30), (64, 64), (80, 121)]


def picture(shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_the_other_library(shape, size, monkeypatch):
    pixels = picture(shape)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    antialiased = interpolate(tensor, size=size, mode="bilinear", antialias=True)[0]
    for strip in (resample.STRIP, 100):
        monkeypatch.setattr(resample, "STRIP", strip)
        resized = resample.torch_uint8(pixels, size)
        if "AVX" in torch.backends.cpu.get_cpu_capability():  # elsewhere torch computes in floats
            assert np.array_equal(resized, antialiased.permute(1, 2, 0))
        assert np.abs(resized.astype(int) - resample.pillow_uint8(pixels, size)).max() <= 1
        plain = interpolate(tensor.float(), size=size, mode="bilinear")[0]
        enlarged = resample.enlarge_whole(tensor[0].float().numpy(), size)
        assert np.abs(enlarged - plain.numpy()).max() < 0.1
    assert np.abs(resample.bilinear(pixels, size) - plain.permute(1, 2, 0).numpy()).max() < 1e-3
    nearest = interpolate(tensor, size=size, mode="nearest")[0, 0].numpy()
    assert np.array_equal(resample.nearest(pixels[..., 0], size), nearest)
    expected = pil.fromarray(pixels).resize(size[::-1], pil.Resampling.BILINEAR)
    assert np.array_equal(resample.pillow_uint8(pixels, size), expected)


@pytest.mark.parametrize("kind", ["detr", "yolos", "mask2former", "sam"])
@pytest.mark.parametrize("shape", [(240, 320), (333, 97), (96, 96), (41, 400)])
def test_inputs_are_those_of_the_processor(kind, shape):
    from siamkit_objects.transformers_models import Original, read_recipe
    from tests.support import toynets

    images = toynets.processor(kind)
    images = getattr(images, "image_processor", images)
    family = "sam" if kind == "sam" else "detr"
    original = Original(kind, kind, family, None, images, (), "", "")
    array, _ = prepare(picture(shape), read_recipe(original))
    expected = images(images=picture(shape), return_tensors="pt")["pixel_values"].numpy()
    if kind == "sam":  # the graph pads it
        expected = expected[:, :, : array.shape[2], : array.shape[3]]
    assert array.shape == expected.shape
    assert np.abs(array - expected).max() < 1e-4


def test_sides_are_those_of_torchvision():
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    transform = GeneralizedRCNNTransform(800, 1333, [0.0] * 3, [1.0] * 3)
    for height, width in ((427, 640), (333, 97), (97, 1333), (600, 600)):
        image = transform.resize(torch.zeros(3, height, width))[0]
        assert resample.fit((height, width), 800, 1333, floored=True) == tuple(image.shape[1:])
