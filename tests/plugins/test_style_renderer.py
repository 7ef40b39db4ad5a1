"""Pictures in the style of others: tiles without seams, strength, and every size."""

from __future__ import annotations

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.types import Image
from siamkit_style import renderer
from siamkit_style.renderer import NAMED_STYLES, open_renderer


def waves(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with coarse and fine parts, and different colours on every side."""
    y, x = np.mgrid[:height, :width].astype(float)
    red = 128 + 90 * np.sin(x / 17 + y / 41)
    green = 255 * x / width
    blue = 255 * y / height
    noise = np.random.default_rng(seed).normal(0, 12, (height, width, 1))
    return np.clip(np.stack([red, green, blue], axis=2) + noise, 0, 255).astype(np.uint8)


STYLE = Image(waves(64, 64, 1)[::-1, ::-1].copy())


@pytest.fixture(params=["any", "named"])
def opened(request):
    return open_renderer([(STYLE if request.param == "any" else "painted-8", 1.0)])


def in_tiles(monkeypatch, opened, pixels: np.ndarray, tile: int = 96) -> np.ndarray:
    monkeypatch.setattr(renderer, "WHOLE", 1)
    monkeypatch.setattr(renderer, "TILE", tile)
    return opened.render(Image(pixels)).pixels


def test_tiles_with_the_statistics_of_the_whole_are_the_whole(monkeypatch, opened):
    pixels = waves(213, 302)
    whole = opened.render(Image(pixels)).pixels
    monkeypatch.setattr(renderer, "_sample", lambda pixels: renderer._pad(pixels)[None])
    tiles = in_tiles(monkeypatch, opened, pixels)
    assert np.abs(tiles.astype(int) - whole).max() <= 1


def test_where_tiles_end_is_not_to_be_seen(monkeypatch, opened):
    """With statistics of a few parts, too: other tiles give the same picture."""
    monkeypatch.setattr(renderer, "PARTS", 2)
    pixels = waves(190, 260)
    small, large = (in_tiles(monkeypatch, opened, pixels, tile) for tile in (96, 140))
    assert np.abs(small.astype(int) - large).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (9, 5), (33, 18)])
def test_every_size_stays(size):
    pixels = waves(*size)
    named = open_renderer([("painted-3", 1.0)])
    assert named.render(Image(pixels)).pixels.shape == pixels.shape


def test_a_thin_picture_is_painted_in_tiles(monkeypatch):
    pixels = waves(3, 300)
    assert in_tiles(monkeypatch, open_renderer([(STYLE, 1.0)]), pixels).shape == pixels.shape


def test_less_strength_is_nearer_to_the_picture(opened):
    pixels = waves(96, 96)
    off = [
        np.abs(opened.render(Image(pixels), strength).pixels.astype(int) - pixels).mean()
        for strength in (0.0, 0.5, 1.0)
    ]
    assert off[0] < off[1] < off[2]
    assert not opened.is_named or off[0] == 0


def test_shares_are_relative_and_blend():
    one = open_renderer([("painted-1", 2.0), ("painted-2", 6.0)])
    assert one.style[0, :2] == pytest.approx([0.25, 0.75])
    other = Image(waves(64, 64)[:, :, ::-1].copy())
    both = open_renderer([(STYLE, 1.0), (other, 1.0)]).style
    alone = [open_renderer([(like, 5.0)]).style for like in (STYLE, other)]
    assert both == pytest.approx((alone[0] + alone[1]) / 2, abs=1e-5)


def test_pictures_and_named_styles_are_different_networks():
    with pytest.raises(BadInput, match="two networks"):
        open_renderer([(STYLE, 1.0), ("painted-1", 1.0)])


def test_too_little_memory_is_a_memory_error(monkeypatch, opened):
    def fail(*_: object) -> None:
        raise RuntimeError("BFCArena: Failed to allocate memory for requested buffer of size 9")

    monkeypatch.setattr("siamkit.sdk.onnx.Session.run", fail)
    with pytest.raises(MemoryError):
        opened.render(Image(waves(20, 20)))


def test_26_styles_have_names():
    assert next(iter(NAMED_STYLES)) == "painted-1"
    assert len(NAMED_STYLES) == 26
