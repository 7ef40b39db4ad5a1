"""siamkit detect"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import echo, emit_json, one_line, print_error, stderr, table
from siamkit.cli.progress import steps
from siamkit.errors import NothingFound, SiamkitError
from siamkit.types import Region, ignore_progress

if TYPE_CHECKING:
    from siamkit.reports.region_files import Format
    from siamkit.types import Progress, Prompt

EXIT_PARTLY = 1  # of a batch in which some sources failed


@click.command(
    epilog="""\b
Examples:
  siamkit detect street.jpg                               what is in it?
  siamkit detect street.jpg --label person --min-score 0.5 --save-annotated seen.jpg
  siamkit detect photos/ -o found.json                    COCO JSON of a folder
  siamkit detect photos/ -o labels --crops crops          YOLO labels, and each object by itself
  siamkit detect shelf.jpg --tiles 640                    small objects in a large picture
  siamkit detect shelf.jpg --point 310,220 --json         the one object at a point, cut out
  siamkit detect talk.wav -d speech                       where somebody speaks

\b
-o FILE: .json is COCO JSON; .csv, .tsv, .jsonl, .parquet and .db are a table with one row per
region; a folder gets a YOLO label file per picture, and classes.txt.
Exit codes: 0 something was found; 1 some sources failed; 4 nothing was found in any.
"""
)
@click.argument("files", nargs=-1, required=True, type=options.PATH, metavar="FILE|DIR...")
@click.option(
    "-d",
    "--detector",
    type=options.ORIGIN,
    metavar="NAME|FOLDER",
    help="A detector: see `siamkit detectors list` [default: objects; for a prompt, segments].",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="Only regions with this label; may be repeated.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="Only regions with at least this score [default: the detector's own].",
)
@click.option(
    "--tiles",
    type=options.POSITIVE,
    metavar="PX",
    help="Also search overlapping tiles of this side, for small objects.",
)
@options.prompt
@options.output("Write the regions: see below.", metavar="FILE|DIR")
@click.option(
    "--format",
    type=click.Choice(["coco", "yolo", "csv"]),
    help="Format of --output [default: by its suffix].",
)
@click.option("--polygons", is_flag=True, help="COCO: masks without holes as polygons, not RLE.")
@options.path("--crops", metavar="DIR", help="Save each region as a picture.")
@options.path(
    "--save-annotated",
    "annotated",
    metavar="FILE|DIR",
    help="Save the picture, or several to a folder, with boxes, masks and labels.",
)
@options.page
@options.workspace
@options.as_json
def detect(ws: sk.Workspace, as_json: bool, **values: Any) -> int:
    """Find objects in FILES, or whatever another detector finds.

    FILES are pictures, or recordings for a detector of sounds; of a folder, all files in it.
    """
    request = DetectRequest(**values)
    request.check()
    tally, facts = Tally(), []
    with steps() as progress:
        try:
            for detected in request.run(ws, progress):
                tally.add(detected)
                if as_json:
                    facts.append(detected.to_dict())
                elif detected.error is None and request.prints_regions:
                    _print(detected)
                if detected.error:
                    if not (request.is_batch or as_json):
                        raise detected.error
                    print_error(detected.error)
        except KeyboardInterrupt:
            if request.files_to_write:
                line = f"{tally.sources:,} done so far; run the same command again to continue"
                stderr(line, before="\n")
            raise
    if as_json:
        emit_json({"detector": tally.detector, "sources": facts})
    elif request.is_batch:
        echo(tally.summary())
    for path in request.files_to_write:
        stderr(f"saved {path}")
    return tally.exit_code()


@dataclass(frozen=True, slots=True)
class DetectRequest:
    """Options of one `detect` command: where to look, for what, and what to save."""

    files: tuple[Path, ...]
    detector: str | None
    labels: tuple[str, ...]
    min_score: float | None
    tiles: int | None
    prompt: Prompt | None
    output: Path | None
    format: Format | None
    polygons: bool
    crops: Path | None
    annotated: Path | None

    @property
    def is_batch(self) -> bool:
        return len(self.files) > 1 or self.files[0].is_dir()

    @property
    def files_to_write(self) -> list[Path]:
        return [path for path in (self.output, self.crops, self.annotated) if path]

    @property
    def prints_regions(self) -> bool:
        """True unless the regions of many sources go to a file."""
        return not (self.is_batch and self.output)

    def check(self) -> None:
        """Raise UsageError for options that cannot be combined, or an output that is an input."""
        if self.prompt and self.is_batch:
            raise click.UsageError(
                "--point and --box mark an object in one picture: give one FILE."
            )
        if (self.format or self.polygons) and not self.output:
            raise click.UsageError("--format and --polygons need --output.")
        checks.require_separate(self.files_to_write, self.files)

    def run(self, ws: sk.Workspace, progress: Progress) -> Iterator[sk.Detected]:
        """Yield what is detected in each source, and write the files."""
        files = None
        if self.files_to_write:
            files = sk.RegionFiles(
                self.output, self.format, self.crops, self.annotated, self.polygons
            )
        return ws.detect_many(
            self.files,
            detector=self.detector,
            labels=self.labels,
            min_score=self.min_score,
            tiles=self.tiles,
            prompt=self.prompt,
            output=files,
            progress=progress if self.is_batch else ignore_progress,
        )


@dataclass(slots=True)
class Tally:
    """Counts over the sources of one command."""

    detector: str = ""
    sources: int = 0
    regions: int = 0
    with_regions: int = 0  # sources
    errors: list[SiamkitError] = field(default_factory=list)

    def add(self, detected: sk.Detected) -> None:
        self.detector = detected.detector
        self.sources += 1
        self.regions += len(detected.regions)
        self.with_regions += bool(detected.regions)
        if detected.error:
            self.errors.append(detected.error)

    def summary(self) -> str:
        """Return one line for people."""
        failed = f", {len(self.errors):,} failed" if self.errors else ""
        return (
            f"{self.regions:,} found in {self.with_regions:,} of {self.sources:,}"
            f" ({self.detector}){failed}"
        )

    def exit_code(self) -> int:
        """Return that of the errors if every source failed, 1 if some did, 4 for nothing found."""
        if self.errors and len(self.errors) == self.sources:
            return min(error.exit_code for error in self.errors)
        if self.errors:
            return EXIT_PARTLY
        return 0 if self.regions else NothingFound.exit_code


def _print(detected: sk.Detected) -> None:
    """Print a table of the regions of one source; of a sound's, one row per stretch."""
    count = f"{len(detected.regions)} found" if detected.regions else "nothing found"
    echo(f"{one_line(detected.source, 100)}: {count} ({detected.detector})")
    if not detected.regions:
        return
    has_labels = any(region.label for region in detected.regions)
    has_masks = any(region.mask is not None for region in detected.regions)
    rows: list[list[Any]] = []
    for number, region in enumerate(detected.regions, 1):
        parts = [Region(part) for part in region.parts] or [region]
        label = [one_line(region.label, 50)] if has_labels else []
        mask = None if region.mask is None else int(region.mask.sum())
        for part in parts:
            where = sk.region_choosers.describe_region(part)
            rows.append([number, *label, float(region.score), where, *[mask] * has_masks])
    head = ["#", *["label"] * has_labels, "score", "region", *["mask px"] * has_masks]
    table(head, rows)
