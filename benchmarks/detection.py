"""Faces found and missed: group photographs with annotated noses, raw photographs, ORL.

    python detection.py DATA

An annotated face counts as found when a box contains its nose point. A picture of photos/ and
of orl/ shows one person: it counts as missed when nothing is found in it. The peer is dlib's HOG
detector as face_recognition calls it (the picture enlarged once).
"""

from __future__ import annotations

import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path

from siamkit.media import load_image
from siamkit.registry import load

Boxes = list[tuple[float, float, float, float]]


def ours(path: Path) -> Boxes:
    return [r.where for r in load("siamkit.regions", "facefinder").find(load_image(path))]


def peer(path: Path) -> Boxes:
    import face_recognition

    found = face_recognition.face_locations(face_recognition.load_image_file(path))
    return [(left, top, right, bottom) for top, right, bottom, left in found]


def contains(box: tuple[float, float, float, float], point: list[float]) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


data = Path(sys.argv[1])
detectors = {"facefinder": ours} | ({"HOG": peer} if find_spec("face_recognition") else {})
with (data / "detection.csv").open(newline="") as file:
    groups = list(csv.DictReader(file))
folders = {
    "photos": sorted((data / "photos").rglob("*.*")),
    "ORL": sorted((data / "orl").rglob("*.pgm")),
}
print(f"{'detector':12}{'set':22}{'faces':>7}{'missed':>8}{'boxes too many':>16}")
for name, find in detectors.items():
    faces = missed = extra = 0
    for row in groups:
        noses, boxes = json.loads(row["noses_xy_json"] or "[]"), find(data / row["image"])
        faces += len(noses)
        missed += sum(not any(contains(box, nose) for box in boxes) for nose in noses)
        if row["faces"] and int(row["faces"]) == len(noses):  # every face of it is annotated
            extra += sum(not any(contains(box, nose) for nose in noses) for box in boxes)
    print(f"{name:12}{'group photographs':22}{faces:7}{missed:8}{extra:16}")
    for folder, paths in folders.items():
        found = [len(find(path)) for path in paths]
        extra = sum(count - 1 for count in found if count)
        print(f"{name:12}{folder:22}{len(paths):7}{found.count(0):8}{extra:16}")
