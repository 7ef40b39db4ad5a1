"""Count faces found and missed: group photographs with annotated noses, raw photographs, ORL.

    python benchmarks/detection.py DATA

An annotated face counts as found if a box contains its nose. A picture of photos/ or orl/ shows one
person, who counts as missed if nothing is found. The raw photographs are also made harder: dark,
turned, small, partly hidden. The peer is dlib's HOG detector as face_recognition calls it (with the
picture enlarged once).
"""

from __future__ import annotations

import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as pil

from siamkit.host.registry import load
from siamkit.sdk.media import load_image
from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage

Boxes = list[tuple[float, float, float, float]]


def ours(picture: PILImage.Image) -> Boxes:
    regions = load("siamkit.regions", "facefinder").find(Image(np.asarray(picture)))
    return [region.where for region in regions]


def peer(picture: PILImage.Image) -> Boxes:
    import face_recognition

    boxes = face_recognition.face_locations(np.asarray(picture))
    return [(left, top, right, bottom) for top, right, bottom, left in boxes]


def opened(path: Path) -> PILImage.Image:
    return pil.fromarray(load_image(path).pixels)


def hidden(picture: PILImage.Image) -> PILImage.Image:
    """The lower half of the face under a grey mask, where our own detector sees the face."""
    left, top, right, bottom = ours(picture)[0]
    covered = picture.copy()
    covered.paste((120, 140, 150), tuple(map(round, (left, (top + bottom) / 2, right, bottom))))
    return covered


HARDER = {
    "dark, 1/8 of the light": lambda p: p.point(lambda v: v // 8),
    "turned by 30 degrees": lambda p: p.rotate(30, pil.Resampling.BICUBIC, expand=True),
    "turned by 60 degrees": lambda p: p.rotate(60, pil.Resampling.BICUBIC, expand=True),
    "a quarter of the size": lambda p: p.resize((p.width // 4, p.height // 4)),
    "lower half hidden": hidden,
}


def contains(box: tuple[float, float, float, float], point: list[float]) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


data = Path(sys.argv[1])
detectors = {"facefinder": ours} | ({"HOG": peer} if find_spec("face_recognition") else {})
with (data / "detection.csv").open(newline="") as file:
    groups = list(csv.DictReader(file))
photos = [opened(path) for path in sorted((data / "photos").rglob("*.*"))]
sets = {"raw photographs": photos}
sets |= {name: [change(picture) for picture in photos] for name, change in HARDER.items()}
sets["ORL"] = [opened(path) for path in sorted((data / "orl").rglob("*.pgm"))]
print(f"{'set':24}{'detector':12}{'faces':>7}{'missed':>8}{'boxes too many':>16}")
for name, find in detectors.items():
    faces = missed = extra = 0
    for row in groups:
        noses, boxes = json.loads(row["noses_xy_json"] or "[]"), find(opened(data / row["image"]))
        faces += len(noses)
        missed += sum(not any(contains(box, nose) for box in boxes) for nose in noses)
        if row["faces"] and int(row["faces"]) == len(noses):  # every face of it is annotated
            extra += sum(not any(contains(box, nose) for nose in noses) for box in boxes)
    print(f"{'group photographs':24}{name:12}{faces:7}{missed:8}{extra:16}")
for set_name, pictures in sets.items():
    for name, find in detectors.items():
        counts = [len(find(picture)) for picture in pictures]
        extra = sum(count - 1 for count in counts if count)
        print(f"{set_name:24}{name:12}{len(counts):7}{counts.count(0):8}{extra:16}", flush=True)
