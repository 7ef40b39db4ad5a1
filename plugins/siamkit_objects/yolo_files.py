"""Make detector folders of YOLO exports: .onnx files of YOLOv5 to v11, and of YOLOX.

Which layout a file has follows from the shapes of its outputs, what its metadata says, and the
boxes of a blank picture. The graph itself stays as it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.detector_folder import DetectorCard, read_card, write_folder
from siamkit.sdk.files import read_bytes
from siamkit.sdk.graph_file import MAX_GRAPH_BYTES
from siamkit.types import Image
from siamkit_objects.folder import FolderDetector, Network
from siamkit_objects.inputs import MAX_SIDE
from siamkit_objects.label_files import parse_names, read_labels
from siamkit_objects.objects import FOLDER

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("siamkit")
SIDE = 640  # px of the input of a graph that takes any size and does not say what it learnt on
GREY = 114  # what all of them pad with
PIXEL = 1 / 255  # what values of pixels are multiplied by, but for YOLOX
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))  # of the grids, by family
ANCHORS = (1, 3)  # boxes per cell; YOLOv3, v5 and v7 have 3
TASKS = ("detect", "segment")  # what a file's metadata may say that it is for
COCO = 80  # classes of the set that YOLO weights come from
FINAL_COLUMNS, LISTED_COLUMNS = 6, 7
MIN_SCORE, MAX_REGIONS = 0.25, 300  # the defaults of Ultralytics
IOU_WITH_OBJECTNESS, IOU = 0.45, 0.7  # likewise, of v5 to v7 and from v8 on


@dataclass(frozen=True, slots=True)
class Export:
    """A file's input and outputs, and what it says about itself."""

    path: Path
    metadata: Mapping[str, str]
    layout: str  # of the input: "NCHW" or "NHWC"
    size: tuple[int, int]  # height, width of the input; px
    outputs: list[NDArray[Any]]  # for a blank picture

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the outputs."""
        return [output.shape for output in self.outputs]


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells that predictions belong to."""

    strides: tuple[int, ...]  # px of the input per cell, of each grid
    anchors: int  # boxes per cell


@dataclass(frozen=True, slots=True)
class Head:
    """Layout of an export's predictions, as the card of its family states it."""

    family: str
    layout: str
    prediction: int  # number of the output
    prototypes: int | None  # likewise
    objectness: bool
    classes: int | None  # None if the output does not tell, as where boxes are suppressed already
    grid: Grid | None = None


def write_yolo_folder(model: str, folder: Path, labels: Path | None) -> None:
    """Write the detector folder of a YOLO export, a .onnx file, into an empty folder.

    labels: a file with the names of its classes; None if the export has them. Raises BadInput if
    the file is not an ONNX model or has no known layout, or if the labels do not fit.
    """
    path = Path(model)
    given = None if labels is None else read_labels(labels)
    graph = read_bytes(path, MAX_GRAPH_BYTES)
    try:
        network = Network(graph)
    except MissingWeights as error:
        hint = error.hint or "export it first: `yolo export model=… format=onnx`, say"
        raise BadInput(f"{path} cannot be used: {error}", hint=hint) from error
    export = _examine(network, path)
    names = given or _stated_names(export)
    head = _recognise(export, None if names is None else len(names))
    card = _card(export, head, _require_names(export, head, names), folder.name)
    write_folder(folder, graph, card)
    FolderDetector(folder).find(Image(np.full((48, 64, 3), GREY, np.uint8)))


def _examine(network: Network, path: Path) -> Export:
    """Run a blank picture. Raises BadInput unless the graph takes one picture and nothing else."""
    metadata = network.metadata
    if (task := metadata.get("task", "detect")) not in TASKS:
        raise BadInput(f"{path} is a model to {task[:40]}, not to detect objects")
    shapes = network.input_shapes
    if len(shapes) != 1 or len(shapes[0]) != 4 or 3 not in shapes[0][1::2]:
        raise BadInput(f"{path} does not take one picture: its inputs have the shapes {shapes}")
    batch, *sides = shapes[0]
    if batch not in (1, None):
        raise BadInput(f"{path} takes {batch} pictures at once", hint="export it with batch=1")
    layout = "NCHW" if sides[0] == 3 else "NHWC"
    height, width = sides[1:] if layout == "NCHW" else sides[:2]
    stated = _stated_size(metadata.get("imgsz", ""))
    size = (height or stated[0], width or stated[1])
    if not all(0 < side <= MAX_SIDE for side in size):
        raise BadInput(f"{path} takes pictures of {size} px, and not of 1 to {MAX_SIDE}")
    blank = np.full((1, 3, *size) if layout == "NCHW" else (1, *size, 3), GREY, np.float32)
    try:
        outputs = network.run({network.inputs[0]: blank * PIXEL})
    except Exception as error:  # onnxruntime raises several classes of its own
        raise BadInput(f"{path} fails on a blank picture of {size}: {str(error)[:200]}") from error
    return Export(path, metadata, layout, size, outputs)


def _stated_size(literal: str) -> tuple[int, int]:
    """Return the height and width that an export's metadata states, or the usual ones."""
    numbers = [int(digits) for digits in re.findall(r"\d{1,5}", literal)] or [SIDE]
    return numbers[0], numbers[-1]


def _stated_names(export: Export) -> tuple[str, ...] | None:
    """Return the labels that an export's metadata states; None if it has none."""
    if not (literal := export.metadata.get("names")):
        return None
    try:
        return parse_names(literal)
    except ValueError as error:
        log.warning(f"{export.path}: the names of its classes cannot be read: {error}")
        return None


