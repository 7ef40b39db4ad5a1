"""siamkit evaluate"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import cut, emit_json, stderr, table, tell
from siamkit.cli.progress import steps
from siamkit.reports import evaluate_text

if TYPE_CHECKING:
    from siamkit.flows.evaluate import Evaluated
    from siamkit.stats.identification import IdentificationMetrics
    from siamkit.stats.verification import OperatingPoint
    from siamkit.types import Fault

SCHEMA = {"a": str, "b": str, "label": int, "score": float}
TABLE = "siamkit_scores"  # in a database


@click.command(
    epilog="""\b
Examples:
  siamkit evaluate trials.csv -m faces                 columns a, b and label (1 same, 0 not)
  siamkit evaluate people/ -m faces --report faces.html    a folder per identity: all pairs, and 1:N
  siamkit evaluate --gallery staff                     each enrolled sample against the others
  siamkit evaluate trials.csv -m questions --rerank lexical     cosine and reranker in one table
  siamkit evaluate trials.csv -m voices --encoder mine/encoder --encoder voices
  siamkit evaluate scores.csv                          columns label and score, from any program
  siamkit evaluate trials.csv -m faces --group country     error rates of each group

\b
Error rates as in ISO/IEC 19795-1, with 95 % intervals over identities. A rate is shown only if the
data could hold 30 errors at it (the rule of 30). Exit code 1 if some samples or lines could not be
used; the others are still measured.
"""
)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@options.modality
@click.option("--gallery", metavar="NAME", help="Use the gallery's encoder and threshold.")
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    metavar="NAME|FOLDER",
    help="An encoder to measure; several are compared [default: the modality's own].",
)
@options.detector
@click.option(
    "--rerank",
    "rerankers",
    multiple=True,
    metavar="NAME",
    help="Also measure a reranker's probability.",
)
@click.option(
    "--snorm", is_flag=True, help="Also measure adaptive S-norm, with the samples as cohort."
)
@click.option("--group", metavar="COLUMN", help="Show error rates for each value of a column.")
@click.option(
    "--threshold",
    type=float,
    metavar="T",
    help="Show the error rates at this score [default: the encoder's or gallery's threshold].",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=100),
    metavar="N",
    help="Maximum number of pairs of a folder or gallery [default: 1000000].",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write a page with curves, score histograms and the worst errors.",
)
@click.option(
    "--scores",
    "scores_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the score of each pair: .csv, .jsonl, .parquet or .db.",
)
@options.store
@options.as_json
def evaluate(
    source: Path | None,
    modality: str | None,
    gallery: str | None,
    encoders: tuple[str, ...],
    detector: str | None,
    rerankers: tuple[str, ...],
    snorm: bool,
    group: str | None,
    threshold: float | None,
    pairs: int | None,
    report: Path | None,
    scores_path: Path | None,
    store: Path,
    as_json: bool,
) -> int:
    """Measure how often an encoder is wrong on SOURCE.

    SOURCE is a table of trials, a folder per identity, or a table of scores.
    """
    if source is None and gallery is None:
        raise click.UsageError("Give SOURCE, or --gallery NAME.")
    if gallery and (modality or encoders or detector):
        raise click.UsageError(
            "-m, --encoder and --detector do not go with --gallery, which has its own."
        )
    if not gallery and not modality and (encoders or detector or rerankers or snorm):
        raise click.UsageError(
            "--encoder, --detector, --rerank and --snorm go with -m or --gallery."
        )
    if source is not None:
        _check_source(source, scored=not gallery and not modality)
    several = max(1, len(encoders)) * (1 + len(rerankers) + snorm)
    _check_outputs(source, report, scores_path, several=several)
    with options.workspace(store) as ws, steps() as progress:
        results = ws.evaluate(
            source,
            modality=modality,
            gallery=gallery,
            encoders=encoders or (None,),
            detector=options.default_or_none(detector),
            rerankers=rerankers,
            normalise=snorm,
            group=group,
            threshold=threshold,
            pairs=pairs,
            progress=progress,
        )
    if scores_path:
        from siamkit.io import table_write

        table_write.write(scores_path, SCHEMA, _score_rows(results[0]), table=TABLE)
    if report:
        from siamkit.io.atomic import replace_text
        from siamkit.reports import evaluate as evaluation_page

        title = str(source) if source else f"gallery {gallery}"
        replace_text(report, evaluation_page.html(results, title))
    faults = _print_faults(results)
    if as_json:
        emit_json([_facts(result) for result in results])
    else:
        _print(results)
    return 1 if faults else 0


def _check_source(source: Path, *, scored: bool) -> None:
    if not source.exists():
        raise click.UsageError(f"{source}: no such file or folder.")
    if scored:
        from siamkit.flows.read_trials import SCORE, read_columns

        columns = [] if source.is_dir() else read_columns(source)
        if SCORE not in columns:
            content = f"columns {', '.join(columns)[:80] or 'none'}"
            raise click.UsageError(
                f"{source} has no column score ({'a folder' if source.is_dir() else content}):"
                " choose the encoder with -m MODALITY or --gallery NAME."
            )


def _check_outputs(
    source: Path | None, report: Path | None, scores_path: Path | None, *, several: int
) -> None:
    """Raise UsageError if an output cannot be written, or would replace the source."""
    from siamkit.io import table_write

    options.check_report(report)
    if scores_path:
        if several > 1:
            raise click.UsageError("--scores takes only one encoder or reranker.")
        table_write.check(scores_path, SCHEMA, table=TABLE)
        options.check_writable("--scores", scores_path, source)


def _score_rows(result: Evaluated) -> Iterator[tuple[str, str, int, float]]:
    from siamkit.io.sources import to_text

    trials = result.trials
    names = [s if isinstance(s, str) else to_text(s) for s in trials.samples]
    columns = (trials.left, trials.right, trials.mated, result.scores)
    for left, right, mated, score in zip(*(column.tolist() for column in columns), strict=True):
        yield names[left], names[right], int(mated), score


def _print_faults(results: list[Evaluated]) -> list[Fault]:
    """Print each fault and note once; return the faults."""
    faults = list(dict.fromkeys(fault for result in results for fault in result.faults))
    tell(faults)
    for note in dict.fromkeys(note for result in results for note in result.notes):
        stderr(f"Note: {note}")
    return faults


def _print(results: list[Evaluated]) -> None:
    figures = evaluate_text.compared(results)
    head = ["", *(cut(result.name, 40) for result in results)]
    table(head, [[name, *values] for name, values in figures.items()])
    for result in results:
        groups = result.measured.groups
        if groups:
            click.echo(f"\n{result.name}, groups at {result.measured.groups_at:.3f}")
            rows = [
                [cut(name, 40), *rates] for name, *rates in map(evaluate_text.group_row, groups)
            ]
            table(evaluate_text.GROUP_HEAD, rows)


def _facts(result: Evaluated) -> dict[str, Any]:
    measured, comparisons = result.measured, result.measured.comparisons
    mated = int(comparisons.mated.sum())
    return {
        "name": result.name,
        "mated": mated,
        "non_mated": len(comparisons) - mated,
        "identities": comparisons.identities,
        "impostor_pairs": comparisons.impostor_pairs,
        "draws": measured.draws,
        "roc_auc": asdict(measured.auc),
        "eer": {**asdict(measured.eer), "threshold": measured.eer_threshold},
        "at_fmr": [_point(point) for point in measured.at_fmr],
        "unsupported_fmr": measured.unsupported_fmrs,
        "at_threshold": [_point(point) for point in measured.at_thresholds],
        "accuracy": measured.accuracy,
        "accuracy_standard_error": measured.accuracy_error,
        "min_dcf": {str(prior): asdict(cost) for prior, cost in measured.min_dcf.items()},
        "groups": [asdict(group) for group in measured.groups],
        "groups_at": measured.groups_at,
        "identification": result.identified and _identification(result.identified),
        "faults": [{"where": fault.where, "reason": fault.reason} for fault in result.faults],
        "notes": result.notes,
    }


def _identification(identified: IdentificationMetrics) -> dict[str, Any]:
    return {
        "identities": identified.searches.identities,
        "probes": len(identified.searches.labels),
        "hit_rate": {str(rank): asdict(rate) for rank, rate in identified.hit_rate.items()},
        "at_fpir": [asdict(point) for point in identified.at_fpir],
        "unsupported_fpir": identified.unsupported_fpirs,
    }


def _point(point: OperatingPoint) -> dict[str, Any]:
    fields = asdict(point)
    fields["wanted"] = fields.pop("target_fmr")
    return fields
