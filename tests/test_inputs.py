"""Samples in memory: arrays, PIL images and sounds, in every method of a workspace."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from inks import ink, png
from PIL import Image as pil

import siamkit as sk
from siamkit.errors import BadInput
from siamkit.sdk.inputs import take_each, take_source
from siamkit.sdk.media import load_image
from siamkit.sdk.sound import load_clip

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 40, 3), np.uint8)
SAMPLES = np.sin(np.arange(16_000, dtype=np.float32) / 9)


@pytest.mark.parametrize(
    "value",
    [
        PIXELS,
        np.asfortranarray(PIXELS),
        PIXELS[::-1][::-1],
        pil.fromarray(PIXELS),
        png(PIXELS),
        bytearray(png(PIXELS)),
        memoryview(png(PIXELS)),
        np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
        sk.Image(PIXELS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_picture_in_memory_is_decoded_to_the_same_pixels(value):
    assert (load_image(take_source(value, "probe", "image")).pixels == PIXELS).all()


@pytest.mark.parametrize("grey", [PIXELS[..., 0], PIXELS[..., :1], pil.fromarray(PIXELS[..., 0])])
def test_a_grey_picture_gets_three_equal_channels(grey):
    pixels = load_image(take_source(grey, "probe", "image")).pixels
    assert (pixels == PIXELS[..., :1]).all()


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "RGBA", "LA", "YCbCr", "I;16"])
def test_pictures_of_pillow_in_all_modes_of_8_and_16_bits_are_read(mode):
    source = pil.fromarray(PIXELS[..., 0] if mode == "I;16" else PIXELS)
    assert load_image(take_source(source.convert(mode), "a", "image")).pixels.shape == (24, 40, 3)


def test_a_pil_image_is_turned_upright_as_its_file_is():
    content = io.BytesIO()
    exif = pil.Exif()
    exif[0x0112] = 6
    pil.fromarray(PIXELS).save(content, "PNG", exif=exif)
    turned = load_image(content.getvalue()).pixels
    opened = pil.open(io.BytesIO(content.getvalue()))
    assert (load_image(take_source(opened, "probe", "image")).pixels == turned).all()
    assert turned.shape == (40, 24, 3)


@pytest.mark.parametrize(
    "value",
    [
        (SAMPLES, 16_000),
        (SAMPLES.astype(np.float64), np.int64(16_000)),
        (16_000, SAMPLES),
        (np.stack([SAMPLES, SAMPLES]), 16_000),
        (np.stack([SAMPLES, SAMPLES], axis=1), 16_000),
        ((SAMPLES * 32767).astype(np.int16), 16_000),
        ((SAMPLES * (2**31 - 129)).astype(np.int32), 16_000),
        sk.Clip(SAMPLES, 16_000),
    ],
)
def test_a_sound_in_memory_is_decoded_to_the_same_samples(value):
    clip = load_clip(take_source(value, "probe", "audio"), 16_000)
    assert np.abs(clip.samples - SAMPLES).max() < 1e-4


def test_a_sound_is_resampled():
    clip = load_clip(take_source((SAMPLES, 8_000), "probe", "audio"), 16_000)
    assert len(clip.samples) == 2 * len(SAMPLES)


@pytest.mark.parametrize(
    ("value", "kind", "message", "hint"),
    [
        ({}, "image", "probe: expected a path, bytes, PIL image or array; got a dict", ""),
        (None, "image", "probe: expected a path, bytes, PIL image or array; got None", ""),
        (3, "text", "probe: expected a text, bytes or path; got an int", ""),
        ([1], "audio", "probe: expected a path, bytes or (samples, rate); got a list", "list"),
        (PIXELS / 255, "image", "must be uint8 from 0 to 255, not float64", "* 255"),
        (PIXELS * 1.0, "image", "must be uint8 from 0 to 255, not float64", "clip(0, 255)"),
        (PIXELS > 9, "image", "must be uint8 from 0 to 255, not bool", "* 255"),
        (PIXELS.astype(np.uint16), "image", "not uint16", "/ 257"),
        (
            pil.fromarray(np.float32(PIXELS[..., 0] / 255)),
            "image",
            "not of mode F",
            "(array * 255)",
        ),
        (pil.fromarray(PIXELS[..., 0] * np.int32(257)), "image", "not of mode I", "(array / 257)"),
        (PIXELS.transpose(2, 0, 1), "image", "(3, 24, 40) is not a picture", "transpose(1, 2, 0)"),
        (PIXELS[None], "image", "is several pictures", "list(array)"),
        (PIXELS[:0], "image", "has no pixels", ""),
        (PIXELS[0, 0], "image", "(3,) is not a picture", ""),
        (SAMPLES, "image", "(16000,) is not a picture", ""),
        (SAMPLES, "audio", "probe: a sound needs its rate", "(samples, rate)"),
        ((SAMPLES.astype(np.uint8), 8_000), "audio", "float in [-1, 1] or int16, not uint8", ""),
        ((SAMPLES, 0), "audio", "a rate of 0 Hz", ""),
        ((SAMPLES[:0], 8_000), "audio", "samples of shape (0,) are not a sound", ""),
        (PIXELS, "text", "probe: expected a text, bytes or path; got an array of uint8", ""),
    ],
)
def test_what_is_no_sample_is_refused_by_the_name_of_its_argument(value, kind, message, hint):
    with pytest.raises(BadInput) as raised:
        take_source(value, "probe", kind)
    assert str(raised.value).startswith("probe: ")
    assert message in str(raised.value)
    assert hint in raised.value.hint


def test_every_method_takes_arrays_and_writes_no_file(workspace, tmp_path):
    red, blue = ink((250, 0, 0)), ink((0, 0, 250))
    result = workspace.enrol("tiles", "red", red)
    assert (result.status, result.source) == ("enrolled", "picture of 80 x 60 px")
    assert workspace.enrol("tiles", "red", pil.fromarray(red)).status == "already"
    workspace.enrol("tiles", "blue", pil.fromarray(blue))
    (answer,) = workspace.query("tiles", red)
    assert (answer.identity, answer.source) == ("red", "picture of 80 x 60 px")
    (classified,) = workspace.classify("tiles", blue)
    assert classified.identity == "blue"
    assert workspace.verify("tiles", red, pil.fromarray(red))
    assert not workspace.verify("tiles", red, png(blue))
    assert workspace.verify_identity("tiles", "red", memoryview(png(red)))
    assert workspace.find("tiles", red).identities == ("red",)
    detected = workspace.detect_many([red, blue], detector="squares")
    assert [len(each.regions) for each in detected] == [1, 1]
    assert workspace.detect(red, detector="squares").width == 80
    deduped = workspace.dedupe([red, png(red), blue], modality="tiles")
    assert [member.item.shown for member in deduped.members] == ["picture of 80 x 60 px", "bytes"]
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


def test_a_picture_in_many_pairs_is_taken_once_and_only_when_due(workspace, monkeypatch):
    taken = []

    def take(value, argument, kind):
        taken.append(argument)
        return take_source(value, argument, kind)

    monkeypatch.setattr("siamkit.workspace.comparisons.take_or_refuse", take)
    red = ink((250, 0, 0))
    others = [ink((0, 0, blue)) for blue in range(100, 200)]
    outcomes = workspace.verify_many("tiles", [(red, other) for other in [red, *others]])
    assert taken == []
    assert next(outcomes).verification
    assert len(taken) < len(others)
    assert not any(outcome.verification for outcome in outcomes)
    assert len(taken) == len(set(taken)) == 1 + len(others)


def test_errors_name_the_argument(workspace):
    workspace.enrol("tiles", "red", ink((250, 0, 0)))
    with pytest.raises(BadInput, match=r"^probe: expected a path, bytes, PIL image or array; got "):
        workspace.query("tiles", {})
    with pytest.raises(BadInput, match=r"^b: pixels must be uint8"):
        workspace.verify("tiles", PIXELS, PIXELS / 255)
    with pytest.raises(BadInput, match=r"^source: an array of shape"):
        workspace.enrol("tiles", "red", PIXELS[0, 0])
    outcomes = workspace.verify_many("tiles", [(PIXELS, None), (None, PIXELS)])
    for outcome, argument in zip(outcomes, ("pairs[0][1]", "pairs[1][0]"), strict=True):
        assert str(outcome.error).startswith(argument)


def test_a_bad_item_of_a_batch_is_named_and_the_others_are_used(workspace):
    items = [("red", ink((250, 0, 0))), ("red", {}), ("blue", ink((0, 0, 250)))]
    results = list(workspace.enrol_many("tiles", items))
    assert [result.status for result in results] == ["enrolled", "failed", "enrolled"]
    assert str(results[1].error).startswith("items[1]: expected a path")
    pictures = list(workspace.find_many("tiles", [items[0][1], None, items[2][1]]))
    assert [picture.identities for picture in pictures] == [("red",), (), ("blue",)]
    assert str(pictures[1].error).startswith("sources[1]: expected a path")


@pytest.mark.parametrize("one", ["/photos/a.jpg", b"content", Path("a.jpg")])
def test_a_single_sample_is_not_taken_apart(one):
    assert list(take_each(one, "sources", "image")) == [one]
    assert list(take_each([one, one], "sources", "image")) == [one, one]
