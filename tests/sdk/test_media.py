"""Pictures of every mode come out as upright RGB, or are refused before they cost anything."""

from __future__ import annotations

import io
import sys
import time

import numpy as np
import pytest
from PIL import Image

from siamkit import UnreadableSample
from siamkit.sdk.media import load_image

HALVES = np.zeros((40, 60, 3), np.uint8)
HALVES[:, 30:] = (200, 100, 50)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def test_rgb_is_taken_as_it_is():
    np.testing.assert_array_equal(
        load_image(encoded(Image.fromarray(HALVES), "PNG")).pixels, HALVES
    )


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = Image.fromarray(HALVES)
    for step in undo.get(turn, []):
        stored = stored.transpose(step)
    np.testing.assert_array_equal(load_image(encoded(stored, "PNG", exif=exif)).pixels, HALVES)


def test_transparency_is_laid_over_white():
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 4, 8))
    pixels = load_image(encoded(picture, "PNG")).pixels
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert pixels[0, 7].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "I;16", "F", "I"])
def test_every_mode_becomes_rgb(mode):
    grey = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    if mode in ("I;16", "F", "I"):
        scale = 257 if mode != "F" else 1
        kind = {"I;16": np.uint16, "F": np.float32, "I": np.int32}[mode]
        picture = Image.fromarray((grey.astype(np.uint32) * scale).astype(kind))
    else:
        picture = Image.fromarray(grey).convert(mode)
    pixels = load_image(encoded(picture, "TIFF")).pixels
    assert (pixels.shape, pixels.dtype) == ((40, 60, 3), np.uint8)
    slack = 128 if mode == "1" else 3
    assert abs(int(pixels[20, 59].mean()) - 255) <= slack
    assert pixels[20, 0].mean() <= slack


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load_image(content).pixels[4, 4].tolist() == [255, 0, 0]


def test_a_document_of_several_pages_is_refused():
    pages = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue", "white")]
    content = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(UnreadableSample, match="3 pages"):
        load_image(content)
    assert load_image(encoded(pages[1], "TIFF", save_all=True)).pixels[4, 4].tolist() == [0, 0, 255]


def test_a_preview_beside_a_page_is_no_page():
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    preview = ImageFileDirectory_v2()
    preview[0x00FE] = 1
    small = Image.new("RGB", (3, 3), "blue")
    small.encoderinfo = {"tiffinfo": preview}
    picture = Image.new("RGB", (9, 9), "red")
    content = encoded(picture, "TIFF", save_all=True, append_images=[small])
    assert load_image(content).pixels[4, 4].tolist() == [255, 0, 0]


def test_a_pdf_without_its_reader_names_the_extra_and_the_command_to_convert_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(UnreadableSample, match="it is a PDF") as caught:
        load_image(b"%PDF-1.7 and so on")
    assert "siamkit[pdf]" in caught.value.hint
    assert "pdftoppm" in caught.value.hint


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.9])
def test_what_was_cut_off_is_refused(kind, part):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    with pytest.raises(UnreadableSample):
        load_image(content[: int(len(content) * part)])


def test_a_pixel_bomb_is_refused_before_it_is_decoded():
    content = encoded(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(content) < 500_000
    started = time.process_time()
    with pytest.raises(UnreadableSample, match="more than 107,000,000 pixels"):
        load_image(content)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff"]
)
def test_files_that_are_not_pictures_are_refused(content):
    with pytest.raises(UnreadableSample):
        load_image(content)
