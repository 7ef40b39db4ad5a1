"""Metadata, other frames and what follows a picture change nothing of it, and cost little time."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from mediafiles import (
    COLOUR,
    GREY,
    NOISE,
    chunk,
    encoded,
    jpeg_with,
    png_of,
    png_with,
    segment,
    tiff,
)
from PIL import Image

from siamkit import UnreadableSample
from siamkit.sdk import exif, media
from siamkit.sdk.media import load_image

TEXT = b"a" * 3_000_000
LARGE = bytes(20_000_000)
TURNED = Image.Exif()
TURNED[0x0112] = 6
EXIF = TURNED.tobytes()  # with its mark
SHORT = [
    chunk(kind, b"") for kind in (b"tIME", b"pHYs", b"gAMA", b"cHRM", b"acTL", b"fcTL", b"sBIT")
]


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"tEXt", b"Comment\0" + LARGE)],
        [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(TEXT))],
        [chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(TEXT))],
        [chunk(b"iCCP", b"profile\0\0" + zlib.compress(TEXT))],
        [chunk(b"iCCP", b"profile\0\0not compressed")],
        [chunk(b"tEXt", b"key\0value") for _ in range(20_000)],
        [chunk(b"tEXt", b"key\0value")[:-4] + b"\0\0\0\0"],
        [chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")],
        [chunk(b"zTXt", b"Raw profile type exif\0\0no")],
        SHORT,
    ],
    ids=lambda chunks: chunks[0][4:8].decode(),
)
@pytest.mark.timeout(20)
def test_no_chunk_makes_a_png_unreadable(chunks):
    np.testing.assert_array_equal(load_image(png_with(*chunks)).pixels, NOISE)


@pytest.mark.parametrize(
    "segments",
    [
        [segment(0xE1, EXIF[:6] + b"a" * 65_000)] * 300,
        [segment(0xE1, b"Exif\0\0" * 10_900)] * 300,
        [segment(0xFE, b"a" * 65_000)] * 300,
        [segment(0xE2, b"ICC_PROFILE\0\0\0" + b"a" * 99), segment(0xE2, b"ICC_PROFILE\0")],
        [segment(0xE2, b"MPF\0broken")],
        [segment(0xE0, b"JFIF"), segment(0xEE, b"Adobe"), segment(0xED, b"Photoshop 3.0\0")],
        [segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")],
        [segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0six\0\0\0\0\0")],
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_no_segment_makes_a_jpeg_unreadable(segments):
    wanted = load_image(jpeg_with()).pixels
    np.testing.assert_array_equal(load_image(jpeg_with(*segments)).pixels, wanted)


@pytest.mark.timeout(20)
def test_comments_of_gif_and_ppm_take_no_time():
    gif = encoded(Image.fromarray(NOISE).quantize(), "GIF")
    start = 13 + 3 * (2 << (gif[10] & 7))
    comment = b"!\xfe" + (b"\xff" + b"a" * 255) * 80_000 + b"\0"
    wanted = load_image(gif).pixels
    np.testing.assert_array_equal(load_image(gif[:start] + comment + gif[start:]).pixels, wanted)
    ppm = b"P6 #" + b"c" * 20_000_000 + b"\n64 # wide\n64\n#\n255\n" + NOISE.tobytes()
    np.testing.assert_array_equal(load_image(ppm).pixels, NOISE)


@pytest.mark.timeout(20)
def test_tags_of_a_tiff_are_not_read():
    tags = [(30_000 + n, "B", 50_000, bytes(50_000), True) for n in range(200)]
    np.testing.assert_array_equal(load_image(tiff(NOISE, extratags=tags)).pixels, NOISE)
    for odd in [(274, "s", 0, "six", True), (274, "H", 1, 99, True), (34675, "B", 3, b"bad", True)]:
        np.testing.assert_array_equal(load_image(tiff(NOISE, extratags=[odd])).pixels, NOISE)


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {"lossless": True}), ("AVIF", {})])
def test_broken_metadata_of_newer_formats(kind, options):
    wanted = load_image(encoded(NOISE, kind, **options)).pixels
    for odd in ({"exif": b"II*\0\xff\xff\xff\xff"}, {"xmp": b"<x"}, {"icc_profile": b"bad"}):
        with warnings.catch_warnings(action="ignore"):  # of the encoder
            content = encoded(NOISE, kind, **options, **odd)
        np.testing.assert_array_equal(load_image(content).pixels, wanted)


UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {"quality": 95}), ("MPO", {"quality": 95}), ("TIFF", {}),
     ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True}), ("AVIF", {"quality": 95}),
     ("HEIF", {"quality": 95})],
)  # fmt: skip
def test_orientation_is_applied_once(kind, options, turn):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    halves = COLOUR[:, ::-1].copy()
    halves[:10, :10] = 20
    picture = Image.fromarray(halves)
    stored = picture.transpose(UNDO[turn]) if turn > 1 else picture
    block = Image.Exif()
    block[0x0112] = turn
    given = block.tobytes() if kind == "HEIF" else block
    pixels = load_image(encoded(stored, kind, exif=given, **options)).pixels.astype(int)
    assert pixels.shape == halves.shape
    assert np.abs(pixels - halves).mean() < 8
    if kind == "TIFF":
        values = np.asarray(stored) / np.float32(255)
        content = tiff(values, photometric="rgb", extratags=[(274, "H", 1, turn, True)])
        assert np.abs(load_image(content).pixels.astype(int) - halves).max() <= 1


def test_orientation_in_xmp_and_in_imagemagicks_chunk():
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    wanted = np.rot90(NOISE, -1)
    by_itxt = png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    np.testing.assert_array_equal(load_image(by_itxt).pixels, wanted)
    digits = f"\nexif\n{len(EXIF):8}\n{EXIF.hex()}\n".encode()
    for kind, text in ((b"tEXt", digits), (b"zTXt", b"\0" + zlib.compress(digits))):
        content = png_with(chunk(kind, b"Raw profile type exif\0" + text))
        np.testing.assert_array_equal(load_image(content).pixels, wanted)
    jpeg = jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    np.testing.assert_array_equal(
        load_image(jpeg).pixels, np.rot90(load_image(jpeg_with()).pixels, -1)
    )


def test_exif_is_read_in_both_orders_and_never_raises():
    for order, mark in (("<", b"II"), (">", b"MM")):
        for kind, code in ((1, "B"), (3, "H"), (4, "I")):
            value = struct.pack(order + code, 8).ljust(4, b"\0")
            entry = struct.pack(f"{order}HHI", 0x0112, kind, 1) + value
            head = mark + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", 1)
            assert exif.read_orientation(head + entry) == 8
            assert exif.read_orientation(b"Exif\0\0" * 2 + head + entry) == 8
            for end in range(len(head + entry) - 4):
                assert exif.read_orientation((head + entry)[:end]) == 1
    assert exif.read_orientation(bytes(range(256)) * 1000) == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "AVIF"])
def test_bytes_after_the_end_are_ignored(kind):
    content = encoded(NOISE, kind)
    np.testing.assert_array_equal(
        load_image(content + b"ZZ" * 5000).pixels, load_image(content).pixels
    )


FRAMES = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_gives_its_first_frame_and_a_note(kind):
    content = encoded(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:])
    image = load_image(content)
    assert image.notes == ("it has 3 frames: the first is used",)
    assert np.abs(image.pixels[4, 4].astype(int) - (255, 0, 0)).max() < 10
    assert load_image(encoded(FRAMES[0], kind)).notes == ()


def test_the_page_after_a_preview_is_the_picture():
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    preview = ImageFileDirectory_v2()
    preview[0x00FE] = 1
    small, page = Image.new("RGB", (3, 3), "blue"), Image.fromarray(NOISE)
    small.encoderinfo = {"tiffinfo": preview}
    first = encoded(small, "TIFF", save_all=True, append_images=[page], tiffinfo=preview)
    page.encoderinfo = {}
    pixels = load_image(first).pixels
    assert pixels.shape in {NOISE.shape, (3, 3, 3)}
    many = encoded(page, "TIFF", save_all=True, append_images=[page] * 30)
    with pytest.raises(UnreadableSample, match="31 pages"):
        load_image(many)


def test_pixels_that_the_header_promises_must_be_there():
    with pytest.raises(UnreadableSample, match="its data ends"):
        load_image(png_of(COLOUR, 8, 2, rows=20))
    black = png_of(np.zeros_like(COLOUR), 8, 2, rows=20)
    header = black[12:28] + b"\1"  # interlaced
    with pytest.raises(UnreadableSample, match="damaged"):
        load_image(black[:12] + header + struct.pack(">I", zlib.crc32(header)) + black[33:])
    dark = COLOUR.copy()
    dark[20:] = 0
    np.testing.assert_array_equal(load_image(png_of(dark, 8, 2)).pixels, dark)
    jpeg = encoded(NOISE, "JPEG")
    with pytest.raises(UnreadableSample, match="its data ends"):
        load_image(jpeg[: len(jpeg) // 2] + b"\xff\xd9")
    grey = np.full((64, 64, 3), 128, np.uint8)
    np.testing.assert_array_equal(load_image(encoded(grey, "JPEG")).pixels, grey)


def test_warnings_and_log_lines_of_pillow_stay_inside(capfd, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 200 are an error of its own
    odd = tiff(GREY[:10, :15], extratags=[(65_000, "I", 1, 7, True)])
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        load_image(odd)
        load_image(encoded(GREY[:10, :15], "PNG"))
    assert not heard
    assert not capfd.readouterr().err
    assert warnings.filters  # and the caller's own are back


def test_an_error_of_any_class_is_damage_and_names_itself(monkeypatch):
    from siamkit.sdk import pillow

    for error in (OSError("short"), SyntaxError("odd"), struct.error("few"), ValueError(),
                  zlib.error("bits"), OverflowError("large"), RecursionError("deep")):  # fmt: skip

        def fail(content, error=error):
            raise error

        monkeypatch.setattr(pillow, "open_picture", fail)
        with pytest.raises(UnreadableSample, match=str(error) or type(error).__name__):
            load_image(encoded(NOISE, "PNG"))

    def exhaust(content):
        raise MemoryError

    monkeypatch.setattr(pillow, "open_picture", exhaust)
    with pytest.raises(UnreadableSample, match="not enough memory"):
        load_image(encoded(NOISE, "PNG"))


def test_memory_is_measured_by_depth_and_channels(monkeypatch):
    monkeypatch.setattr(media, "MAX_MEMORY", 8 * 64 * 64)
    assert load_image(encoded(NOISE[..., 0], "PNG")).pixels.shape == NOISE.shape
    for content in (encoded(NOISE, "WEBP"), tiff(NOISE / 255.0, photometric="rgb")):
        with pytest.raises(UnreadableSample, match="MB of memory to decode"):
            load_image(content)


def heic(quality: int = 95) -> bytes:
    pytest.importorskip("pillow_heif").register_heif_opener()
    return encoded(COLOUR, "HEIF", quality=quality)


def test_heic_with_and_without_the_extra(monkeypatch):
    content = heic()
    assert np.abs(load_image(content).pixels.astype(int) - COLOUR).mean() < 5
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableSample, match="a HEIC picture") as caught:
        load_image(content)
    assert "siamkit[heic]" in caught.value.hint


def test_avif_without_its_decoder(monkeypatch):
    content = encoded(COLOUR, "AVIF")
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF")
    with pytest.raises(UnreadableSample, match="an AVIF picture") as caught:
        load_image(content)
    assert "pillow" in caught.value.hint


@pytest.mark.parametrize(
    ("head", "said", "hint"),
    [
        (b"8BPS\0\1", "a Photoshop document", "export"),
        (b"\xff\x0a\xfa", "a JPEG XL picture", "djxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", "djxl"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "an SVG drawing", "rsvg-convert"),
        (b"<!DOCTYPE html><html>", "a web page", "download"),
        (b"II*\0\x10\0\0\0CR\2\0", "a camera's raw file", "darktable-cli"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw file", "darktable-cli"),
        (b"\0\0\0\x18ftypcrx ", "a camera's raw file", "darktable-cli"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "a video", "ffmpeg"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video", "ffmpeg"),
        (b"\x1aE\xdf\xa3", "a Matroska or WebM file", "ffmpeg"),
        (b"RIFF\0\0\0\0AVI LIST", "a video", "ffmpeg"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a WAV sound", ""),
        (b"\0" * 128 + b"DICM", "a DICOM file", "dcm2img"),
        (b"PK\3\4", "an archive or an office document", "unpack"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
        (b"v/1\x01\2\0\0\0", "an OpenEXR picture", "export"),
    ],
)
def test_what_cannot_be_read_is_named_with_a_way_out(head, said, hint):
    with pytest.raises(UnreadableSample, match=said) as caught:
        load_image(head + bytes(200))
    assert hint in caught.value.hint


def test_a_raw_file_is_not_taken_for_its_preview():
    dng = tiff(NOISE, extratags=[(50706, "B", 4, b"\1\4\0\0", True)])
    with pytest.raises(UnreadableSample, match="a camera's raw file"):
        load_image(dng)
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "TIFF", tiffinfo={254: 1, 330: 8})
    with pytest.raises(UnreadableSample, match="a camera's raw file"):
        load_image(file.getvalue())
