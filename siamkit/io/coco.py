"""COCO JSON: pictures, categories, and annotations with boxes and masks, for other programs.

Format: https://cocodataset.org/#format-data. A detection also has its score, as in COCO's results.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamkit.io.atomic import replacing

CATEGORY = "category"  # of an annotation, by name, until it is written


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, and an annotation per region in it.

    An annotation has `category`, a name, in place of `category_id`, and neither `id` nor
    `image_id`: siamkit.sdk.region_formats.to_annotation returns one.
    """

    file_name: str  # as the user gave it
    width: int  # px
    height: int
    annotations: Sequence[Mapping[str, Any]] = ()


def write(path: Path, pictures: Iterable[Picture], categories: Iterable[str] = ()) -> None:
    """Write pictures to one COCO JSON file, complete or not at all. Ids count from 1.

    categories: names, in the order of their ids; others follow as they occur. Raises OSError.
    """
    text = json.dumps(to_document(pictures, categories))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="ascii")


def to_document(pictures: Iterable[Picture], categories: Iterable[str] = ()) -> dict[str, Any]:
    """Return what `write` writes, as JSON values."""
    ids = {name: number for number, name in enumerate(dict.fromkeys(categories), 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, 1):
        size = {"width": picture.width, "height": picture.height}
        images.append({"id": image_id, "file_name": picture.file_name, **size})
        for annotation in picture.annotations:
            fields = dict(annotation)
            category_id = ids.setdefault(fields.pop(CATEGORY), len(ids) + 1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    **fields,
                }
            )
    return {
        "info": {"description": "regions found by siamkit"},
        "licenses": [],
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": annotations,
    }
