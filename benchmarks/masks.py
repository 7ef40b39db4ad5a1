"""Measure masks on COCO: mean IoU given the true box, and given one click.

    python benchmarks/masks.py DATA [--every N] [--graph FILE --half 0|1]

DATA/coco holds pictures with `instances.json`; those with masks count, without crowds. The click is
the point of the mask that is furthest from its border. The box itself, GrabCut started from the
box, and U²-Net-P in the box (with and without GrabCut) are measured on the same objects.
--every: every N-th object only. --graph, --half: another mask network, on every second picture;
see tools/mask_network.py, which trains on the other half.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from mask_samples import Thing, innermost, read_things

from siamkit.sdk import masks
from siamkit.types import Image, Prompt, Region
from siamkit_segments import Instances, network, refine, windows
from siamkit_segments.u2net import SaliencyNetwork

SIZES = {"small": (0, 32), "medium": (32, 96), "large": (96, 1e9)}  # px, root of the mask's area
Method = Callable[[Thing], NDArray[np.bool_]]
saliency, instances = SaliencyNetwork(), Instances()


def iou(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(left | right)
    return np.count_nonzero(left & right) / union if union else 0.0


def box_itself(thing: Thing) -> NDArray[np.bool_]:
    height, width = thing.mask.shape
    return masks.on_picture(Region(thing.box), width, height)


def grabcut_alone(thing: Thing) -> NDArray[np.bool_]:
    inside = box_itself(thing)
    marks = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(thing.pixels, marks, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # the box is the whole picture
        return inside
    return inside & ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD))


def salient_in_box(thing: Thing, *, with_grabcut: bool = False) -> NDArray[np.bool_]:
    height, width = thing.mask.shape
    left, top, right, bottom = windows.clipped(windows.widened(thing.box, 0.15), width, height)
    part = thing.pixels[top:bottom, left:right]
    chances = cv2.resize(saliency.run(part), part.shape[1::-1])
    inside = box_itself(thing)
    chances *= inside[top:bottom, left:right]
    mask = np.zeros((height, width), bool)
    cut = refine.grab_cut(part, chances) if with_grabcut else chances >= 0.5
    mask[top:bottom, left:right] = cut
    return mask & inside


def prompted(thing: Thing, prompt: Prompt) -> NDArray[np.bool_]:
    height, width = thing.mask.shape
    regions = instances.find_prompted(Image(thing.pixels), prompt)
    return masks.on_picture(regions[0], width, height) if regions else np.zeros_like(thing.mask)


METHODS: dict[str, Method] = {
    "the box itself": box_itself,
    "GrabCut alone": grabcut_alone,
    "U²-Net-P in the box": salient_in_box,
    "the same, with GrabCut": lambda thing: salient_in_box(thing, with_grabcut=True),
    "`instances`, true box": lambda thing: prompted(thing, Prompt(box=thing.box)),
    "`instances`, one click": lambda thing: prompted(
        thing, Prompt(points=(innermost(thing.mask),))
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--graph", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1))
    options = parser.parse_args()
    if options.graph:
        network.GRAPH = options.graph
    things = [
        thing
        for thing in read_things(options.data)
        if options.half is None or thing.picture % 2 == options.half
    ][:: options.every]
    sides = np.array([thing.mask.sum() ** 0.5 for thing in things])
    print(f"{len(things)} objects")
    print(f"{'mean IoU':26}{'all':>7}{''.join(f'{name:>8}' for name in SIZES)}{'ms':>8}")
    for name, method in METHODS.items():
        overlaps, spent = [], []
        for thing in things:
            started = time.perf_counter()
            mask = method(thing)
            spent.append(time.perf_counter() - started)
            overlaps.append(iou(mask, thing.mask))
        values = np.array(overlaps)
        sized = [values[(sides >= low) & (sides < high)].mean() for low, high in SIZES.values()]
        cells = "".join(f"{value:8.3f}" for value in sized)
        print(f"{name:26}{values.mean():7.3f}{cells}{1000 * np.median(spent):8.0f}", flush=True)


if __name__ == "__main__":
    main()
