"""Regions in the formats of other libraries, and back, without importing them.

Arrays are those of `supervision.Detections`, dicts those of torchvision's detection models and of
COCO. Boxes are in pixels of the picture: left, top, right, bottom, but COCO's are left, top, width,
height. A mask covers the whole picture there, and only the pixels of its box in a `Region`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from siamkit.sdk import boxes, masks
from siamkit.types import Mask, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIMALS = 2  # of px in COCO's dicts, as in COCO's own files
SURE = 0.5  # probability from which a pixel of torchvision's soft masks belongs to the object
BACKGROUND = "__background__"  # torchvision's class 0


def to_arrays(
    regions: Sequence[Region], labels: Sequence[str] = (), *, size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Return n regions as arrays that `supervision.Detections(**arrays)` takes.

    labels: class names by number; others follow as they occur. size: (width, height) of the
    picture, needed for masks and for regions without a box.

    Returns xyxy (n, 4) float32, confidence (n,) float32, class_id (n,) int64, mask (n, height,
    width) bool, where a region without one has its box, or None if none has one; and data, with
    class_name (n,) str. Raises ValueError for spans of time, and without a size that is needed.
    """
    import numpy as np

    numbers = _number(regions, labels)
    return {
        "xyxy": _boxes(regions, size),
        "confidence": np.asarray([region.score for region in regions], np.float32),
        "class_id": np.asarray([numbers[region.label] for region in regions], np.int64),
        "mask": _stack_masks(regions, size) if has_masks(regions) else None,
        "data": {"class_name": np.asarray([region.label for region in regions], dtype=str)},
    }


def from_arrays(detections: Any, labels: Sequence[str] = ()) -> list[Region]:
    """Return the regions of `supervision.Detections`, or of a mapping with the same fields.

    Only xyxy is needed. labels: class names by number; without them the names in data count, and
    then the numbers.
    """
    fields = detections if isinstance(detections, Mapping) else vars(detections)
    names = (fields.get("data") or {}).get("class_name")
    if labels or names is None:
        names = _names(fields.get("class_id"), labels)
    return _regions(fields["xyxy"], fields.get("confidence"), names, fields.get("mask"))