def _recognise(export: Export, names: int | None) -> Head:
    """Return how the outputs are read. names: of classes, as far as they are known.

    Raises BadInput, with the shapes, if the layout is unknown.
    """
    shapes = export.shapes
    flat = [n for n, shape in enumerate(shapes) if len(shape) == 3 and shape[0] == 1]
    maps = [n for n, shape in enumerate(shapes) if len(shape) == 4 and shape[0] == 1]
    if [len(shape) for shape in shapes] == [2] and shapes[0][1] == LISTED_COLUMNS:
        return Head("yolo", "listed", 0, None, objectness=False, classes=None)
    if len(flat) != 1 or len(maps) > 1:
        raise _unknown(export)
    (prediction,), prototypes = flat, next(iter(maps), None)
    first, second = shapes[prediction][1:]
    masks = shapes[prototypes][1] if prototypes is not None else 0
    in_rows, in_columns = _grid(export.size, first), _grid(export.size, second)
    if in_rows is None and in_columns is None:
        if second != FINAL_COLUMNS + masks:
            raise _unknown(export)
        return Head("yolo", "final", prediction, prototypes, objectness=False, classes=None)
    layout, grid, width = "rows", in_rows, second - masks
    if grid is None or (in_columns is not None and second > first):
        layout, grid, width = "columns", in_columns, first - masks
    assert grid is not None
    family, objectness = "yolo", grid.anchors > 1  # as v5 and v7 have it, and v8 does not
    if layout == "rows" and grid.anchors == 1:
        is_decoded = _is_decoded(export, prediction)
        family = "yolo" if is_decoded else "yolox"
        objectness = not is_decoded or _has_objectness(width, names)
    if (classes := width - 4 - objectness) < 1:
        raise _unknown(export)
    return Head(family, layout, prediction, prototypes, objectness, classes, grid)


def _unknown(export: Export) -> BadInput:
    return BadInput(
        f"{export.path} has no known layout: for an input of {export.size} px its outputs have the"
        f" shapes {export.shapes}",
        hint="known are YOLOv5 and v7 (with their grids), v8 to v11, YOLOX, and v10's final boxes",
    )


def _grid(size: tuple[int, int], count: int) -> Grid | None:
    """Return the grids that have `count` boxes in all; None if no grids have."""
    height, width = size
    for strides in STRIDES:
        cells = sum((height // stride) * (width // stride) for stride in strides)
        for anchors in ANCHORS:
            if count == cells * anchors > 0:
                return Grid(strides, anchors)
    return None


def _has_objectness(width: int, names: int | None) -> bool:
    """Return whether rows of one box per cell have it: those of YOLOv6 do, of v8 in rows do not."""
    if names in (width - 4, width - 5):
        return names == width - 5
    return width - 4 != COCO


def _is_decoded(export: Export, prediction: int) -> bool:
    """Return True if the boxes of a blank picture are spread over all of it, in px."""
    middles = export.outputs[prediction][0, :, :2]
    return bool((np.ptp(middles, axis=0) > np.array(export.size[::-1]) / 2).all())


def _require_names(export: Export, head: Head, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the labels. Raises BadInput unless there are as many as the head has classes."""
    hint = "give their names by `--labels FILE`, one per line"
    if names is None and head.classes == COCO:
        log.warning(f"{export.path} does not name its {COCO} classes: COCO's names are assumed")
        return read_card(FOLDER).labels
    if names is None:
        count = "" if head.classes is None else f"{head.classes} "
        raise BadInput(f"{export.path} does not name its {count}classes", hint=hint)
    classes = head.classes or len(_stated_names(export) or names)
    if len(names) != classes:
        raise BadInput(
            f"there are {len(names)} labels, but {export.path} has {classes} classes"
            f" (its outputs have the shapes {export.shapes})",
            hint=hint,
        )
    return names


def _card(export: Export, head: Head, labels: tuple[str, ...], name: str) -> DetectorCard:
    is_yolox = head.family == "yolox" or _is_decoded_yolox(export, head)
    decode: dict[str, Any] = {"prediction": head.prediction, "objectness": head.objectness}
    if head.family == "yolox":
        decode["strides"] = list(head.grid.strides) if head.grid else []
    else:
        decode |= {"layout": head.layout, "prototypes": head.prototypes}
    iou = None if head.classes is None else IOU_WITH_OBJECTNESS if head.objectness else IOU
    return DetectorCard(
        name=name,
        plugin="objects",
        family=head.family,
        labels=labels,
        input={
            "size": list(export.size),
            "resize": "letterbox",
            "interpolation": "bilinear",
            "place": "corner" if is_yolox else "centre",
            "channels": "BGR" if is_yolox else "RGB",
            "layout": export.layout,
            "scale": 1.0 if is_yolox else PIXEL,
            "mean": [0.0] * 3,
            "std": [1.0] * 3,
            "pad": GREY,
        },
        decode=decode,
        min_score=MIN_SCORE,
        iou=iou,
        max_regions=MAX_REGIONS,
        licence=export.metadata.get("license", "not stated by its file"),
        source=f"{export.metadata.get('description', 'YOLO')}, from {export.path.name}",
    )


def _is_decoded_yolox(export: Export, head: Head) -> bool:
    """Return True for YOLOX with its grid applied: as YOLOv6, but objectness is not always 1."""
    if not head.objectness or head.grid is None or head.grid.anchors > 1:
        return False
    scores = export.outputs[head.prediction][0, :, 4]
    return "names" not in export.metadata and bool((scores != 1).any())
