"""Average precision and speed of `objects`, beside its bare network.

    python benchmarks/regions_ap.py DATA

DATA: the folder that holds objects/coco. The bare network is the graph of the detector folder in an
onnxruntime session, with nothing of siamkit: resized by OpenCV, decoded and suppressed in numpy.
The times are medians over pictures in memory, both in turn: the session's run alone, and `find`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from coco_ap import HEADER, Truth, line
from timing import elapsed

from siamkit.types import Image, Region
from siamkit_objects import Objects
from siamkit_objects.objects import FOLDER

LOW = 0.01  # the score from which AP counts
TIMED = 30  # pictures
THREADS = (1, 2)


class Bare:
    """The network of `objects` in a plain session."""

    def __init__(self, threads: int) -> None:
        import json

        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(FOLDER / "detector.onnx"), options)
        self.input = self.session.get_inputs()[0].name
        card = json.loads((FOLDER / "detector.json").read_text())
        self.labels = card["labels"]
        boxes = []
        for rows, columns, shapes in card["decode"]["grids"]:
            for y in range(rows):
                for x in range(columns):
                    boxes += [((y + 0.5) / rows, (x + 0.5) / columns, h, w) for h, w in shapes]
        self.centres, self.sizes = np.split(np.array(boxes, np.float32), 2, axis=1)

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        import cv2

        return cv2.resize(pixels.astype(np.float32), (300, 300))[None] / np.float32(127.5) - 1

    def find(self, medium: Image) -> list[Region]:
        height, width = medium.pixels.shape[:2]
        codes, logits = self.session.run(None, {self.input: self.prepare(medium.pixels)})
        codes, scores = codes.reshape(-1, 4), 1 / (1 + np.exp(-logits[0]))
        middle = codes[:, :2] / 10 * self.sizes + self.centres
        half = np.exp(codes[:, 2:] / 5) * self.sizes / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)[:, [1, 0, 3, 2]]
        boxes = boxes.clip(0, 1) * [width, height, width, height]
        regions = []
        for column, label in enumerate(self.labels):
            rows = np.flatnonzero(scores[:, column] >= LOW)
            for row in rows[distinct(boxes[rows], scores[rows, column])]:
                regions.append(Region(tuple(boxes[row].tolist()), scores[row, column], label=label))
        return sorted(regions, key=lambda region: -region.score)[:100]


def distinct(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Plain non-maximum suppression at IoU 0.5."""
    order, rows = list(np.argsort(-scores)), []
    while order:
        best, *order = order
        rows.append(best)
        ends = np.minimum(boxes[best, 2:], boxes[order, 2:])
        common = (ends - np.maximum(boxes[best, :2], boxes[order, :2])).clip(0).prod(axis=1)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        shared = common / (areas[best] + areas[order] - common)
        order = [row for row, ratio in zip(order, shared, strict=True) if ratio <= 0.5]
    return rows


def time_find(data: Path, threads: int) -> None:
    """Print medians of the bare run and of `find`, with that many threads."""
    truth = Truth(data / "objects" / "coco" / "instances.json")
    bare, ours = Bare(threads), Objects()
    pairs = []
    for picture in truth.pictures[: TIMED + 1]:
        medium = truth.load(picture)
        array = {bare.input: bare.prepare(medium.pixels)}
        run = min(elapsed(lambda a=array: bare.session.run(None, a)) for _ in range(3))
        pairs.append((run, min(elapsed(lambda m=medium: ours.find(m)) for _ in range(3))))
    run, find = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    ratio = statistics.median(find / run for run, find in pairs[1:])
    print(
        f"{threads} threads: session {1000 * run:.1f} ms, find {1000 * find:.1f} ms, x {ratio:.2f}"
    )


def main(data: Path) -> None:
    truth = Truth(data / "objects" / "coco" / "instances.json")
    print(HEADER)
    print(line("the bare network", truth.figures(truth.detect(Bare(1).find))))
    print(line("objects", truth.figures(truth.detect(Objects().with_min_score(LOW).find))))
    for threads in THREADS:
        import os

        environment = {**os.environ, "SIAMKIT_THREADS": str(threads)}
        subprocess.run([sys.executable, __file__, data, str(threads)], env=environment, check=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        time_find(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))
