"""Extract the ink of a picture, without paper, shadow, colour, ruling and specks.

The usual recipe is that of L. G. Hafemann, R. Sabourin, L. S. Oliveira, "Learning features for
offline handwritten signature verification using deep convolutional neural networks", Pattern
Recognition 70 (2017), section 4: grey, Otsu's threshold, inversion, a common size. It assumes clean
scans; here the paper's brightness is divided out first, so that photographs work too.

A mask here is (height, width) uint8, 255 where there is ink and 0 where there is none.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit.errors import NothingFound
from siamkit_signatures.rules import remove_rules

MAX_SIDE = 1280  # px: larger pictures are reduced to it; strokes of any pen survive that
COARSE = 320  # px: the long side at which the paper is estimated
PAPER = 0.1  # of the long side: dark parts narrower than this are not paper
DARKEST = 32  # darkest paper: without a limit, noise in deep shadow would become ink
LEAST_CONTRAST = 26  # of 255: ink is at least a tenth darker than the paper around it
NOISE = 4.0  # standard deviations of the paper by which ink must stand out
RULES = (0.55, 0.9)  # of the width and of the height: straight lines at least as long are rules
SPECK = 3.0  # stroke widths squared: smaller components may be specks
SPECK_SHARE = 0.005  # of the largest component's ink: likewise
LESS = 0.5  # stroke widths squared: smaller than a dot of the pen, so dust outside the writing
FAR = 0.25  # of the writing's height: specks at a larger distance are dust
LEAST_SIDE = 6  # px: ink that is smaller in both directions is not writing


def extract_ink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the ink mask of a (height, width, 3) RGB picture, at most MAX_SIDE px long.

    Of a picture of two tones only rules and specks are removed. Raises NothingFound if there is no
    ink.
    """
    mask = remove_specks(remove_rules(binarise(reduce(pixels, MAX_SIDE)), *RULES))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows) or max(rows[-1] - rows[0], columns[-1] - columns[0]) < LEAST_SIDE - 1:
        raise NothingFound(
            "no ink is visible there: it is blank, or has a single colour",
            hint="give a picture of the signature on paper that contrasts with it",
        )
    return mask


