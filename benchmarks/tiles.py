"""Average precision of `objects` in tiles, and of sahi's merging of the same boxes.

    python benchmarks/tiles.py DATA

DATA: the folder that holds objects/coco. Its pictures have at most 512 px, so the tiles are smaller
than in use. sahi (a peer that this project does not need) merges with its defaults, greedy
non-maximum merging at 0.5 of the smaller box, and by non-maximum suppression at IoU 0.5. Only
merging is timed.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from coco_ap import HEADER, Truth, line
from timing import elapsed

from siamkit.embed.tiles import Tiled, merge
from siamkit.types import Image, Region
from siamkit_objects import Objects

SIZE = 256  # px
LIMITS = (0.05, 0.3)  # lowest scores: what AP is usually measured at, what is usually shown


def merged(regions: list[Region], cut: list[bool], medium: Image) -> tuple[list[Region], float]:
    """What this project leaves of regions, and its seconds."""
    height, width = medium.pixels.shape[:2]
    rows: list[int] = []
    seconds = elapsed(lambda: rows.extend(merge(regions, cut, width, height)))
    return [regions[row] for row in rows], seconds


def sahi_merged(regions: list[Region], medium: Image, name: str) -> tuple[list[Region], float]:
    """What one of sahi's postprocessors leaves of regions, and its seconds."""
    from sahi.postprocess.combine import GreedyNMMPostprocess, NMSPostprocess
    from sahi.prediction import ObjectPrediction

    postprocess = {
        "sahi, GREEDYNMM": lambda: GreedyNMMPostprocess(0.5, "IOS", class_agnostic=False),
        "sahi, NMS": lambda: NMSPostprocess(0.5, "IOU", class_agnostic=False),
    }[name]()
    labels = sorted({region.label for region in regions})
    predictions = [
        ObjectPrediction(
            bbox=list(region.where),
            category_id=labels.index(region.label),
            category_name=region.label,
            score=region.score,
            full_shape=list(medium.pixels.shape[:2]),
        )
        for region in regions
    ]
    left: list[Any] = []
    seconds = elapsed(lambda: left.extend(postprocess(predictions)))
    merged = [Region(tuple(p.bbox.to_xyxy()), p.score.value, label=p.category.name) for p in left]
    return sorted(merged, key=lambda region: -region.score), seconds


def main(data: Path) -> None:
    truth = Truth(data / "objects" / "coco" / "instances.json")
    detector = Objects().with_min_score(min(LIMITS))
    tiled = Tiled(detector, SIZE)
    rows: dict[str, list[dict[str, Any]]] = {}
    spent: dict[str, list[float]] = {}
    for picture in truth.pictures:
        medium = truth.load(picture)
        collected = tiled.collect(medium)
        alone = detector.find(medium)
        for limit in LIMITS:
            answers = {"the whole picture": ([r for r in alone if r.score >= limit], 0.0)}
            pairs = [pair for pair in zip(*collected, strict=True) if pair[0].score >= limit]
            regions = [region for region, _ in pairs]
            answers[f"--tiles {SIZE}"] = merged(regions, [is_cut for _, is_cut in pairs], medium)
            for name in ("sahi, GREEDYNMM", "sahi, NMS"):
                answers[name] = sahi_merged(regions, medium, name)
            for name, (answer, seconds) in answers.items():
                key = f"{name}, from {limit:g}"
                rows.setdefault(key, []).extend(truth.rows(picture, answer))
                spent.setdefault(key, []).append(seconds)
    print(HEADER + "   merging, ms a picture")
    for key in sorted(rows, key=lambda key: key.rpartition(" ")[2]):
        print(
            line(key, truth.figures(rows[key])) + f"{1000 * statistics.median(spent[key]):>10.2f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
