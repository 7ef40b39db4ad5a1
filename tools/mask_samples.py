"""Windows of COCO pictures with the mask that a box or a point marks, to train on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from siamkit.sdk.media import load_image
from siamkit.types import Box
from siamkit_segments import windows
from siamkit_segments.network import CELLS, DOT, MARGIN, SIDE

SMALLEST = 12  # pixels of a mask: smaller ones are left out
BOX_SHIFT = 0.02  # of the sides of a box: standard deviation of its edges
MARGINS = (0.6, 1.4)  # of MARGIN: the window of a box
SIDES = (0.8, 5.0)  # of the longer side of an object: the window of a point
LEAST_SIDE = 24.0  # px, of the window of a point


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """An object of a picture."""

    pixels: NDArray[np.uint8]  # (height, width, 3) RGB of the picture
    mask: NDArray[np.bool_]  # (height, width)
    box: Box
    picture: int  # number of the picture


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A window, its prompt, and the share of each cell that the object covers."""

    window: NDArray[np.float32]  # (3, SIDE, SIDE) RGB, 0-255
    prompt: NDArray[np.float32]  # (2, CELLS, CELLS): in the box, the spot at the point
    target: NDArray[np.float32]  # (CELLS, CELLS) in [0, 1]
    area: float  # of the object, also outside of the window; cells
    has_box: bool


def read_things(data: Path) -> Iterator[Thing]:
    """Yield the objects with masks, without crowds, of DATA/coco."""
    listed = json.loads((data / "coco" / "instances.json").read_text(encoding="utf-8"))
    pictures = {entry["id"]: entry for entry in listed["images"] if entry["has_masks"]}
    numbers = {key: number for number, key in enumerate(sorted(pictures))}
    pixels: dict[int, NDArray[np.uint8]] = {}
    for entry in listed["annotations"]:
        key = entry["image_id"]
        if key not in pictures or entry["iscrowd"] or not entry["segmentation"]:
            continue
        if key not in pixels:
            pixels[key] = load_image(data / "coco" / "images" / pictures[key]["file_name"]).pixels
        height, width = pixels[key].shape[:2]
        left, top, across, down = entry["bbox"]
        mask = _decode(entry["segmentation"], height, width)
        if mask.sum() >= SMALLEST:
            yield Thing(pixels[key], mask, (left, top, left + across, top + down), numbers[key])


def _decode(segmentation: object, height: int, width: int) -> NDArray[np.bool_]:
    """Return COCO's polygons or run-length code as a mask."""
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str):
        return coco.decode(segmentation).astype(bool)
    code = coco.frPyObjects(segmentation, height, width)
    return coco.decode(coco.merge(code) if isinstance(code, list) else code).astype(bool)


def innermost(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return x, y of the centre of the pixel that is furthest from a mask's border."""
    depths = _depths(mask)
    row, column = np.unravel_index(int(depths.argmax()), depths.shape)
    return float(column) + 0.5, float(row) + 0.5


def _depths(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]


def draw_sample(thing: Thing, boxes: float, rng: np.random.Generator) -> Sample:
    """Return a random window of an object. boxes: the share of windows that have a box."""
    has_box = bool(rng.random() < boxes)
    window, prompt = _box_window(thing, rng) if has_box else _point_window(thing, rng)
    pixels = windows.cut(thing.pixels, window, SIDE).astype(np.float32)
    if rng.random() < 0.8:
        contrast, light = rng.uniform(0.7, 1.3), rng.uniform(-25, 25) + rng.uniform(-12, 12, 3)
        pixels = np.clip((pixels - 127) * contrast + 127 + light, 0, 255)
    shown = np.repeat((thing.mask * np.uint8(255))[:, :, None], 3, axis=2)
    seen = windows.cut(shown, window, 2 * CELLS, (0, 0, 0))[:, :, 0].astype(np.float32) / 255
    target = cv2.resize(seen, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    area = (window[2] - window[0]) * (window[3] - window[1]) / CELLS**2
    planes = pixels.transpose(2, 0, 1).astype(np.float32)
    if rng.random() < 0.5:
        planes, prompt, target = planes[:, :, ::-1], prompt[:, :, ::-1], target[:, ::-1]
    return Sample(
        *(np.ascontiguousarray(part, np.float32) for part in (planes, prompt, target)),
        area=float(thing.mask.sum()) / area,
        has_box=has_box,
    )


def _box_window(thing: Thing, rng: np.random.Generator) -> tuple[Box, NDArray[np.float32]]:
    """Return the window of a box that is not quite the object's, and its prompt."""
    left, top, right, bottom = thing.box
    sides = np.array([right - left, bottom - top] * 2)
    box = np.array(thing.box) + rng.normal(0, BOX_SHIFT, 4) * sides
    margin = MARGIN * rng.uniform(*MARGINS)
    window = windows.widened(tuple(box), margin)
    low = margin / (1 + 2 * margin)
    covered = np.diff(np.clip(np.arange(CELLS + 1) / CELLS, low, 1 - low)) * CELLS
    inside = np.outer(covered, covered)
    return window, np.stack([inside, np.zeros_like(inside)]).astype(np.float32)


def _point_window(thing: Thing, rng: np.random.Generator) -> tuple[Box, NDArray[np.float32]]:
    """Return a square window round a point of an object, and its prompt."""
    depths = _depths(thing.mask)
    rows, columns = np.nonzero(depths >= rng.uniform(0.4, 0.99) * depths.max())
    pick = rng.integers(len(rows))
    x, y = columns[pick] + rng.uniform(0.2, 0.8), rows[pick] + rng.uniform(0.2, 0.8)
    longer = max(thing.box[2] - thing.box[0], thing.box[3] - thing.box[1])
    side = max(longer * np.exp(rng.uniform(*np.log(SIDES))), LEAST_SIDE)
    shift = rng.uniform(-0.03, 0.03, 2)  # of the side
    centres = (np.arange(CELLS) + 0.5) / CELLS
    across, down = (
        np.exp(-((centres - 0.5 + moved) ** 2) / (2 * (DOT / SIDE) ** 2)) for moved in shift
    )
    spot = np.outer(down, across)
    window = windows.square(x + shift[0] * side, y + shift[1] * side, side)
    return window, np.stack([np.zeros_like(spot), spot]).astype(np.float32)
