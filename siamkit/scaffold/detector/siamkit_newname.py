"""newname: find shapes in a picture, and cut out the one that is pointed at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.sdk.boxes import pixel_box
from siamkit.sdk.masks import of_picture
from siamkit.types import Image, Prompt, Region

CONTRAST = 60  # grey levels between a shape and the paper, which is the commonest level
MIN_SIDE, MAX_SIDE = 8, 1024  # px: smaller shapes are specks; larger pictures are scaled down


class NewNameDetector:
    name = "newname"
    kind = "image"
    labels = ("shape",)

    def __init__(self, min_score: float = 0.2) -> None:
        self.min_score = min_score

    def with_min_score(self, min_score: float) -> NewNameDetector:
        return NewNameDetector(min_score)

    def find(self, medium: Image) -> list[Region]:
        """Every shape with its mask, best first. The same picture must give the same regions."""
        height, width = medium.pixels.shape[:2]
        ink = find_ink(medium.pixels)
        count, shapes = cv2.connectedComponents(ink.astype(np.uint8))
        regions = []
        for number in range(1, count):
            mask = shapes == number
            rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
            score = float(mask.sum() / (rows * columns))  # how much of its box it fills
            if min(rows, columns) >= MIN_SIDE and score >= self.min_score:
                size, nearest = (width, height), cv2.INTER_NEAREST
                full = cv2.resize(mask.astype(np.uint8), size, interpolation=nearest)
                region = of_picture(full > 0, score, "shape")
                regions += [region] if region else []
        return sorted(regions, key=lambda region: -region.score)

    def find_prompted(self, medium: Image, prompt: Prompt) -> list[Region]:
        """The shapes at the points of a prompt, or in its box."""
        height, width = medium.pixels.shape[:2]
        box = pixel_box(prompt.box or (0, 0, width, height), width, height)
        points = [*prompt.points, *prompt.not_points]
        outside = any(not (0 <= x < width and 0 <= y < height) for x, y in points)
        if outside or box[0] >= box[2] or box[1] >= box[3]:
            raise BadInput(f"the prompt is outside the picture of {width} x {height} px")
        return [region for region in self.find(medium) if is_marked(region, prompt)]

    def examples(self) -> list[Image]:
        """Pictures to check it on: yours, or drawn."""
        return [drawing(number) for number in range(2)]


def find_ink(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The pixels that are not paper, of a picture scaled down to MAX_SIDE."""
    scale = min(1.0, MAX_SIDE / max(pixels.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(int)
    paper = np.bincount(grey.ravel()).argmax()
    return np.asarray(np.abs(grey - paper) > CONTRAST)


def is_marked(region: Region, prompt: Prompt) -> bool:
    """True if a region has all points on it, none of the others, and its centre in the box."""
    assert region.where is not None
    assert region.mask is not None
    left, top, right, bottom = (*region.where, 0, 0)[:4]
    on_it = {(int(x - left), int(y - top)) for x, y in prompt.points}
    elsewhere = {(int(x - left), int(y - top)) for x, y in prompt.not_points}
    rows, columns = np.nonzero(region.mask)
    pixels = set(zip(columns.tolist(), rows.tolist(), strict=True))
    x, y = (left + right) / 2, (top + bottom) / 2
    box = prompt.box or (x, y, x + 1, y + 1)
    inside = box[0] <= x < box[2] and box[1] <= y < box[3]
    return inside and on_it <= pixels and not elsewhere & pixels


def drawing(number: int) -> Image:
    """A drawn page with a disc and a rectangle."""
    pixels = np.full((120, 160, 3), 255, np.uint8)
    cv2.circle(pixels, (40 + 5 * number, 60), 25, (30, 60, 120), -1)
    cv2.rectangle(pixels, (90, 30), (140, 80 + 10 * number), (150, 40, 40), -1)
    return Image(pixels)
