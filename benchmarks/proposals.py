"""Recall of proposals: the share of true boxes that one of the first 50, 100, 150 boxes meets.

    python benchmarks/proposals.py DATA

DATA: the folder that holds objects/coco and objects/logos. A box is met at IoU 0.5 or more,
whatever its class; crowds don't count. `objects` was trained on COCO's classes, not on logos. Times
are medians a picture, of the processor: with SIAMKIT_THREADS=1, those of one core.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from coco_ap import Truth

from siamkit.sdk import boxes as sdk_boxes
from siamkit.types import Image
from siamkit_objects import Objects, SlidingWindow, propose
from siamkit_objects.proposals import MIN_SCORE

FIRST = (50, 100, 150)
SETS = ("coco", "logos")
METHODS = ("sliding-window", "selective search", "objects, whole picture", "objects, and parts")
UNION = "proposals"
WINDOWS, OBJECTS = SlidingWindow(), Objects().with_min_score(MIN_SCORE)


def boxes_of(method: str, medium: Image) -> np.ndarray:
    """The boxes that one method proposes, best first."""
    if method == "selective search":
        return propose.search_segments(medium.pixels)
    if method == "objects, and parts":
        return propose.find_objects(OBJECTS, medium.pixels)
    return sdk_boxes.array((WINDOWS if method == "sliding-window" else OBJECTS).find(medium))


def cpu_seconds(call: Callable[[], object]) -> float:
    """The processor's time for one call, which holds on a busy machine."""
    started = time.process_time()
    call()
    return time.process_time() - started


def propose_all(medium: Image) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The boxes of every method, and its seconds. `proposals` joins two of the others' lists."""
    boxes: dict[str, np.ndarray] = {}
    seconds = {m: cpu_seconds(lambda m=m: boxes.update({m: boxes_of(m, medium)})) for m in METHODS}
    _, segments, _, objects = METHODS
    boxes[UNION] = propose.join(boxes[segments], boxes[objects])
    seconds[UNION] = seconds[segments] + seconds[objects]
    return boxes, seconds


def main(data: Path) -> None:
    print(f"{'':<26}" + "".join(f"{name + ', ' + str(n):>12}" for name in SETS for n in FIRST))
    hits: dict[tuple[str, str], list[np.ndarray]] = {}
    times: dict[str, list[float]] = {}
    for name in SETS:
        truth = Truth(data / "objects" / name / "instances.json")
        for picture in truth.pictures:
            wanted = np.array(truth.boxes(picture), np.float32).reshape(-1, 4)
            boxes, seconds = propose_all(truth.load(picture))
            for method in boxes:
                times.setdefault(method, []).append(seconds[method])
                ratios = sdk_boxes.iou(wanted, boxes[method])
                best = [ratios[:, :n].max(axis=1, initial=0) >= 0.5 for n in FIRST]
                hits.setdefault((method, name), []).append(np.array(best))
    for method, spent in times.items():
        shares = [np.concatenate(hits[method, name], axis=1).mean(axis=1) for name in SETS]
        row = "".join(f"{share:>12.3f}" for share in np.concatenate(shares))
        print(f"{method:<26}{row}{1000 * statistics.median(spent):>8.0f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
