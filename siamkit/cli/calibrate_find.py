"""`siamkit calibrate GALLERY --find PICTURES`: the threshold of searches in pictures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import echo, emit_json, fault_facts, one_line, print_faults, stderr, table
from siamkit.cli.progress import steps
from siamkit.io.wording import format_odds

if TYPE_CHECKING:
    from siamkit.flows.calibrate_find import CalibratedSearch
    from siamkit.stats.find_calibration import FindCalibration
    from siamkit.types import Fault

WORST = 5  # pictures that are named: the highest scores of what shows nothing enrolled


def run(
    ws: sk.Workspace,
    gallery: str,
    pictures: Path,
    setup: options.FindChoice,
    reranker: str | None,
    targets: sk.CalibrationTargets,
    outputs: options.Outputs,
) -> int:
    """Calibrate a search, and print its threshold. Returns 1 if some pictures could not be used."""
    if targets.fmr is not None or targets.precision is not None or targets.method is not None:
        raise click.UsageError("--find has a rate per picture: give --fpir, or none.")
    if outputs.output or outputs.report:
        raise click.UsageError("--find writes no --output and no --report.")
    faults: list[Fault] = []
    with steps() as progress:
        measured = ws.calibrate_find(
            gallery,
            pictures,
            detector=options.default_or_none(setup.detector),
            tiles=setup.tiles,
            fpir=targets.fpir,
            reranker=reranker,
            report_fault=faults.append,
            progress=progress,
        )
    print_faults(faults)
    if outputs.as_json:
        emit_json(_facts(gallery, measured, faults))
    else:
        _print(gallery, measured)
    return 1 if faults else 0


def _facts(gallery: str, measured: CalibratedSearch, faults: list[Fault]) -> dict[str, Any]:
    calibration = measured.calibration
    sightings = calibration.sightings
    return {
        "gallery": gallery,
        "setup": asdict(calibration.setup),
        "source": calibration.source,
        "threshold": asdict(calibration.threshold()),
        "fpir": calibration.fpir,
        "fpir_upper_bound": round(calibration.upper_bound, 6),
        "lowest_fpir": round(calibration.lowest_fpir, 6),
        "pictures": len(calibration.highest),
        "identities": calibration.identities,
        "samples": calibration.samples,
        "sightings": sightings and {"right": sightings.right, "wrong": sightings.wrong},
        "highest": [asdict(picture) for picture in measured.highest],
        "faults": fault_facts(faults),
    }


def _print(gallery: str, measured: CalibratedSearch) -> None:
    calibration = measured.calibration
    echo(f"{gallery} is calibrated for find {calibration.setup.options}, by {calibration.source}")
    sightings = calibration.sightings
    echo(f"present from {calibration.threshold().value:.3f}: {_in_words(calibration)}")
    lowest = format_odds(calibration.lowest_fpir)
    echo(f"the strictest rate that so many pictures can show: {lowest} pictures (--fpir)")
    if sightings:
        echo(f"probability by {sightings.right:,} right and {sightings.wrong:,} wrong places")
    else:
        echo("no probability: too few labelled places")
    echo()
    echo("Highest scores. A picture that does show what it is taken for spoils the threshold:")
    worst = [
        (one_line(picture.picture, 100), one_line(picture.identity, 50) or None, picture.score)
        for picture in measured.highest[:WORST]
    ]
    table(["picture", "taken for", "score"], worst)
    if calibration.missing:
        stderr(f"Note: {calibration.missing} more pictures would support the usual rate of 0.05")


def _in_words(calibration: FindCalibration) -> str:
    """Say how often a picture of nothing enrolled gets a box."""
    bound = format_odds(calibration.upper_bound)
    return (
        f"{format_odds(calibration.fpir)} pictures that show nothing enrolled would get a box, on"
        f" average (with 95 % confidence, fewer than {bound} pictures)"
    )
