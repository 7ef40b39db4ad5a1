"""Files of detected regions: COCO JSON, YOLO labels or a table; crops, and annotated pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from siamkit.errors import BadInput
from siamkit.flows.detect import Detected
from siamkit.io import coco, table_write
from siamkit.io.atomic import adding_files, create_folder, replace_text, require_writable
from siamkit.io.picture_write import PICTURES, save_picture
from siamkit.io.places import expand
from siamkit.io.printable import blank
from siamkit.io.sources import absolute, to_text
from siamkit.io.table_write import Schema, Values
from siamkit.protocols import Source
from siamkit.reports.regions import annotate, cut, mark
from siamkit.sdk import region_formats
from siamkit.sdk.regions import spans
from siamkit.types import Image, Region

Format: TypeAlias = Literal["coco", "yolo", "csv"]
FORMATS: tuple[Format, ...] = ("coco", "yolo", "csv")
TABLE = "detections"  # of a database
BOXES: Schema = {
    "image": str, "label": str, "score": float,
    "left": float, "top": float, "right": float, "bottom": float,
}  # fmt: skip
SPANS: Schema = {"sound": str, "label": str, "score": float, "start": float, "stop": float}
DECIMALS = 2  # of px and seconds
NAME_CHARS = 40  # of a label in a file's name
COMPRESSION = 2  # of PNG: photographs measured no larger than with 6, in 0.4 of the time
CLASSES = "classes.txt"  # of YOLO labels


@dataclass(slots=True, eq=False)
class RegionFiles:
    """Files that a detection writes. Nothing is written for a source that cannot be read.

    Examples:
        >>> files = sk.RegionFiles()  # doctest: +SKIP
    """

    output: str | Path | None = None
    format: Format | None = None  # of `output`; None for that of its suffix
    crops: str | Path | None = None  # a folder
    annotated: str | Path | None = None  # a picture, or a folder for several
    polygons: bool = False  # COCO: masks without holes as polygons
    _output: Path | None = field(init=False)
    _crops: Path | None = field(init=False)
    _annotated: Path | None = field(init=False)
    _kind: str = field(default="image", init=False)  # of the sources
    _unlabelled: str = field(default="", init=False)  # names regions without a label: the detector
    _classes: dict[str, int] = field(default_factory=dict, init=False)  # number by label
    _pictures: list[coco.Picture] = field(default_factory=list, init=False)
    _rows: list[Values] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._output, self._crops, self._annotated = (
            None if path is None else expand(Path(path))
            for path in (self.output, self.crops, self.annotated)
        )

    @property
    def written_as(self) -> Format | None:
        """The format of `output`, by its suffix if none is given. Raises BadInput."""
        if self._output is None or self.format:
            return self.format
        suffix = self._output.suffix.lower()
        if suffix == ".json":
            return "coco"
        if suffix in table_write.WRITABLE:
            return "csv"
        if not suffix or self._output.is_dir():
            return "yolo"
        hint = "end it in .json (COCO), .csv, or name a folder (YOLO); or give `--format`"
        raise BadInput(f"{to_text(self._output)}: cannot write {suffix!r}", hint=hint)

    @property
    def key(self) -> str:
        """Every choice that changes the files, their paths included."""
        names = [str(path and to_text(absolute(path))) for path in self._all_paths]
        return "\n".join([*names, str(self.written_as), str(self.polygons)])

    @property
    def paths(self) -> Sequence[Path]:
        """The files and folders that are written."""
        return [path for path in self._all_paths if path]

    @property
    def _all_paths(self) -> Sequence[Path | None]:
        return self._output, self._crops, self._annotated

    def begin(self, kind: str, labels: Sequence[str], name: str, *, several: bool) -> None:
        """Create the folders, and empty what an earlier search has left in this object.

        kind: of the sources. labels: that regions may have. name: of regions without a label.
        several: there is more than one source, or a folder of them. Raises BadInput for what cannot
        be written.
        """
        self._kind, self._unlabelled = kind, name
        names = labels or (self._unlabelled,)
        self._classes = {label: number for number, label in enumerate(names)}
        self._pictures, self._rows = [], []
        written_as = self.written_as
        needs_pictures = self._crops or self._annotated or written_as in ("coco", "yolo")
        if self._kind != "image" and needs_pictures:
            raise BadInput(
                f"{self._kind} has no boxes, crops or pictures to write",
                hint="write its spans to a .csv file",
            )
        if self._output and written_as == "csv":
            table_write.check(self._output, self._schema, table=TABLE)
        elif self._output and written_as == "coco":
            require_writable(self._output)
        into_folder = self._annotated and (several or _is_folder(self._annotated))
        if into_folder and self._annotated and self._annotated.suffix.lower() in PICTURES:
            raise BadInput(
                f"{to_text(self._annotated)} is the name of one picture, and there may be several",
                hint="name a folder",
            )
        if self._annotated and not into_folder:
            require_writable(self._annotated, PICTURES)
        yolo = self._output if written_as == "yolo" else None
        for folder in (yolo, self._crops, self._annotated if into_folder else None):
            if folder:
                _require_folder(folder)

    def annotated_of(self, source: Source, stem: str) -> Path | None:
        """Return where the annotated picture of a source is saved; None if none is."""
        if self._annotated is None or not self._annotated.is_dir():
            return self._annotated
        suffix = "" if isinstance(source, bytes) else Path(source).suffix
        return self._annotated / f"{stem}{suffix if suffix.lower() in PICTURES else '.png'}"

    def save(self, detected: Detected, medium: Any, stem: str) -> list[Path]:
        """Write the files of one source, and return them. stem: a relative path, unique."""
        files: list[Path] = []
        if self._crops:
            files += self._save_crops(self._crops, detected, medium, stem)
        if path := self.annotated_of(detected.source, stem):
            create_folder(path.parent)
            marks = [mark(region, number) for number, region in enumerate(detected.regions, 1)]
            save_picture(annotate(medium, marks), path)
            files.append(path)
        return files

    def add(self, detected: Detected, stem: str) -> None:
        """Take the regions of one source into `output`."""
        if self._output is None:
            return
        if self.written_as == "coco":
            size = detected.width, detected.height
            annotations = [
                {**annotation, coco.CATEGORY: annotation[coco.CATEGORY] or self._unlabelled}
                for annotation in (
                    region_formats.to_annotation(region, *size, polygons=self.polygons)
                    for region in detected.regions
                )
            ]
            self._pictures.append(coco.Picture(detected.source, *size, annotations))
        elif self.written_as == "yolo":
            lines = (self._yolo_line(region, detected) for region in detected.regions)
            replace_text(_below(self._output, stem, ".txt"), "".join(lines))
        else:
            self._rows += _rows(detected, self._kind)

    def finish(self) -> None:
        """Write the files that hold the regions of all sources."""
        if self._output is None:
            return
        if self.written_as == "coco":
            coco.write(self._output, self._pictures, self._classes)
        elif self.written_as == "yolo":
            names = "".join(f"{blank(label)}\n" for label in self._classes)
            replace_text(self._output / CLASSES, names)
        else:
            table_write.write(self._output, self._schema, self._rows, table=TABLE)

    @property
    def _schema(self) -> Schema:
        return BOXES if self._kind == "image" else SPANS

    def _save_crops(self, folder: Path, detected: Detected, medium: Image, stem: str) -> list[Path]:
        """Write the crops of one picture, all or none."""
        folder, name = _below(folder, stem, "").parent, Path(stem).name
        files: list[Path] = []
        if detected.regions:
            with adding_files(folder) as beside:
                for number, region in enumerate(detected.regions, 1):
                    label = re.sub(r"[^\w-]+", "_", region.label)[:NAME_CHARS]
                    file = f"{name}-{number}{'-' * bool(label)}{label}.png"
                    cut(medium, region).save(beside / file, compress_level=COMPRESSION)
                    files.append(folder / file)
        return files

    def _yolo_line(self, region: Region, detected: Detected) -> str:
        """Return class, centre x and y, width and height, as shares of the picture."""
        label = region.label or self._unlabelled
        number = self._classes.setdefault(label, len(self._classes))
        (left, top, right, bottom) = region_formats.box(region, (detected.width, detected.height))
        shares = (
            (left + right) / 2 / detected.width,
            (top + bottom) / 2 / detected.height,
            (right - left) / detected.width,
            (bottom - top) / detected.height,
        )
        return f"{number} {' '.join(f'{share:.6f}' for share in shares)}\n"


def _rows(detected: Detected, kind: str) -> list[Values]:
    """Return a row per box or span, and one without them for a source in which nothing is."""
    if not detected.regions:
        return [(detected.source, *[None] * (6 if kind == "image" else 4))]
    rows: list[Values] = []
    for region in detected.regions:
        first = (detected.source, region.label or None, round(float(region.score), 5))
        if kind == "image":
            size = (detected.width, detected.height)
            places: Iterable[Sequence[float]] = [region_formats.box(region, size)]
        else:
            places = spans(region, detected.seconds)
        rows += [(*first, *(round(float(v), DECIMALS) for v in place)) for place in places]
    return rows


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix


def _require_folder(folder: Path) -> None:
    """Create a folder where it is missing. Raises BadInput, naming it, if it cannot be written."""
    try:
        create_folder(folder)
    except OSError as error:
        raise BadInput(f"{to_text(folder)} cannot be written: {error.strerror}") from error
    require_writable(folder / CLASSES)


def _below(folder: Path, stem: str, ending: str) -> Path:
    """Return a file below a folder, whose own folder is created."""
    path = folder / f"{stem}{ending}"
    if path.parent != folder:
        create_folder(path.parent)
    return path
