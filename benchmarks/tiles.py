"""Average precision of `objects` in tiles, and of sahi's merging of the same boxes.

    python benchmarks/tiles.py DATA

DATA: the folder that holds objects/coco. Its pictures have at most 512 px, so the tiles are smaller
than in use. sahi (a peer that this project does not need) merges with its defaults, greedy
non-maximum merging at 0.5 of the smaller box, and by non-maximum suppression at IoU 0.5. Only
merging is timed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from coco_ap import HEADER, Truth, line
from timing import elapsed

from siamkit.embed.tiles import Tiled, merge
from siamkit.types import Image, Region
from siamkit_objects import Objects

SIZE = 256  # px
LOW = 0.05  # the score from which AP counts


def sahi_merged(regions: list[Region], medium: Image, name: str) -> tuple[list[Region], float]:
    """What one of sahi's postprocessors leaves of regions, and its seconds."""
    from sahi.postprocess.combine import GreedyNMMPostprocess, NMSPostprocess
    from sahi.prediction import ObjectPrediction

    merge = {
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
    seconds = elapsed(lambda: left.extend(merge(predictions)))
    merged = [Region(tuple(p.bbox.to_xyxy()), p.score.value, label=p.category.name) for p in left]
    return sorted(merged, key=lambda region: -region.score), seconds


def main(data: Path) -> None:
    truth = Truth(data / "objects" / "coco" / "instances.json")
    detector = Objects().with_min_score(LOW)
    tiled = Tiled(detector, SIZE)
    rows: dict[str, list[dict[str, Any]]] = {}
    spent: dict[str, float] = {}
    count = 0
    for picture in truth.pictures:
        medium = truth.load(picture)
        height, width = medium.pixels.shape[:2]
        regions, cut = tiled.collect(medium)
        count += len(regions)
        alone = detector.find(medium)
        answers = {"the whole picture": alone}
        keep: list[int] = []
        seconds = elapsed(
            lambda r=regions, c=cut, w=width, h=height, k=keep: k.extend(merge(r, c, w, h))
        )
        name = f"--tiles {SIZE}"
        answers[name] = [regions[row] for row in keep]
        spent[name] = spent.get(name, 0) + seconds
        for name in ("sahi, GREEDYNMM", "sahi, NMS"):
            answers[name], seconds = sahi_merged(regions, medium, name)
            spent[name] = spent.get(name, 0) + seconds
        for name, answer in answers.items():
            rows.setdefault(name, []).extend(truth.rows(picture, answer))
    print(HEADER + "   merging, ms a picture")
    for name, results in rows.items():
        time = f"{1000 * spent[name] / len(truth.pictures):>10.2f}" if name in spent else ""
        print(line(name, truth.figures(results)) + time)
    print(f"{count / len(truth.pictures):.0f} boxes a picture before merging")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
