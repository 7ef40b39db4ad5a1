"""Group the ink on a page that is not print, and score each group as a signature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit_signatures import page
from siamkit_signatures.page import Parts
from siamkit_signatures.shape import score, union

PRINTED = 20  # letters in rows of print make a page; fewer may be an even hand
FEW = 40  # pieces of ink: fewer are not a page, but may be a hand that writes letter by letter
BLOB = 4.0  # squares of its thickness that a solid piece covers at most; a stroke is longer
SMALLEST = 0.5  # text heights: smaller pieces are dots, and are left out
SEED = (1.6, 3.0)  # text heights: a piece at least as high, or as wide, is not a printed letter
WORD = (3.0, 1.3)  # text heights: nor is a group at least as wide and high
APART = (1.5, 0.25)  # text heights: largest gaps between pieces of a word, x and y
WORDS_APART = 1.3  # of the lower word's height: largest gap between words of one signature
BESIDE = (0.4, 0.35)  # least vertical overlap, of that height; its least share of the other height
TALLEST = 6.0  # text heights: taller words get no larger gaps
NAME = 0.4  # of the largest piece's height: lower print, if there is little print, is a name
ALONE_APART = (4.0, 1.2)  # as APART, without print: heights of the larger pieces
ALONE_LARGE, ALONE_SHARE = 0.05, 0.2  # of the largest piece's ink; of all ink
ALONE_SCORE = 0.9  # without print there is nothing to compare with
THRESHOLD = 0.6  # of the score: chosen on drawn pages, see tools/signature_shape.py

ScoredBox = tuple["NDArray[np.float64]", float]  # box (4,), and score in [0, 1]


def find_signatures(parts: Parts) -> list[ScoredBox]:
    """Return the box and the score in [0, 1] of each signature, best first."""
    height = page.text_height(parts)
    if not height:
        return []
    printed = page.is_print(parts.boxes, height)
    if printed.sum() < PRINTED or len(parts.boxes) <= FEW:
        signatures = _find_alone(_remove_name(parts, printed))
    else:
        blob = parts.areas < BLOB * parts.thickness**2
        solid = (parts.thickness > page.SOLID * height) & blob
        handwriting = parts.only(~printed & ~solid)
        scored = [
            (union(group.boxes), score(group, parts.boxes[printed], height))
            for group in _candidates(handwriting, height)
        ]
        signatures = [(box, value) for box, value in scored if value >= THRESHOLD]
    return sorted(signatures, key=lambda signature: -signature[1])


def _remove_name(parts: Parts, printed: NDArray[np.bool_]) -> Parts:
    """Remove rows of print that are much lower than the largest piece: a name under it."""
    heights = page.sizes(parts.boxes)[1]
    low = heights <= NAME * heights.max()
    if not (printed & low).any():
        return parts
    letters = parts.boxes[printed & low]
    left, top, right, bottom = union(letters)
    rim = page.sizes(letters)[1].max() / 2  # dots and commas belong to the print
    x, y = (parts.boxes[:, :2] + parts.boxes[:, 2:]).T / 2
    inside = (left - rim <= x) & (x < right + rim) & (top - rim <= y) & (y < bottom + rim)
    return parts.only(~(low & inside))


def _find_alone(parts: Parts) -> list[ScoredBox]:
    """Return the signatures of a picture without print: one, or several that lie far apart."""
    large = parts.areas >= ALONE_LARGE * parts.areas.max()
    unit = float(np.percentile(page.sizes(parts.boxes)[1][large], 75))
    groups = page.group_near(parts.boxes, ALONE_APART[0] * unit, ALONE_APART[1] * unit)
    ink = np.bincount(groups, weights=parts.areas)
    return [
        (union(parts.boxes[groups == group]), ALONE_SCORE)
        for group in np.flatnonzero(ink >= ALONE_SHARE * ink.sum())
    ]


def _candidates(parts: Parts, height: float) -> list[Parts]:
    """Return the groups of pieces that are large enough to be a signature."""
    widths, heights = page.sizes(parts.boxes)
    parts = parts.only(np.maximum(widths, heights) >= SMALLEST * height)
    widths, heights = page.sizes(parts.boxes)
    seeds = (heights >= SEED[0] * height) | (widths >= SEED[1] * height)
    groups = page.group_near(parts.boxes, APART[0] * height, APART[1] * height)
    groups = _join_words(parts.boxes, groups, height)
    candidates = []
    for group in np.unique(groups):
        members = groups == group
        left, top, right, bottom = union(parts.boxes[members])
        large = right - left >= WORD[0] * height and bottom - top >= WORD[1] * height
        if large or seeds[members].any():
            candidates.append(parts.only(members))
    return candidates


def _join_words(
    boxes: NDArray[np.float64], groups: NDArray[np.int64], height: float
) -> NDArray[np.int64]:
    """Return (n,) group numbers after joining words that stand side by side."""
    while len(groups):
        words = np.array([union(boxes[groups == group]) for group in range(groups.max() + 1)])
        heights = np.minimum(page.sizes(words)[1], TALLEST * height)
        low = np.minimum(heights[:, None], heights[None, :])
        high = np.maximum(heights[:, None], heights[None, :])
        gap_x, gap_y = page.gaps(words)
        neighbours = (gap_x <= WORDS_APART * low) & (-gap_y >= BESIDE[0] * low)
        left, right = np.nonzero(neighbours & (low > BESIDE[1] * high))
        joined = page.chain(left, right, len(words))
        if joined.max() == groups.max():
            break
        groups = joined[groups]
    return groups
