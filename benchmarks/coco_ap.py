"""Average precision of boxes on pictures in COCO's format, by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from siamkit.sdk.media import load_image
from siamkit.types import Image, Region

FIGURES = {"AP": 0, "AP50": 1, "AP75": 2, "small": 3, "medium": 4, "large": 5}  # in `stats`


class Truth:
    """The pictures and boxes of one `instances.json`, whose pictures are in images/ beside it."""

    def __init__(self, path: Path) -> None:
        from faster_coco_eval import COCO

        with contextlib.redirect_stdout(io.StringIO()):
            self.coco = COCO(str(path))
        self._folder = path.parent / "images"
        self.ids = {entry["name"]: number for number, entry in self.coco.cats.items()}
        self.pictures = [entry["id"] for entry in self.coco.dataset["images"]]

    def load(self, picture: int) -> Image:
        return load_image(self._folder / self.coco.imgs[picture]["file_name"])

    def boxes(self, picture: int) -> list[tuple[float, float, float, float]]:
        """Every box of a picture, without crowds: left, top, right, bottom."""
        found = self.coco.imgToAnns.get(picture, [])
        corners = (entry["bbox"] for entry in found if not entry.get("iscrowd"))
        return [(x, y, x + w, y + h) for x, y, w, h in corners]

    def rows(self, picture: int, regions: Iterable[Region]) -> list[dict[str, Any]]:
        """The regions of a picture as COCO's results."""
        return [
            {
                "image_id": picture,
                "category_id": self.ids[region.label],
                "bbox": [left, top, right - left, bottom - top],
                "score": float(region.score),
            }
            for region in regions
            for left, top, right, bottom in [region.where]
            if region.label in self.ids
        ]

    def detect(self, find: Callable[[Image], list[Region]]) -> list[dict[str, Any]]:
        """The results of a detector on every picture."""
        return [row for p in self.pictures for row in self.rows(p, find(self.load(p)))]

    def figures(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        """AP over IoU .5 to .95, AP50, AP75, and AP by size, of at most 100 boxes a picture."""
        from faster_coco_eval import COCOeval_faster

        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval_faster(self.coco, self.coco.loadRes(rows), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return {name: float(evaluation.stats[at]) for name, at in FIGURES.items()}


def line(name: str, figures: dict[str, float]) -> str:
    return f"{name:<34}" + "".join(f"{value:>8.3f}" for value in figures.values())


HEADER = f"{'':<34}" + "".join(f"{name:>8}" for name in FIGURES)
