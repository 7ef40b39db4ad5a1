"""siamkit evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import cut, emit_json, stderr, table, tell
from siamkit.cli.progress import steps
from siamkit.reports import evaluate_text

if TYPE_CHECKING:
    from siamkit.flows.evaluate import Evaluated
    from siamkit.stats.verification import OperatingPoint
    from siamkit.types import Fault

SCORED = {"a": str, "b": str, "label": int, "score": float}


@click.command(
    epilog="""\b
Examples:
  siamkit evaluate trials.csv -m faces                 columns a, b and label (1 the same, 0 not)
  siamkit evaluate people/ -m faces --report faces.html    a folder per identity: all pairs, and 1:N
  siamkit evaluate --gallery staff                     each enrolled sample against the others
  siamkit evaluate trials.csv -m questions --rerank lexical     two configurations in one table
  siamkit evaluate trials.csv -m voices --encoder mine/encoder --encoder voices
  siamkit evaluate scores.csv                          columns label and score, from any program
  siamkit evaluate trials.csv -m faces --group country     error rates of each group

\b
Rates are those of ISO/IEC 19795-1, intervals are 95 %, over identities. A rate is shown as far as
30 errors could have been seen at it (the rule of 30). Exit code 1 if some samples or lines could
not be used; the others are measured all the same.
"""
)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@options.modality
@click.option("--gallery", metavar="NAME", help="Measure with its encoder and its threshold.")
@click.option(
    "--encoder", "encoders", multiple=True, metavar="NAME|FOLDER",
    help="An encoder to measure; several are compared [default: the modality's own].",
)  # fmt: skip
@options.detector
@click.option(
    "--rerank", "rerankers", multiple=True, metavar="NAME",
    help="Measure a reranker's probability too.",
)  # fmt: skip
@click.option(
    "--snorm", is_flag=True, help="Measure scores after adaptive S-norm too (own samples: cohort)."
)
@click.option("--group", metavar="COLUMN", help="Error rates of each value of a column.")
@click.option(
    "--threshold", type=float, metavar="T",
    help="Show the error rates at this score [default: the encoder's or gallery's threshold].",
)  # fmt: skip
@click.option(
    "--pairs", type=click.IntRange(min=100), metavar="N",
    help="Of a folder or a gallery, compare so many pairs at most [default: 1000000].",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html",
    help="Write a page with curves, score histograms and the worst errors.",
)  # fmt: skip
@click.option(
    "--scores", "scores_to", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the score of each pair: .csv, .jsonl, .parquet or .db.",
)  # fmt: skip
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
    scores_to: Path | None,
    store: Path,
    as_json: bool,
) -> int:
    """How often is an encoder wrong on SOURCE?

    SOURCE is a file of trials, a folder per identity, or a file of scores.
    """
    if source is None and gallery is None:
        raise click.UsageError("Give SOURCE, or --gallery NAME.")
    if gallery and (modality or encoders or detector):
        raise click.UsageError("A gallery has its encoder and detector; these go with -m.")
    if not gallery and not modality and (encoders or detector or rerankers or snorm):
        raise click.UsageError("These go with -m or --gallery; a file of scores is as it is.")
    if source is not None:
        _check_source(source, scored=not gallery and not modality)
    several = max(1, len(encoders)) * (1 + len(rerankers) + snorm)
    _check_outputs(source, report, scores_to, several=several)
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
    if scores_to:
        from siamkit.io import table_write

        table_write.write(scores_to, SCORED, _scores(results[0]), table="siamkit_scores")
    if report:
        from siamkit.io.atomic import replace_text
        from siamkit.reports import evaluate as evaluation_page

        title = str(source) if source else f"gallery {gallery}"
        replace_text(report, evaluation_page.html(results, title))
    faults = _tell(results)
    if as_json:
        emit_json([_facts(found) for found in results])
    else:
        _print(results)
    return 1 if faults else 0


def _check_source(source: Path, *, scored: bool) -> None:
    if not source.exists():
        raise click.UsageError(f"{source}: there is no such file or folder.")
    if scored:
        from siamkit.flows.read_trials import SCORE, read_columns

        columns = [] if source.is_dir() else read_columns(source)
        if SCORE not in columns:
            found = (
                "a folder" if source.is_dir() else f"columns {', '.join(columns)[:80] or 'none'}"
            )
            raise click.UsageError(
                f"{source} has no column score ({found}): name the encoder with -m MODALITY or"
                " --gallery."
            )


def _check_outputs(
    source: Path | None, report: Path | None, scores_to: Path | None, *, several: int
) -> None:
    """Before the work begins: everything can be written, and nothing that is read is replaced."""
    from siamkit.io import table_write

    options.check_report(report)
    if scores_to:
        if several > 1:
            raise click.UsageError("--scores takes one configuration at a time.")
        table_write.check(scores_to, SCORED, table="siamkit_scores")
        options.check_writable("--scores", scores_to, source)


def _scores(found: Evaluated) -> Any:
    from siamkit.io.sources import to_text

    names = [s if isinstance(s, str) else to_text(s) for s in found.trials.samples]
    rows = zip(
        found.trials.left.tolist(), found.trials.right.tolist(), found.trials.mated.tolist(),
        found.scores.tolist(), strict=True,
    )  # fmt: skip
    return ((names[a], names[b], int(label), score) for a, b, label, score in rows)


def _tell(results: list[Evaluated]) -> list[Fault]:
    faults = list(dict.fromkeys(fault for found in results for fault in found.faults))
    tell(faults)
    for note in dict.fromkeys(note for found in results for note in found.notes):
        stderr(f"Note: {note}")
    return faults


def _print(results: list[Evaluated]) -> None:
    rows = evaluate_text.compared(results)
    table(["", *(cut(found.name, 40) for found in results)], [[k, *v] for k, v in rows.items()])
    for found in results:
        if found.measured.groups:
            click.echo(f"\n{found.name}, groups at {found.measured.groups_at:.3f}")
            table(
                evaluate_text.GROUP_HEAD,
                [
                    [cut(name, 40), *rest]
                    for name, *rest in map(evaluate_text.group_row, found.measured.groups)
                ],
            )


def _facts(found: Evaluated) -> dict[str, Any]:
    from dataclasses import asdict

    it = found.measured
    same = int(it.comparisons.mated.sum())
    one = found.identified
    return {
        "name": found.name,
        "mated": same,
        "non_mated": len(it.comparisons) - same,
        "identities": it.comparisons.identities,
        "impostor_pairs": it.comparisons.impostor_pairs,
        "draws": it.draws,
        "roc_auc": asdict(it.auc),
        "eer": {**asdict(it.eer), "threshold": it.eer_threshold},
        "at_fmr": [_point(point) for point in it.at_fmr],
        "unsupported_fmr": it.unsupported_fmrs,
        "at_threshold": [_point(point) for point in it.at_thresholds],
        "accuracy": it.accuracy,
        "accuracy_standard_error": it.accuracy_error,
        "min_dcf": {str(prior): asdict(cost) for prior, cost in it.min_dcf.items()},
        "groups": [asdict(group) for group in it.groups],
        "groups_at": it.groups_at,
        "identification": one
        and {
            "identities": one.searches.identities,
            "probes": len(one.searches.labels),
            "hit_rate": {str(rank): asdict(rate) for rank, rate in one.hit_rate.items()},
            "at_fpir": [asdict(at) for at in one.at_fpir],
            "unsupported_fpir": one.unsupported_fpirs,
        },
        "faults": [{"where": fault.where, "reason": fault.reason} for fault in found.faults],
        "notes": found.notes,
    }


def _point(point: OperatingPoint) -> dict[str, Any]:
    from dataclasses import asdict

    fields = asdict(point)
    fields["wanted"] = fields.pop("target_fmr")
    return fields