def reduce(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Scale a picture down so that its long side is at most `longest` px.

    Two tones stay two: thin strokes would otherwise get lost with the grey of their rims.
    """
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if is_bilevel(pixels):
        mask = cv2.resize(binarise(pixels), size, interpolation=cv2.INTER_AREA)
        return np.repeat(np.where(mask > 85, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    return _uint8(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def binarise(pixels: NDArray[np.uint8], *, faint: bool = False) -> NDArray[np.uint8]:
    """Return the mask of all that is darker than the paper, or lighter if the paper is dark.

    faint: also of what is much lighter than the ink, such as the lines of writing paper.
    """
    if is_bilevel(pixels):
        mask = np.zeros(pixels.shape[:2], dtype=np.uint8)
        for plane in cv2.split(pixels):  # a red pen on white shows in green and blue alone
            low, high, _, _ = cv2.minMaxLoc(plane)
            if low < high:
                _, dark = cv2.threshold(plane, (low + high) / 2, 255, cv2.THRESH_BINARY_INV)
                rarer = dark if 2 * cv2.countNonZero(dark) <= dark.size else 255 - dark
                np.maximum(mask, rarer, out=mask)
        return mask
    dark = darkness(pixels)
    level, _ = cv2.threshold(dark, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    counts = np.bincount(dark.ravel(), minlength=256)
    paper = _median(counts)
    deviations = np.abs(np.arange(256) - paper)
    noise = 1.4826 * _median(np.bincount(deviations, weights=counts, minlength=256))
    level = max(0 if faint else level, paper + NOISE * noise, LEAST_CONTRAST)
    return _uint8(cv2.threshold(dark, level, 255, cv2.THRESH_BINARY)[1])


def is_bilevel(pixels: NDArray[np.uint8]) -> bool:
    """True if each plane has one or two tones: then there is nothing to separate."""
    coarse = pixels[:: max(1, len(pixels) // 8)]  # a few rows show the tones of a photograph
    return all(
        np.count_nonzero(cv2.calcHist([part], [plane], None, [256], [0, 256])) <= 2
        for part in (np.ascontiguousarray(coarse), pixels)
        for plane in range(3)
    )


def darkness(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (height, width): darkness relative to the paper around, 0 (equal) to 255 (black).

    Each colour is divided by the paper's, and the one in which a pixel is darkest counts: a blue
    pen is darkest in red, a red pen in blue.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, COARSE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = _uint8(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    if int(np.ptp(small, axis=2).max()) <= 2:  # grey: the planes are equal
        pixels, small = pixels[:, :, :1], small[:, :, :1]
    if is_inverted(small):
        pixels, small = 255 - pixels, 255 - small
    dark = np.zeros((height, width), dtype=np.uint8)
    for plane in range(pixels.shape[2]):
        paper = cv2.resize(_estimate_paper(small[:, :, plane]), (width, height))
        light = cv2.divide(np.ascontiguousarray(pixels[:, :, plane]), paper, scale=255)
        np.maximum(dark, 255 - light, out=dark)
    return dark


def paper_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (height, width, 3): the paper of a light sheet, as if nothing were on it."""
    height, width = pixels.shape[:2]
    small = reduce(pixels, COARSE)
    planes = [_estimate_paper(np.ascontiguousarray(small[:, :, plane])) for plane in range(3)]
    return _uint8(cv2.resize(np.stack(planes, axis=2), (width, height)))


def _estimate_paper(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Estimate the paper's brightness behind the ink by closing what is dark and narrow."""
    side = _odd(PAPER * max(plane.shape))
    kernel = np.ones((side, side), np.uint8)  # closing with a square takes two quick passes
    closed = cv2.morphologyEx(np.ascontiguousarray(plane), cv2.MORPH_CLOSE, kernel)
    return np.maximum(cv2.medianBlur(closed, side), DARKEST).astype(np.uint8)


def is_inverted(small: NDArray[np.uint8]) -> bool:
    """True if the paper is darker than the ink.

    Paper is broad: of the light and the dark half of the tones, it is the one that holds a square
    wider than any ink. Light paper on a dark desk, or with a scanner's black rim, has both, and
    counts as light. If neither is broad, the skew of the differences to the surroundings decides.
    """
    grey = small.mean(axis=2).astype(np.uint8)
    _, light = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    square = np.ones((_odd(PAPER * max(grey.shape)),) * 2, np.uint8)
    if cv2.erode(light, square, borderType=cv2.BORDER_CONSTANT, borderValue=0).any():
        return False
    if cv2.erode(255 - light, square, borderType=cv2.BORDER_CONSTANT, borderValue=0).any():
        return True
    around = cv2.medianBlur(grey, _odd(max(grey.shape) / 4)).astype(np.float64)
    return float(((grey - around) ** 3).sum()) > 0


def remove_specks(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove tiny components that lie far from the writing."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    boxes = np.column_stack([stats[1:, :2], stats[1:, :2] + stats[1:, 2:4]])  # half open
    dot = stroke_width(mask) ** 2
    tiny = areas < max(SPECK * dot, SPECK_SHARE * areas.max())
    if tiny.all() or not tiny.any():
        return mask
    left, top = boxes[~tiny, :2].min(axis=0)
    right, bottom = boxes[~tiny, 2:].max(axis=0)
    across = np.maximum(left - boxes[:, 2], boxes[:, 0] - right)
    down = np.maximum(top - boxes[:, 3], boxes[:, 1] - bottom)
    gap = np.maximum(across, down)
    dust = (tiny & (gap > FAR * (bottom - top))) | ((areas < LESS * dot) & (gap > 0))
    return np.where(np.append(True, dust)[labels], 0, 255).astype(np.uint8)


def stroke_width(mask: NDArray[np.uint8]) -> float:
    """Return the usual width of a stroke in px: twice the area over the outline's length."""
    area = cv2.countNonZero(mask)
    inner = cv2.countNonZero(cv2.erode(mask, np.ones((3, 3), np.uint8)))
    return 2.0 * area / max(area - inner, 1)


def _median(counts: NDArray[np.float64] | NDArray[np.int64]) -> int:
    """Return the median of whole numbers from 0, given their counts: no pixels are sorted."""
    cumulative = np.cumsum(counts)
    return int(np.searchsorted(cumulative, cumulative[-1] / 2))


def _odd(side: float) -> int:
    return max(3, round(side) | 1)


def _uint8(array: object) -> NDArray[np.uint8]:
    return np.asarray(array, dtype=np.uint8)
