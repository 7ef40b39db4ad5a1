"""Pictures of any range, depth and colour space look like the picture they were made from."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from mediafiles import COLOUR, GREY, chunk, encoded, png_of, tiff
from PIL import Image

from siamkit import UnreadableSample
from siamkit.sdk.media import load_image

DEEP = GREY.astype(np.uint16)
RGB16 = COLOUR.astype(np.uint16)
CLEAR = np.full_like(GREY, 255)


def same(content: bytes, wanted: np.ndarray, slack: int = 1) -> bool:
    pixels = load_image(content).pixels.astype(int)
    wanted = wanted[..., None].repeat(3, 2) if wanted.ndim == 2 else wanted
    return pixels.shape == wanted.shape and bool(np.abs(pixels - wanted).max() <= slack)


@pytest.mark.parametrize(
    "values",
    [GREY / np.float32(255), GREY / 255.0, GREY.astype(np.float32), DEEP, DEEP * 257, DEEP * 4,
     DEEP * 16, DEEP * 64, GREY.astype(np.int16), GREY.astype(np.int16) * 128,
     (GREY // 2).astype(np.int8), GREY.astype(np.uint32), DEEP.astype(np.uint32) * 257,
     GREY.astype(np.uint32) * 16_843_009, GREY.astype(np.int32) * 257, GREY.astype(np.uint64),
     GREY.astype(np.float32) * 257, GREY.astype(np.float32) * 4],
    ids=lambda values: f"{values.dtype}-{values.max():.9g}",
)  # fmt: skip
@pytest.mark.parametrize("order", "<>")
def test_grey_of_any_range(values, order):
    assert same(tiff(values, byteorder=order), GREY, slack=2)


@pytest.mark.parametrize(
    "values", [COLOUR / np.float32(255), COLOUR / 255.0, COLOUR.astype(np.float32), RGB16 * 257,
               RGB16 * 4, RGB16 * 16, RGB16],
    ids=lambda values: f"{values.dtype}-{values.max():.9g}",
)  # fmt: skip
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colours_of_any_range(values, compression):
    assert same(tiff(values, photometric="rgb", compression=compression), COLOUR, slack=2)


@pytest.mark.parametrize("factor", [1, 4, 16, 64, 257])
def test_png_of_16_bits(factor):
    assert same(png_of(DEEP * factor, 16, 0), GREY, slack=2)
    assert same(png_of(RGB16 * factor, 16, 2), COLOUR, slack=2)
    opaque = np.dstack([RGB16 * factor, np.full_like(DEEP, 65535)])
    assert same(png_of(opaque, 16, 6), COLOUR, slack=2)


@pytest.mark.parametrize("factor", [4, 257])
def test_other_formats_of_16_bits(factor):
    _, jpeg2000 = cv2.imencode(".jp2", RGB16[..., ::-1] * factor)
    _, ppm = cv2.imencode(".ppm", RGB16[..., ::-1] * factor)
    assert same(jpeg2000.tobytes(), COLOUR, slack=2)
    assert same(ppm.tobytes(), COLOUR, slack=2)
    ten = b"P5 60 40 1023\n" + (DEEP * 4).astype(">u2").tobytes()
    assert same(ten, GREY, slack=2)


def test_a_guess_is_noted_and_a_statement_counts():
    assert load_image(tiff(DEEP * 4)).notes == ("its values end at 1,020: read as 10-bit levels",)
    dark = DEEP * 2  # 12 bits, and half as light as they could be
    assert same(png_of(dark, 16, 0, chunk(b"sBIT", b"\x0c")), (dark // 16).astype(np.uint8))
    largest = tiff(DEEP * 8, extratags=[(281, "H", 1, 4095, True)])
    assert same(largest, GREY // 2)
    assert load_image(largest).notes == ()
    wrong = tiff(DEEP * 257, extratags=[(281, "H", 1, 7, True)])
    assert same(wrong, GREY)
    bounds = [(340, "f", 1, -5.0, True), (341, "f", 1, 5.0, True)]
    assert same(tiff(GREY / np.float32(25.5) - 5, extratags=bounds), GREY)


@pytest.mark.parametrize("values", [255 - GREY, 65535 - DEEP * 257, 1 - GREY / np.float32(255)])
def test_where_white_is_the_least_value(values):
    for order in "<>":
        assert same(tiff(values, photometric="miniswhite", byteorder=order), GREY)


@pytest.mark.parametrize(
    "values",
    [GREY / np.float32(20), GREY / 127.5 - 1, GREY.astype(np.int16) * 20 - 1024,
     GREY.astype(np.float32) * 1e6, GREY.astype(np.int32) * 1000, GREY.astype(np.uint32) * 70_000,
     np.where(np.arange(2400).reshape(40, 60) == 99, 900, GREY / np.float32(255))],
)  # fmt: skip
def test_a_range_that_cannot_be_guessed_is_refused_with_its_numbers(values):
    with pytest.raises(UnreadableSample, match=r"its values reach from .* to .*") as caught:
        load_image(tiff(values))
    assert "8 bits" in caught.value.hint


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_counted(odd):
    values = (GREY / 255).astype(np.float32)
    values[3, :5] = odd
    with pytest.raises(UnreadableSample, match="5 of its values are NaN or infinite"):
        load_image(tiff(values))


def test_kinds_of_tiff_that_nothing_reads_are_named():
    with pytest.raises(UnreadableSample, match="1 × 16 bits, floating-point"):
        load_image(tiff(GREY.astype(np.float16)))
    apart = tiff(np.moveaxis(RGB16 * 257, 2, 0), photometric="rgb", planarconfig="separate")
    with pytest.raises(UnreadableSample, match="3 × 16 bits, unsigned"):
        load_image(apart)


def test_overshoot_is_cut_off():
    assert same(tiff(GREY / 250), np.minimum(GREY * 1.02, 255).astype(np.uint8))


def test_masks_of_two_values():
    mask = (GREY > 100).astype(np.uint16)
    assert same(tiff(mask), mask * 255)


def test_a_palette_of_8_bits_where_16_are_asked_for():
    palette = np.tile(np.arange(256, dtype=np.uint16), (3, 1))
    for factor in (1, 257):
        assert same(tiff(GREY, photometric="palette", colormap=palette * factor), GREY)


def test_lab_becomes_the_colours_it_means():
    lab = Image.new("LAB", (8, 8), (136, 208, 195))  # L* 53, a* 80, b* 67: red
    pixels = load_image(encoded(lab, "TIFF")).pixels[4, 4].astype(int)
    assert np.abs(pixels - (255, 0, 0)).max() < 12


def test_cmyk_with_and_without_adobes_mark():
    for kind in ("JPEG", "TIFF"):
        assert same(encoded(Image.fromarray(COLOUR).convert("CMYK"), kind), COLOUR, slack=12)


def test_transparency_of_every_kind():
    ink = np.where(GREY > 127, 255, 0).astype(np.uint8)
    on_white = np.where(ink, 0, 255).astype(np.uint8)
    black = np.dstack([np.zeros_like(GREY)] * 3 + [ink])
    assert same(encoded(black, "PNG"), on_white)
    assert same(encoded(black, "WEBP", lossless=True), on_white)
    assert same(tiff(black, photometric="rgb", extrasamples=["assocalpha"]), on_white)
    assert same(tiff(black, photometric="rgb", extrasamples=["unassalpha"]), on_white)
    for kind in ("assocalpha", "unassalpha"):
        two = tiff(black[..., 2:], photometric="minisblack", extrasamples=[kind])
        assert same(two, on_white)
    assert same(png_of(black.astype(np.uint16) * 257, 16, 6), on_white)
    keyed = png_of(DEEP * 257, 16, 0, chunk(b"tRNS", struct.pack(">H", 0)))
    assert same(keyed, np.where(GREY == 0, 255, GREY))
    palette = Image.fromarray(np.where(ink, 0, 1).astype(np.uint8))
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert same(encoded(palette, "PNG", transparency=b"\xff\x00"), on_white)
    assert same(encoded(palette, "GIF", transparency=1), on_white)


def test_white_on_transparent_is_laid_on_black_and_nothing_at_all_is_opaque():
    ink = np.where(GREY > 127, 255, 0).astype(np.uint8)
    white = np.dstack([CLEAR] * 3 + [ink])
    assert same(encoded(white, "PNG"), ink)
    assert load_image(encoded(white, "PNG")).notes == ("it is white on transparent: laid on black",)
    unseen = np.dstack([COLOUR, np.zeros_like(GREY)])
    assert same(encoded(unseen, "PNG"), COLOUR)
    assert "opacity is ignored" in load_image(encoded(unseen, "PNG")).notes[0]
    page = np.dstack([CLEAR] * 4)
    assert load_image(encoded(page, "PNG")).notes == ()
