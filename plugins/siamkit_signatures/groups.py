"""Groups of ink on a page that is not print, and how much each looks like a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit_signatures import page
from siamkit_signatures.shape import score, union

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit_signatures.page import Parts

PRINTED = 20  # letters in rows of print make a page; fewer may be a hand that writes evenly
BLOB = 4.0  # squares of its thickness that a solid piece covers at most; a stroke is longer
SMALLEST = 0.5  # text heights: smaller pieces are dots, which only belong to something
SEED = (1.6, 3.0)  # text heights: a piece as high, or as wide, is no letter of the print
WORD = (3.0, 1.3)  # text heights: nor is a group as wide and high
APART = (1.5, 0.25)  # text heights: pieces of a word are at most so far apart, x and y
WORDS_APART = 1.3  # of the lower word's height: words of one signature are at most so far apart
BESIDE = (0.4, 0.35)  # of that height: how much they overlap, and how high it is to the other
TALLEST = 6.0  # text heights: a word does not reach further because it is higher
NAME = 0.4  # of the largest piece's height: print as low, on a picture with little of it, is a name
ALONE_APART = (4.0, 1.2)  # heights of the larger pieces on a picture without print: as APART
ALONE_LARGE, ALONE_SHARE = 0.05, 0.2  # of the largest piece's ink; of all ink
ALONE_SCORE = 0.9  # there is nothing to judge by
THRESHOLD = 0.5

Found = tuple["NDArray[np.float64]", float]  # box (4,) and score


def signatures(parts: Parts) -> list[Found]:
    """(box, score) of each signature, best first. score is in [0, 1]."""
    height = page.text_height(parts)
    if not height:
        return []
    printed = page.print_rows(parts.boxes, height)
    if printed.sum() < PRINTED:
        found = _alone(_without_name(parts, printed))
    else:
        blob = parts.areas < BLOB * parts.thickness**2
        solid = (parts.thickness > page.SOLID * height) & blob
        rest, print_boxes = parts.only(~printed & ~solid), parts.boxes[printed]
        judged = [(one, score(one, print_boxes, height)) for one in _candidates(rest, height)]
        found = [(union(one.boxes), value) for one, value in judged if value >= THRESHOLD]
    return sorted(found, key=lambda one: -one[1])


def _without_name(parts: Parts, printed: NDArray[np.bool_]) -> Parts:
    """The pieces without rows of print that are much lower than the largest: a name under it."""
    heights = page.sizes(parts.boxes)[1]
    low = heights <= NAME * heights.max()
    if not (printed & low).any():
        return parts
    letters = parts.boxes[printed & low]
    left, top, right, bottom = union(letters)
    rim = page.sizes(letters)[1].max() / 2  # dots and commas belong to it
    x, y = (parts.boxes[:, :2] + parts.boxes[:, 2:]).T / 2
    inside = (left - rim <= x) & (x < right + rim) & (top - rim <= y) & (y < bottom + rim)
    return parts.only(~(low & inside))


def _alone(parts: Parts) -> list[Found]:
    """What there is on a picture without print: one signature, or some that lie far apart."""
    large = parts.areas >= ALONE_LARGE * parts.areas.max()
    unit = float(np.percentile(page.sizes(parts.boxes)[1][large], 75))
    groups = page.near(parts.boxes, ALONE_APART[0] * unit, ALONE_APART[1] * unit)
    ink = np.bincount(groups, weights=parts.areas)
    return [
        (union(parts.boxes[groups == group]), ALONE_SCORE)
        for group in np.flatnonzero(ink >= ALONE_SHARE * ink.sum())
    ]


def _candidates(rest: Parts, height: float) -> list[Parts]:
    """Groups of pieces that are no print and large enough to be a signature."""
    widths, heights = page.sizes(rest.boxes)
    rest = rest.only(np.maximum(widths, heights) >= SMALLEST * height)
    widths, heights = page.sizes(rest.boxes)
    seeds = (heights >= SEED[0] * height) | (widths >= SEED[1] * height)
    groups = page.near(rest.boxes, APART[0] * height, APART[1] * height)
    groups = _words_joined(rest.boxes, groups, height)
    found = []
    for group in np.unique(groups):
        members = groups == group
        left, top, right, bottom = union(rest.boxes[members])
        large = right - left >= WORD[0] * height and bottom - top >= WORD[1] * height
        if large or seeds[members].any():
            found.append(rest.only(members))
    return found


def _words_joined(
    boxes: NDArray[np.float64], groups: NDArray[np.int64], height: float
) -> NDArray[np.int64]:
    """(n,) group numbers, words that stand side by side being one group."""
    while len(groups):
        words = np.array([union(boxes[groups == group]) for group in range(groups.max() + 1)])
        heights = np.minimum(page.sizes(words)[1], TALLEST * height)
        low = np.minimum(heights[:, None], heights[None, :])
        high = np.maximum(heights[:, None], heights[None, :])
        gap_x, gap_y = page.gaps(words)
        beside = (gap_x <= WORDS_APART * low) & (-gap_y >= BESIDE[0] * low)
        one, other = np.nonzero(beside & (low > BESIDE[1] * high))
        joined = page.chained(one, other, len(words))
        if joined.max() == groups.max():
            break
        groups = joined[groups]
    return groups
