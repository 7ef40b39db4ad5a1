"""siamkit find"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import siamkit as sk
from siamkit.cli import checks, find_results, options
from siamkit.cli.output import echo, emit_json, print_error, stderr
from siamkit.cli.progress import steps
from siamkit.types import ignore_progress


@click.command(
    epilog="""\b
Examples:
  siamkit init logos -m images --encoder detail        a gallery for logos, products, labels
  siamkit enrol logos acme.png --as acme               one example is enough
  siamkit find logos street.jpg                        where is it, or is it absent?
  siamkit find logos photos/ -o found.json             COCO JSON, identities as categories
  siamkit find logos photos/ --save-annotated seen --report page.html
  siamkit find logos shelf.jpg --tiles 640             small things in a large picture
  siamkit find faces party.jpg                         who is where?
  siamkit calibrate logos --find street_scenes/        set the threshold for a rate per picture
  siamkit find logos street.jpg --fpir 0.05            1 in 20 pictures without it gets a box

\b
-o FILE: .json is COCO JSON; .csv, .tsv, .jsonl, .parquet and .db are a table with one row per
place; a folder gets a YOLO label file per picture, and classes.txt.
Exit codes: 0 something enrolled is there; 3 absent; 5 inconclusive, as no threshold is known. With
several pictures the best outcome counts.
"""
)
@click.argument("gallery")
@click.argument("files", nargs=-1, required=True, type=options.PATH, metavar="FILE|DIR...")
@options.find_setup
@options.decision_rule(options.find_threshold, options.find_fpir, options.rerank)
@options.output("Write the places: see below.", metavar="FILE|DIR")
@options.path("--crops", metavar="DIR", help="Save each place as a picture.")
@options.path(
    "--save-annotated",
    "annotated",
    metavar="FILE|DIR",
    help="Save the picture, or several to a folder, with boxes, masks and identities.",
)
@options.report("Write a page with every place beside the example that it matches.")
@options.page
@options.verbose
@options.workspace
@options.as_json
def find(
    ws: sk.Workspace,
    gallery: str,
    setup: options.FindChoice,
    rule: sk.DecisionRule,
    as_json: bool,
    **values: Any,
) -> int:
    """Find every place in FILES that shows something enrolled in GALLERY, or say that it is absent.

    FILES are pictures; of a folder, all files in it. Each region that the detector proposes is
    compared with the gallery. The threshold holds for whole pictures: see `siamkit calibrate
    --find`.
    """
    request = FindRequest(**values)
    request.check()
    checks.require_gallery(ws, gallery)
    results = find_results.Results(gallery, setup, keeps_facts=as_json)
    table = None
    if request.is_batch and not as_json:
        table = find_results.PictureTable(request.names())
    with steps() as progress:
        searched = ws.find_many(
            gallery,
            request.files,
            detector=options.default_or_none(setup.detector),
            tiles=setup.tiles,
            rule=rule,
            output=request.output_files,
            progress=progress if request.is_batch else ignore_progress,
        )
        try:
            with closing(searched):  # which writes the files of what is done
                for picture in searched:
                    if picture.error and not (request.is_batch or as_json):
                        raise picture.error
                    results.add(picture)
                    if picture.error:
                        print_error(picture.error)
                    elif table:
                        table.add(picture)
                    elif not as_json:
                        find_results.show(picture, verbose=request.verbose)
        except KeyboardInterrupt:
            if as_json:
                emit_json(results.facts())
            raise
    if as_json:
        emit_json(results.facts())
    elif table:
        echo(results.summary())
        echo(find_results.describe_basis(results.threshold))
    if hint := results.hint():
        stderr(f"Hint: {hint}")
    for path in request.paths:
        stderr(f"saved {path}")
    return results.exit_code()


@dataclass(frozen=True, slots=True)
class FindRequest:
    """Options of one `find` command: where to look, and what to save."""

    files: tuple[Path, ...]
    output: Path | None
    crops: Path | None
    annotated: Path | None
    report: Path | None
    verbose: bool

    @property
    def is_batch(self) -> bool:
        from siamkit.io.listed_sources import has_folder

        return len(self.files) > 1 or has_folder(self.files)

    def names(self) -> list[str]:
        """Return the names of the pictures, for the width of a column."""
        from siamkit.io.listed_sources import list_sources

        return [item.name for item in list_sources(self.files, self.paths)]

    @property
    def paths(self) -> list[Path]:
        """The files and folders to write."""
        paths = (self.output, self.crops, self.annotated, self.report)
        return [path for path in paths if path]

    @property
    def output_files(self) -> sk.FindFiles | None:
        if not self.paths:
            return None
        return sk.FindFiles(self.output, self.crops, self.annotated, self.report)

    def check(self) -> None:
        """Raise UsageError for an output that is an input, or a page that cannot be written."""
        checks.require_page(self.report)
        checks.require_separate(self.paths, self.files)
