"""siamkit calibrate"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import echo, emit_json, print_faults, stderr, table
from siamkit.cli.progress import steps
from siamkit.cli.provenance import what_passes
from siamkit.io.wording import format_odds

if TYPE_CHECKING:
    from siamkit.io.wording import Nouns
    from siamkit.types import Calibration, Fault

SIZES = (1, 100, 10_000)  # identities of the galleries that the thresholds are shown for


FMR = click.option(
    "--fmr",
    type=float,
    metavar="RATE",
    help="False match rate to decide at [default: 0.001, or what the data supports].",
)
PRECISION = click.option(
    "--precision",
    type=float,
    metavar="SHARE",
    help="Precision to reach on pairs like these, instead of --fmr.",
)
FPIR = click.option(
    "--fpir",
    type=float,
    metavar="RATE",
    help="Maximum false positive identification rate, at any gallery size [default: 0.01, or what"
    " the data supports].",
)
METHOD = click.option(
    "--method",
    type=click.Choice(["logistic", "isotonic"]),
    help="Map from score to probability [default: the better one on unseen identities].",
)
OUTPUT = options.output(
    "Also write the calibration to a file, for a plugin to ship.", metavar="FILE.json"
)
REPORT = options.report(
    "Write a page with the reliability diagram, the probabilities and the thresholds."
)


@click.command(
    epilog="""\b
Examples:
  siamkit calibrate staff                          by the gallery's own samples
  siamkit calibrate staff --trials pairs.csv       by labelled pairs: a,b,label
  siamkit calibrate staff --fmr 5e-4               decide at that false match rate from now on
  siamkit calibrate staff --precision 0.8 --trials pairs.csv
  siamkit calibrate staff -o staff.json --report staff.html    a page: are they right?
  siamkit calibrate logos --find scenes/           for `find`: pictures of nothing enrolled
  siamkit calibrate logos --find labelled.json     COCO JSON, its categories are identities