def to_torchvision(
    regions: Sequence[Region], labels: Sequence[str] = (), *, size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Return n regions as the arrays that a torchvision detection model returns as tensors.

    labels: class names by number, the first of them the background, as in the `categories` of
    torchvision's weights; others follow as they occur. size: (width, height) of the picture.

    Returns boxes (n, 4) float32, labels (n,) int64, scores (n,) float32 and, if a region has a
    mask, masks (n, height, width) uint8; `torch.from_numpy` makes targets to train on of them.
    Raises ValueError as `to_arrays` does.
    """
    import numpy as np

    arrays = to_arrays(regions, labels or (BACKGROUND,), size=size)
    fields = {
        "boxes": arrays["xyxy"],
        "labels": arrays["class_id"],
        "scores": arrays["confidence"],
    }
    if arrays["mask"] is not None:
        fields["masks"] = arrays["mask"].astype(np.uint8)
    return fields


def from_torchvision(output: Mapping[str, Any], labels: Sequence[str] = ()) -> list[Region]:
    """Return the regions of one picture's output or target: tensors or arrays, best first as there.

    labels: class names by number, such as `weights.meta["categories"]`; without them the numbers
    are the names. Soft masks, (n, 1, height, width), count from a probability of 0.5.
    """
    names = _names(output.get("labels"), labels)
    return _regions(output["boxes"], output.get("scores"), names, output.get("masks"))


def to_annotation(
    region: Region, width: int, height: int, *, polygons: bool = False
) -> dict[str, Any]:
    """Return a region as siamkit.io.coco writes it: `category` is its label, and ids are missing.

    width, height: of the picture. polygons: write a mask without holes as polygons; others, and
    all of them by default, are run-length codes. Raises ValueError for a span of time.
    """
    left, top, right, bottom = box(region, (width, height))
    fields: dict[str, Any] = {
        "category": region.label,
        "bbox": [round(float(v), DECIMALS) for v in (left, top, right - left, bottom - top)],
        "area": round(float((right - left) * (bottom - top)), DECIMALS),
        "iscrowd": 0,
        "score": round(float(region.score), 5),
    }
    if region.mask is not None and region.mask.any():
        fields["area"] = int(region.mask.sum())
        outlines = _outlines(region, region.mask, width, height) if polygons else None
        rle = None if outlines else masks.to_rle(masks.on_picture(region, width, height))
        fields["segmentation"] = outlines or rle
    return fields


def to_coco(
    regions: Sequence[Region],
    labels: Sequence[str] = (),
    *,
    size: tuple[int, int],
    image_id: int = 1,
    polygons: bool = False,
) -> list[dict[str, Any]]:
    """Return the COCO annotations of one picture, which its results may have, too: with a score.

    labels: names of the categories, whose ids count from 1; others follow as they occur. size:
    (width, height) of the picture. See `to_annotation`.
    """
    numbers = _number(regions, labels)
    annotations = []
    for number, region in enumerate(regions, 1):
        fields = to_annotation(region, *size, polygons=polygons)
        del fields["category"]
        category_id = numbers[region.label] + 1
        annotations.append(
            {"id": number, "image_id": image_id, "category_id": category_id, **fields}
        )
    return annotations


def from_coco(
    annotations: Iterable[Mapping[str, Any]],
    names: Mapping[int, str] | None = None,
    *,
    size: tuple[int, int],
) -> list[Region]:
    """Return the regions of COCO annotations or results of one picture.

    names: of the categories, by id; without them the ids are the names. size: (width, height) of
    the picture. Raises ValueError for an annotation that is damaged.
    """
    return [_from_annotation(annotation, names or {}, size) for annotation in annotations]


def box(region: Region, size: tuple[int, int] | None) -> tuple[float, float, float, float]:
    """Return a region's box in px, or that of the whole picture.

    size: (width, height) of the picture. Raises ValueError for a span of time, and for the whole
    picture without its size.
    """
    if region.where is None and size is not None:
        return (0.0, 0.0, float(size[0]), float(size[1]))
    if region.where is None or len(region.where) != 4:
        missing = "the whole picture needs its size" if region.where is None else "no box"
        raise ValueError(f"{missing}: {region.where}")
    return region.where


def has_masks(regions: Iterable[Region]) -> bool:
    """Return True if at least one region has a mask."""
    return any(region.mask is not None for region in regions)


def _from_annotation(
    annotation: Mapping[str, Any], names: Mapping[int, str], size: tuple[int, int]
) -> Region:
    try:
        left, top, width, height = (float(v) for v in annotation["bbox"])
        category_id = annotation.get("category_id")
        score = float(annotation.get("score", 1.0))
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"no COCO annotation: {error}") from error
    where = (left, top, left + width, top + height)
    label = "" if category_id is None else names.get(category_id, str(category_id))
    picture = _decode(annotation.get("segmentation"), size)
    return Region(where, score, mask=_cut(picture, where), label=label)


def _decode(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return a segmentation as a (height, width) mask: polygons, or a run-length code."""
    width, height = size
    if not segmentation:
        return None
    if isinstance(segmentation, Mapping):
        mask = masks.from_rle(segmentation)
        if mask.shape != (height, width):
            raise ValueError(f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels, not {size}")
        return mask
    from pycocotools import mask as coco

    polygons = [[float(v) for v in polygon] for polygon in segmentation]
    if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise ValueError("a polygon has fewer than three corners")
    codes = coco.frPyObjects(polygons, height, width)
    return masks.from_rle(coco.merge(codes))


def _outlines(region: Region, mask: Mask, width: int, height: int) -> list[list[float]] | None:
    """Return the polygons of a region's mask in px of the picture; None if it has holes."""
    left, top, _, _ = boxes.pixel_box(box(region, (width, height)), width, height)
    outlines = masks.to_polygons(mask)
    if outlines is None:
        return None
    return [[v + (top if i % 2 else left) for i, v in enumerate(line)] for line in outlines]


def _regions(where: Any, scores: Any, names: Sequence[str] | None, pictures: Any) -> list[Region]:
    """Return the regions of (n, 4) boxes, (n,) scores and names, and masks of whole pictures."""
    where = _as_array(where).reshape(-1, 4)
    certain = [1.0] * len(where) if scores is None else _as_array(scores).tolist()
    names = [""] * len(where) if names is None else names
    pictures = [None] * len(where) if pictures is None else _hard_masks(_as_array(pictures))
    return [
        Region(box, float(score), mask=_cut(picture, box), label=str(name))
        for box, score, name, picture in zip(
            map(tuple, where.tolist()), certain, names, pictures, strict=True
        )
    ]


def _hard_masks(pictures: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n, height, width) masks, of soft ones with another axis too."""
    if pictures.ndim == 4:
        pictures = pictures[:, 0]
    if pictures.dtype.kind == "f":
        return pictures >= SURE
    return pictures.astype(bool)


def _cut(
    picture: NDArray[np.bool_] | None, where: tuple[float, float, float, float]
) -> NDArray[np.bool_] | None:
    """Return the part of a picture's mask that a box touches."""
    import numpy as np

    if picture is None:
        return None
    height, width = picture.shape
    left, top, right, bottom = boxes.pixel_box(where, width, height)
    return np.ascontiguousarray(picture[top:bottom, left:right])


def _number(regions: Iterable[Region], labels: Sequence[str]) -> dict[str, int]:
    """Return the number of each label: its place in `labels`, or after them as it occurs."""
    names = dict.fromkeys([*labels, *(region.label for region in regions)])
    return {name: number for number, name in enumerate(names)}


def _names(numbers: Any, labels: Sequence[str]) -> list[str] | None:
    """Return the names of class numbers; None without numbers."""
    if numbers is None:
        return None
    numbers = [int(number) for number in _as_array(numbers)]
    return [labels[n] if 0 <= n < len(labels) else str(n) for n in numbers]


def _as_array(values: Any) -> NDArray[Any]:
    """Return a tensor, on any device, or anything else as an array."""
    import numpy as np

    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _boxes(regions: Sequence[Region], size: tuple[int, int] | None) -> NDArray[np.float32]:
    import numpy as np

    return np.asarray([box(region, size) for region in regions], np.float32).reshape(-1, 4)


def _stack_masks(regions: Sequence[Region], size: tuple[int, int] | None) -> NDArray[np.bool_]:
    import numpy as np

    if size is None:
        raise ValueError("masks need size=(width, height) of the picture")
    return np.stack([masks.on_picture(region, *size) for region in regions])
