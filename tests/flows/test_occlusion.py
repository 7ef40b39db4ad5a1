"""A medium is taken apart, and what is left without a piece is what it was but for the piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.errors import BadInput
from siamkit.flows.occlusion import ACROSS, MOST_ALONG, SEGMENTS, WORDS, pieces
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
            pieces(text)
        return
    made = pieces(text)
    assert "".join(text[a:b] for a, b in made.places).split() == "".join(text.split()).split()
    assert all(text[a:b].strip() == text[a:b] != "" for a, b in made.places)
    count = len(made.places)
    assert made.without(only(count, *range(count))) == ""
    assert made.without(only(count)) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [("How do I (really) sign in?", ["How", "do", "I", "(really)", "sign", "in?"]),
     ("don't", ["don't"]), ("花呗abc，还", ["花", "呗", "abc，", "还"]), ("น้ำ", ["น้", "ำ"]),
     ("10년 연애", ["10년", "연애"])],
)  # fmt: skip
def test_what_a_word_is(text, words):
    assert [text[a:b] for a, b in pieces(text).places] == words


def test_a_word_is_left_out_with_its_blank():
    made = pieces("one  two three")
    assert made.without(only(3, 1)) == "one three"
    assert made.without(only(3, 0, 2)) == "two"


def test_a_long_text_has_no_more_pieces_than_are_good_for_it():
    made = pieces("word " * 10_000)
    assert len(made.places) <= WORDS
    assert made.places[-1][1] == 10_000 * 5 - 1


@pytest.mark.parametrize("size", [(60, 60), (61, 203), (3, 2), (1, 5000), (2000, 30)])
def test_cells_cover_a_picture_of_any_shape(size):
    made = pieces(noise(*size))
    covered = np.zeros(size, dtype=int)
    for left, top, right, bottom in made.places:
        covered[int(top) : int(bottom), int(left) : int(right)] += 1
    assert (covered <= 1).all()
    assert covered.mean() > 0.5
    assert len(made.places) <= 2 * ACROSS * MOST_ALONG
    assert made.windows.any(axis=0).all()
    assert made.windows.any(axis=1).all()


def test_only_what_is_hidden_of_a_picture_changes():
    image = noise(60, 90)
    made = pieces(image)
    left, top, right, bottom = map(int, made.places[7])
    changed = (made.without(only(len(made.places), 7)).pixels != image.pixels).any(axis=2)
    assert changed[top:bottom, left:right].mean() > 0.9
    changed[top:bottom, left:right] = False
    assert not changed.any()


def test_paper_is_no_piece_and_hidden_ink_becomes_paper():
    pixels = np.full((100, 200, 3), 255, dtype=np.uint8)
    pixels[40:43, 20:180] = 0
    made = pieces(Image(pixels))
    assert 0 < len(made.places) < 40
    count = len(made.places)
    assert (made.without(only(count, *range(count))).pixels == 255).all()


def test_segments_of_a_clip_stay_where_they_are():
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    made = pieces(Clip(samples, 8_000))
    assert made.places[0] == (0.0, 0.25)
    assert len(made.places) == 8
    left = made.without(only(8, 2))
    assert (len(left.samples), left.rate) == (16_000, 8_000)
    assert left.samples.dtype == np.float32
    assert np.abs(left.samples[4000:6000]).max() < 0.01
    np.testing.assert_array_equal(left.samples[6000:], samples[6000:])
    assert len(pieces(Clip(np.tile(samples, 30), 8_000)).places) == SEGMENTS
    assert len(pieces(Clip(samples[:800], 8_000)).places) == 1


@pytest.mark.parametrize(
    ("medium", "why"),
    [(Image(np.full((30, 30, 3), 7, dtype=np.uint8)), "all of one colour"),
     (Clip(np.zeros(9000, dtype=np.float32), 8000), "silent"), (" ", "empty"),
     (object(), "a object cannot be taken apart")],
)  # fmt: skip
def test_what_cannot_be_taken_apart(medium, why):
    with pytest.raises(BadInput, match=why):
        pieces(medium)


def test_a_piece_is_worth_the_mean_drop_of_its_windows():
    """Beside a loop over pieces and windows."""
    made = pieces(noise(40, 40))
    scores = np.random.default_rng(1).random(len(made.windows)).astype(np.float32)
    slow = [
        np.mean([0.9 - s for s, window in zip(scores, made.windows, strict=True) if window[at]])
        for at in range(len(made.places))
    ]
    np.testing.assert_allclose(made.contributions(0.9, scores), slow, atol=1e-6)