\b
Some identities need at least two samples. A false match rate t needs 3 / t pairs of different
identities (the rule of three); rates that the data cannot support are refused. For `find`, --fpir
is a rate per picture, and a rate of t needs 1 / t - 1 pictures that show nothing enrolled.
"""
)
@click.argument("gallery")
@options.path(
    "--trials",
    metavar="FILE|FOLDER",
    help="Labelled pairs, or a folder per identity [default: the gallery's own samples].",
)
@options.path(
    "--find",
    "pictures",
    metavar="DIR|FILE.json",
    help="Calibrate `siamkit find`, by pictures that show nothing enrolled, or a COCO JSON.",
)
@options.find_setup
@click.option(
    "--rerank",
    "reranker",
    metavar="NAME|none",
    callback=lambda context, parameter, name: None if name == "none" else name,
    help="With --find: the reranker that will judge the best places [default: none].",
)
@options.table
@options.encoding
@click.option(
    "--snorm/--no-snorm",
    default=None,
    help="Decide by adaptive S-norm: scores relative to the others in the gallery [default: if it"
    " suits the modality].",
)
@options.bundle("targets", "CalibrationTargets", FMR, PRECISION, FPIR, METHOD)
@options.outputs(OUTPUT, REPORT)
@options.verbose
@options.workspace
def calibrate(
    ws: sk.Workspace,
    gallery: str,
    trials: Path | None,
    pictures: Path | None,
    setup: options.FindChoice,
    reranker: str | None,
    table: str | None,
    encoding: str | None,
    snorm: bool | None,
    targets: sk.CalibrationTargets,
    outputs: options.Outputs,
    verbose: bool,
) -> int:
    """Measure what the scores of GALLERY mean; later decisions use the result.

    Queries and verifications then give a probability, and say when they are inconclusive.
    """
    if pictures:
        from siamkit.cli import calibrate_find

        if trials or table or encoding or snorm is not None:
            raise click.UsageError("--find takes neither --trials, --table, --encoding nor --snorm")
        return calibrate_find.run(ws, gallery, pictures, setup, reranker, targets, outputs)
    if setup.options or reranker:
        raise click.UsageError("--detector, --tiles and --rerank go with --find.")
    if snorm and trials:
        raise click.UsageError(
            "--snorm is relative to who is enrolled; it cannot be combined with --trials."
        )
    if outputs.output:
        if outputs.output.suffix != ".json":
            raise click.UsageError("--output: the name must end in .json.")
        checks.require_writable("--output", outputs.output, trials)
    checks.require_page(outputs.report)
    faults: list[Fault] = []
    with steps() as progress:
        calibration = ws.calibrate(
            gallery,
            trials,
            table=table,
            encoding=encoding,
            targets=targets,
            normalise=snorm,
            report_fault=faults.append,
            progress=progress,
        )
    _write(calibration, gallery, outputs)
    print_faults(faults)
    if outputs.as_json:
        from siamkit.reports.collection_facts import of_calibration

        emit_json(of_calibration(gallery, calibration, faults))
    else:
        modality = ws.gallery(gallery).space.modality
        _print(gallery, calibration, ws.nouns(modality), verbose)
    return 1 if faults else 0


def _write(calibration: Calibration, gallery: str, outputs: options.Outputs) -> None:
    from siamkit.io.atomic import replace_text

    if outputs.output:
        from siamkit.stats.calibration_json import to_json

        replace_text(outputs.output, to_json(calibration) + "\n")
    if outputs.report:
        from siamkit.reports import calibrate as calibration_page

        replace_text(outputs.report, calibration_page.html(calibration, gallery))


def _print(gallery: str, calibration: Calibration, nouns: Nouns, verbose: bool) -> None:
    deciding = calibration.normalised or calibration
    echo(f"{gallery} is calibrated by {deciding.source}")
    echo(
        f"compared: {deciding.mated:,} pairs of the same {nouns.singular},"
        f" {deciding.non_mated:,} of different {nouns.plural},"
        f" from {deciding.identities:,} identities"
    )
    table(["", "score", ""], [*_limit_rows(deciding, nouns), *_search_rows(calibration, nouns)])
    lowest = format_odds(deciding.false_matches.rates[-1])
    echo(f"the strictest rate that so many pairs can show: {lowest} pairs (--fmr)")
    if verbose:
        scale = "the cosine" if deciding is calibration else "adaptive S-norm of the cosine"
        echo(f"decides by {scale}; map to probabilities: {deciding.method}")
        if deciding.cllr is not None and deciding.min_cllr is not None:
            echo(f"Cllr {deciding.cllr:.3f} bits, at best {deciding.min_cllr:.3f}")
            echo(f"Brier score {deciding.brier:.4f}, expected calibration error {deciding.ece:.4f}")
    elif deciding is not calibration:
        echo("scores are adaptive S-norms: relative to the others in the gallery")
    if deciding.cllr is None:
        stderr("Note: too few identities to test the probabilities on unseen ones")
    if deciding.fpir_model is None:
        stderr("Note: too few samples to set a threshold for identification")


def _limit_rows(deciding: Calibration, nouns: Nouns) -> Iterator[tuple[str, str, str]]:
    """Yield from where on a pair is the same, and below what it is different, in words."""
    from siamkit.stats.calibration import different_below, threshold_for_fmr

    same = threshold_for_fmr(deciding)
    below = min(different_below(deciding), same.value)
    missed = max(deciding.fmr, deciding.false_non_matches.rates[-1])
    yield (
        f"same {nouns.singular} from",
        f"{same.value:.3f}",
        what_passes(same, nouns),
    )
    yield (
        f"different {nouns.plural} below",
        f"{below:.3f}",
        f"{format_odds(missed)} pairs of the same {nouns.singular} would be missed"
        if below < same.value
        else "",
    )
    if below < same.value:
        yield ("inconclusive", "between", "")


def _search_rows(calibration: Calibration, nouns: Nouns) -> Iterator[tuple[str, str, str]]:
    """Yield from where on a search in galleries of several sizes finds somebody, in words."""
    from siamkit.stats.fpir import threshold_for_fpir
    from siamkit.types import Threshold

    deciding = calibration.normalised or calibration
    if deciding.fpir_model is None:
        return
    words = what_passes(Threshold(0.0, fpir=deciding.fpir), nouns)
    for size in SIZES:
        value = threshold_for_fpir(deciding.fpir_model, deciding.fpir, size)
        is_possible = deciding is not calibration or value <= 1
        yield (
            f"found among {size:,} from",
            f"{value:.3f}" if is_possible else "none",
            words if is_possible else "it would exceed a cosine of 1",
        )
