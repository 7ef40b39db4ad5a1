"""Sharpen the mask of a large object: by saliency, and by GrabCut on its colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit.types import Box
from siamkit_segments import windows
from siamkit_segments.network import MARGIN, SoftMask
from siamkit_segments.u2net import SaliencyNetwork, resize

LARGE = 96.0  # px, root of a box's area: below it neither saliency nor GrabCut improves a mask
SIDE = 256  # px, of the square on which both work
AGREE = 0.75  # IoU of the two masks from which saliency counts: else it sees another thing
SURE = 0.9  # probability of pixels that GrabCut must keep; 1 - SURE of those it must not
ROUNDS = 2  # of GrabCut


def is_large(box: Box) -> bool:
    """True if refining pays."""
    return (box[2] - box[0]) * (box[3] - box[1]) >= LARGE**2


def refine(
    pixels: NDArray[np.uint8], soft: SoftMask, box: Box, saliency: SaliencyNetwork
) -> SoftMask:
    """Return a sharper map of the object in a box, over the part of its window in the picture."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = windows.clipped(windows.widened(box, MARGIN), width, height)
    window = (float(left), float(top), float(right), float(bottom))
    part = resize(pixels[top:bottom, left:right], SIDE)
    chances = soft.resampled(window, SIDE)
    salient = cv2.resize(saliency.run(pixels[top:bottom, left:right]), (SIDE, SIDE))
    if _iou(salient >= windows.LEVEL, chances >= windows.LEVEL) >= AGREE:
        chances = np.asarray((chances + salient) / 2, np.float32)
    chances *= _covered(box, window)
    mask = grab_cut(part, chances)
    return SoftMask(window, mask.astype(np.float32), soft.quality)


def grab_cut(pixels: NDArray[np.uint8], chances: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (h, w) the pixels that GrabCut (C. Rother et al. 2004) keeps, given probabilities.

    Where there is nothing to keep or to leave, its colours cannot be learnt: then those of LEVEL.
    """
    likely = chances >= windows.LEVEL
    marks = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[chances >= SURE] = cv2.GC_FGD
    marks[chances <= 1 - SURE] = cv2.GC_BGD
    if likely.all() or not likely.any():
        return likely
    models = np.zeros((1, 65)), np.zeros((1, 65))  # of 5 Gaussians each, as OpenCV lays them out
    cv2.setRNGSeed(0)  # the same picture gives the same mask
    try:
        cv2.grabCut(pixels, marks, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    except cv2.error:  # colours of one side that it cannot tell apart
        return likely
    return np.asarray((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD))


def _covered(box: Box, window: Box) -> NDArray[np.bool_]:
    """Return (SIDE, SIDE): the pixels of a window that a box touches."""
    inside = np.zeros((SIDE, SIDE), bool)
    scale_x, scale_y = SIDE / (window[2] - window[0]), SIDE / (window[3] - window[1])
    columns = slice(
        max(0, int((box[0] - window[0]) * scale_x)), int(np.ceil((box[2] - window[0]) * scale_x))
    )
    rows = slice(
        max(0, int((box[1] - window[1]) * scale_y)), int(np.ceil((box[3] - window[1]) * scale_y))
    )
    inside[rows, columns] = True
    return inside


def _iou(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    union = int((left | right).sum())
    return int((left & right).sum()) / union if union else 0.0
