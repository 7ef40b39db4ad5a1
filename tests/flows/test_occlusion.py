"""A medium is split, and what is left without a piece is what it was but for the piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.errors import BadInput
from siamkit.flows.occlusion import ACROSS, MOST_ALONG, SEGMENTS, WORDS, split
from siamkit.types import Clip, Image

TEXT = st.text(st.sampled_from("ab é.?!()'\t\n我们。すอ้ใ😀\u0301"), max_size=80)


def noise(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return Image(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


def only(count, *at):
    hidden = np.zeros(count, dtype=bool)
    hidden[list(at)] = True
    return hidden


@given(TEXT)
def test_words_hold_every_letter_once_and_in_order(text):
    if not text.strip():
        with pytest.raises(BadInput, match="nothing in it to hide: it is empty"):
            split(text)
        return
    pieces = split(text)
    assert "".join(text[a:b] for a, b in pieces.places).split() == "".join(text.split()).split()
    assert all(text[a:b].strip() == text[a:b] != "" for a, b in pieces.places)
    count = len(pieces.places)
    assert pieces.hide(only(count, *range(count))) == ""
    assert pieces.hide(only(count)) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("How do I (really) sign in?", ["How", "do", "I", "(really)", "sign", "in?"]),
        ("don't", ["don't"]),
        ("花呗abc，还", ["花", "呗", "abc，", "还"]),
        ("น้ำ", ["น้", "ำ"]),
        ("10년 연애", ["10년", "연애"]),
    ],
)
def test_what_a_word_is(text, words):
    assert [text[a:b] for a, b in split(text).places] == words


def test_a_word_is_left_out_with_its_blank():
    pieces = split("one  two three")
    assert pieces.hide(only(3, 1)) == "one three"
    assert pieces.hide(only(3, 0, 2)) == "two"


def test_a_long_text_has_no_more_pieces_than_are_good_for_it():
    pieces = split("word " * 10_000)
    assert len(pieces.places) <= WORDS
    assert pieces.places[-1][1] == 10_000 * 5 - 1


@pytest.mark.parametrize("size", [(60, 60), (61, 203), (3, 2), (1, 5000), (2000, 30)])
def test_cells_cover_a_picture_of_any_shape(size):
    pieces = split(noise(*size))
    covered = np.zeros(size, dtype=int)
    for left, top, right, bottom in pieces.places:
        covered[int(top) : int(bottom), int(left) : int(right)] += 1
    assert (covered <= 1).all()
    assert covered.mean() > 0.5
    assert len(pieces.places) <= 2 * ACROSS * MOST_ALONG
    assert pieces.windows.any(axis=0).all()
    assert pieces.windows.any(axis=1).all()


def test_only_what_is_hidden_of_a_picture_changes():
    image = noise(60, 90)
    pieces = split(image)
    left, top, right, bottom = map(int, pieces.places[7])
    changed = (pieces.hide(only(len(pieces.places), 7)).pixels != image.pixels).any(axis=2)
    assert changed[top:bottom, left:right].mean() > 0.9
    changed[top:bottom, left:right] = False
    assert not changed.any()


def test_paper_is_no_piece_and_hidden_ink_becomes_paper():
    pixels = np.full((100, 200, 3), 255, dtype=np.uint8)
    pixels[40:43, 20:180] = 0
    pieces = split(Image(pixels))
    assert 0 < len(pieces.places) < 40
    count = len(pieces.places)
    assert (pieces.hide(only(count, *range(count))).pixels == 255).all()


def test_segments_of_a_clip_stay_where_they_are():
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    pieces = split(Clip(samples, 8_000))
    assert pieces.places[0] == (0.0, 0.25)
    assert len(pieces.places) == 8
    left = pieces.hide(only(8, 2))
    assert (len(left.samples), left.rate) == (16_000, 8_000)
    assert left.samples.dtype == np.float32
    assert np.abs(left.samples[4000:6000]).max() < 0.01
    np.testing.assert_array_equal(left.samples[6000:], samples[6000:])
    assert len(split(Clip(np.tile(samples, 30), 8_000)).places) == SEGMENTS
    assert len(split(Clip(samples[:800], 8_000)).places) == 1


@pytest.mark.parametrize(
    ("medium", "why"),
    [
        (Image(np.full((30, 30, 3), 7, dtype=np.uint8)), "a single colour"),
        (Clip(np.zeros(9000, dtype=np.float32), 8000), "silent"),
        (" ", "empty"),
        (object(), "a object cannot be split"),
    ],
)
def test_other_media_and_empty_ones_cannot_be_split(medium, why):
    with pytest.raises(BadInput, match=why):
        split(medium)


def test_a_piece_is_worth_the_mean_drop_of_its_windows():
    """Beside a loop over pieces and windows."""
    pieces = split(noise(40, 40))
    scores = np.random.default_rng(1).random(len(pieces.windows)).astype(np.float32)
    slow = [
        np.mean([0.9 - s for s, window in zip(scores, pieces.windows, strict=True) if window[at]])
        for at in range(len(pieces.places))
    ]
    np.testing.assert_allclose(pieces.contributions(0.9, scores), slow, atol=1e-6)
