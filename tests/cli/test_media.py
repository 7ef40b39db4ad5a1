"""Odd pictures on the command line: notes, hints, and batches that go on."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from mediafiles import COLOUR, GREY, encoded, tiff
from PIL import Image

from siamkit.embed import batches
from siamkit.sdk import pillow


@pytest.fixture
def folder(shell):
    rng = np.random.default_rng(0)
    for name in "abcdef":
        shades = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        (shell.folder / f"{name}.png").write_bytes(encoded(shades, "PNG"))
    return shell.folder


def test_what_was_left_out_is_said_once_with_the_name(shell, folder):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    (folder / "moving.gif").write_bytes(content)
    done = shell("enrol", "tiles", "moving.gif", "--as", "x")
    assert done.code == 0
    assert done.err.count("moving.gif: it has 3 frames: the first is used") == 1


def test_a_float_picture_equals_the_same_picture_of_8_bits(shell, folder):
    (folder / "8.tif").write_bytes(tiff(COLOUR, photometric="rgb"))
    (folder / "f.tif").write_bytes(tiff(COLOUR / np.float32(255), photometric="rgb"))
    (folder / "10.tif").write_bytes(tiff(GREY.astype(np.uint16) * 4))
    (folder / "g.tif").write_bytes(tiff(GREY))
    for left, right in (("8.tif", "f.tif"), ("10.tif", "g.tif")):
        done = shell("verify", "-m", "tiles", left, right)
        assert done.code == 0, (done.out, done.err)
        assert done.out.startswith("same picture\nscore 1.000, same from")


def test_heic_without_the_extra_names_it(shell, folder, monkeypatch):
    pytest.importorskip("pillow_heif").register_heif_opener()
    (folder / "photo.heic").write_bytes(encoded(COLOUR, "HEIF"))
    assert shell("enrol", "tiles", "photo.heic", "--as", "x").code == 0
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    done = shell("enrol", "tiles", "photo.heic", "--as", "y")
    assert done.code == 2
    assert "photo.heic: it is a HEIC picture" in done.err
    assert 'pip install "siamkit[heic]"' in done.err


@pytest.mark.parametrize("error", [MemoryError(), OSError("disk"), OverflowError("large")])
def test_a_batch_goes_on_after_an_error_of_any_class(shell, folder, monkeypatch, error):
    whole, broken = pillow.open_picture, (folder / "c.png").read_bytes()

    def open_picture(content):
        if content == broken:
            raise error
        return whole(content)

    monkeypatch.setattr(pillow, "open_picture", open_picture)
    done = shell("enrol", "tiles", *sorted(path.name for path in folder.glob("*.png")), "--as", "x")
    assert done.code == 1
    assert done.err.startswith("Error: c.png: ")
    assert "5 enrolled, 1 failed" in done.out


def test_large_sources_are_taken_one_by_one(shell, folder, monkeypatch):
    monkeypatch.setattr(batches, "HELD_BYTES", 1)
    embed, sizes = batches._embed, []

    def counted(pipeline, batch):
        sizes.append(len(batch))
        embed(pipeline, batch)

    monkeypatch.setattr(batches, "_embed", counted)
    done = shell("enrol", "tiles", *(f"{name}.png" for name in "abcdef"), "--as", "x")
    assert done.code == 0
    assert sizes == [1] * 6


def test_no_warning_of_pillow_reaches_the_user(cold_shell):
    palette = Image.fromarray(GREY).convert("P")
    odd = encoded(palette, "PNG", transparency=bytes(range(256)))
    (cold_shell.folder / "odd.png").write_bytes(odd)
    with warnings.catch_warnings(action="ignore"):
        odd = tiff(COLOUR, extratags=[(34675, "B", 3, b"bad", True)])
    (cold_shell.folder / "odd.tif").write_bytes(odd)
    done = cold_shell("enrol", "tiles", "odd.png", "odd.tif", "--as", "x")
    assert done.code == 0
    assert "Warning" not in done.err
