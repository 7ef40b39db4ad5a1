"""siamkit calibrate"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, stderr, table, tell
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.types import Calibration, Fault


@click.command(
    epilog="""\b
Examples:
  siamkit calibrate staff                          by the gallery's own samples
  siamkit calibrate staff --trials pairs.csv       by labelled pairs: a,b,label
  siamkit calibrate staff --fmr 1e-4               decide at that false match rate from now on
  siamkit calibrate staff --precision 0.99 --trials pairs.csv
  siamkit calibrate staff --output staff.json
  siamkit calibrate staff --report staff.html      a page: are the probabilities right?

\b
Needs identities with two samples or more. A false match rate t needs 3 / t pairs of different
identities (the rule of three); what the data cannot support is refused.
"""
)
@click.argument("gallery")
@click.option(
    "--trials", type=click.Path(path_type=Path), metavar="FILE|FOLDER",
    help="Labelled pairs, or a folder per identity [default: the gallery's own samples].",
)  # fmt: skip
@click.option(
    "--fmr", type=float, metavar="RATE",
    help="False match rate to decide at [default: 0.001, or what the data supports].",
)  # fmt: skip
@click.option(
    "--precision", type=float, metavar="SHARE",
    help="Instead: so large a share of what is called the same shall be, among such pairs.",
)  # fmt: skip
@click.option(
    "--fpir", type=float, metavar="RATE",
    help="How often a stranger may be identified, however many are enrolled [default: 0.01, or what"
    " the data supports].",
)  # fmt: skip
@click.option(
    "--method", type=click.Choice(["logistic", "isotonic"]),
    help="How a score becomes a probability [default: what does better on unseen identities].",
)  # fmt: skip
@click.option(
    "--snorm/--no-snorm", default=None,
    help="Decide by adaptive S-norm: scores relative to the people of the gallery [default: where"
    " the modality is better for it].",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE.json",
    help="Write the calibration to a file too, for a plugin to ship.",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html",
    help="Write a page with the reliability diagram, the map and the thresholds.",
)  # fmt: skip
@options.store
@options.as_json
def calibrate(
    gallery: str,
    trials: Path | None,
    fmr: float | None,
    precision: float | None,
    fpir: float | None,
    method: str | None,
    snorm: bool | None,
    output: Path | None,
    report: Path | None,
    store: Path,
    as_json: bool,
) -> int:
    """Measure what the scores of GALLERY mean; from now on it decides by that.

    Queries and verifications then tell a probability, and what cannot be told.
    """
    if fmr is not None and precision is not None:
        raise click.UsageError("--fmr and --precision both set the threshold: give one.")
    if snorm and trials:
        raise click.UsageError("--snorm is by who is enrolled; it does not go with --trials.")
    if output:
        if output.suffix != ".json":
            raise click.UsageError("--output takes a name that ends in .json.")
        options.check_writable("--output", output, trials)
    options.check_report(report)
    from siamkit.stats.calibration_fit import CalibrationTargets

    faults: list[Fault] = []
    with options.workspace(store) as ws, steps() as progress:
        made = ws.calibrate(
            gallery,
            trials,
            targets=CalibrationTargets(fmr, precision, fpir, method),  # type: ignore[arg-type]
            normalise=snorm,
            report_fault=faults.append,
            progress=progress,
        )
    if output:
        from siamkit.io.atomic import replace_text
        from siamkit.stats.calibration_json import to_json

        replace_text(output, to_json(made) + "\n")
    if report:
        from siamkit.io.atomic import replace_text
        from siamkit.reports import calibrate as calibration_page

        replace_text(report, calibration_page.html(made, gallery))
    tell(faults)
    if as_json:
        emit_json(_facts(gallery, made, faults))
    else:
        _print(gallery, made)
    return 1 if faults else 0


def _facts(gallery: str, made: Calibration, faults: list[Fault]) -> dict[str, Any]:
    from siamkit.stats.calibration import different_below, threshold_for_fmr
    from siamkit.stats.calibration_json import to_dict

    decides = made.normalised or made
    limit = threshold_for_fmr(decides)
    return {
        "gallery": gallery,
        "decides_by": "cosine" if decides is made else "S-norm",
        "threshold": asdict(limit),
        "different_below": min(different_below(decides), limit.value),
        "faults": [{"where": fault.where, "reason": fault.reason} for fault in faults],
        **to_dict(made),
    }


def _print(gallery: str, made: Calibration) -> None:
    from siamkit.stats.calibration import different_below, threshold_for_fmr

    plain, made = made, made.normalised or made
    limit = threshold_for_fmr(made)
    click.echo(f"{gallery} is calibrated by {made.source}")
    rows: list[tuple[str, str]] = [
        ("comparisons", f"{made.mated:,} mated, {made.non_mated:,} non-mated"),
        ("impostor pairs", f"{made.impostor_pairs:,}, of {made.identities:,} identities"),
        ("same from", f"{limit.value:.3f}, false match rate {made.fmr:g}"),
        ("different below", f"{min(different_below(made), limit.value):.3f}"),
        ("lowest rate supported", f"{made.false_matches.rates[-1]:.2g}"),
        ("probability", f"{made.method} map"),
        ("decides by", "the cosine" if made is plain else "adaptive S-norm of the cosine"),
    ]
    if made.cllr is not None and made.min_cllr is not None:
        rows.append(("Cllr", f"{made.cllr:.3f} bits, at best {made.min_cllr:.3f}"))
        rows.append(("Brier score, ECE", f"{made.brier:.4f}, {made.ece:.4f}"))
    if fpir_model := made.fpir_model:
        from siamkit.stats.fpir import threshold_for_fpir

        for size in (1, 100, 10_000):
            value = threshold_for_fpir(fpir_model, made.fpir, size)
            none = made is plain and value > 1
            shown = "none: no cosine is so high" if none else f"{value:.3f}, FPIR {made.fpir:g}"
            rows.append((f"1 of {size:,}", shown))
    table(["", ""], rows)
    if made.cllr is None:
        stderr("Note: too few identities to judge the probabilities on unseen ones")
    if made.fpir_model is None:
        stderr("Note: too few samples to set a threshold for identification")
