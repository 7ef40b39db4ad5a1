"""siamkit find"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import find_results, options
from siamkit.cli.output import emit_json, print_error
from siamkit.cli.progress import steps
from siamkit.io.folders import files_under


@click.command(
    epilog="""\b
Examples:
  siamkit enrol logos acme.png --as acme -m images     one example is enough
  siamkit find logos street.jpg                        where is it, or is it absent?
  siamkit find logos shelf.jpg --tiles 640             small things in a large picture
  siamkit find faces party.jpg                         who is where?
  siamkit calibrate logos --find street_scenes/        set the threshold for a rate per picture
  siamkit find logos street.jpg --fpir 0.01            1 in 100 pictures without it gets a box

\b
Exit codes: 0 something enrolled is there; 3 absent; 5 can't tell, as no threshold is known. With
several pictures the best outcome counts.
"""
)
@click.argument("gallery")
@click.argument("files", nargs=-1, required=True, type=options.PATH, metavar="FILE|DIR...")
@options.find_setup
@options.decision_rule(options.find_threshold, options.find_fpir, options.rerank)
@options.workspace
@options.as_json
def find(
    ws: sk.Workspace,
    gallery: str,
    files: tuple[Path, ...],
    setup: options.FindChoice,
    rule: sk.DecisionRule,
    as_json: bool,
) -> int:
    """Find every place in FILES that shows something enrolled in GALLERY, or say that it is absent.

    FILES are pictures; of a folder, all files in it. Each region that the detector proposes is
    compared with the gallery. The threshold holds for whole pictures: see `siamkit calibrate
    --find`.
    """
    paths = [path for file in files for path in (files_under(file) if file.is_dir() else [file])]
    results = find_results.Results(gallery, setup, keeps_facts=as_json)
    raises_error = len(paths) == 1 and not as_json
    try:
        for picture in _search(ws, gallery, paths, setup, rule):
            if picture.error and raises_error:
                raise picture.error
            results.add(picture)
            if picture.error:
                print_error(picture.error)
            elif not as_json:
                find_results.show(picture)
    except KeyboardInterrupt:
        if as_json:  # of the pictures that are done
            emit_json(results.facts())
        raise
    if as_json:
        emit_json(results.facts())
    else:
        results.show_basis()
    return results.exit_code()


def _search(
    ws: sk.Workspace,
    gallery: str,
    paths: Sequence[Path],
    setup: options.FindChoice,
    rule: sk.DecisionRule,
) -> Iterator[sk.SearchedPicture]:
    """Yield the result of each picture, and draw a bar for several."""
    searched = ws.find_many(
        gallery,
        paths,
        detector=options.default_or_none(setup.detector),
        tiles=setup.tiles,
        rule=rule,
    )
    with steps() as progress:
        for number, picture in enumerate(searched, 1):
            if len(paths) > 1:
                progress("searching pictures", number, len(paths))
            yield picture
