"""siamkit evaluate"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.evaluate_results import SCHEMA, TABLE, show
from siamkit.cli.progress import steps

GALLERY = click.option("--gallery", metavar="NAME", help="Use the gallery's encoder and threshold.")
ENCODERS = click.option(
    "--encoder",
    "encoders",
    type=options.ORIGIN,
    multiple=True,
    metavar="NAME|FOLDER",
    help="An encoder to measure; several are compared [default: the modality's own].",
)
RERANKERS = click.option(
    "--rerank",
    "rerankers",
    multiple=True,
    metavar="NAME|none",
    callback=lambda context, parameter, names: tuple(None if n == "none" else n for n in names),
    help="Measure a reranker's probability; several are compared, `none` is the cosine"
    " [default: none].",
)
SNORM = click.option(
    "--snorm",
    "normalise",
    is_flag=True,
    help="Also measure adaptive S-norm, with the samples as cohort.",
)
GROUP = click.option(
    "--group", metavar="COLUMN", help="Show error rates for each value of a column."
)
THRESHOLD = click.option(
    "--threshold",
    type=float,
    metavar="T",
    help="Show the error rates at this score [default: the encoder's or gallery's threshold].",
)
PAIRS = click.option(
    "--pairs",
    type=click.IntRange(min=100),
    default=1_000_000,
    metavar="N",
    help="Maximum number of pairs of a folder or gallery [default: 1000000].",
)
REPORT = options.report("Write a page with curves, score histograms and the worst errors.")
SCORES = options.path(
    "--scores", help="Write the score of each pair: .csv, .jsonl, .parquet or .db."
)


@dataclass(frozen=True, slots=True)
class EvaluatedModels:
    """The encoders to evaluate: of a modality, or of a gallery."""

    modality: str | None
    gallery: str | None
    encoders: tuple[str, ...]
    detector: str | None


@click.command(
    epilog="""\b
Examples:
  siamkit evaluate trials.csv -m faces                 columns a, b and label (1 same, 0 not)
  siamkit evaluate people/ -m faces --report faces.html    a folder per identity: all pairs, and 1:N
  siamkit evaluate --gallery staff                     each enrolled sample against the others
  siamkit evaluate trials.csv -m questions --rerank lexical --scores scores.csv
  siamkit evaluate trials.csv -m questions --rerank none --rerank lexical     in one table
  siamkit evaluate trials.csv -m voices --encoder mine/encoder --encoder voices
  siamkit evaluate scores.csv                          columns label and score, from any program
  siamkit evaluate trials.csv -m faces --group country     error rates of each group

\b
Error rates as in ISO/IEC 19795-1, with 95 % intervals over identities. A rate is shown only if the
data could hold 30 errors at it (the rule of 30). Exit code 1 if some samples or lines could not be
used; the others are still measured.
"""
)
@click.argument("source", required=False, type=options.PATH)
@options.bundle("models", EvaluatedModels, options.modality, GALLERY, ENCODERS, options.detector)
@options.bundle(
    "settings",
    "EvaluationSettings",
    *(RERANKERS, SNORM, GROUP, THRESHOLD, PAIRS, options.table, options.encoding),
)
@options.outputs(REPORT, SCORES, options.raw)
@options.workspace
def evaluate(
    ws: sk.Workspace,
    source: Path | None,
    models: EvaluatedModels,
    settings: sk.EvaluationSettings,
    outputs: options.Outputs,
) -> int:
    """Measure how often an encoder is wrong on SOURCE.

    SOURCE is a table of trials, a folder per identity, or a table of scores.
    """
    _check_models(source, models, settings)
    checks.require_page(outputs.report)
    if outputs.scores:
        from siamkit.io import table_write

        measured = len(settings.measured_by) + settings.normalise
        if max(len(models.encoders), 1) * measured > 1:
            raise click.UsageError("--scores takes one encoder with one reranker, or with none.")
        table_write.check(outputs.scores, SCHEMA, table=TABLE)
        checks.require_writable("--scores", outputs.scores, source)
    with steps() as progress:
        results = ws.evaluate(
            source,
            modality=models.modality,
            gallery=models.gallery,
            encoders=models.encoders or (None,),
            detector=options.default_or_none(models.detector),
            settings=settings,
            progress=progress,
        )
    title = str(source) if source else f"gallery {models.gallery}"
    return 1 if show(results, title, outputs) else 0


def _check_models(
    source: Path | None, models: EvaluatedModels, settings: sk.EvaluationSettings
) -> None:
    """Raise UsageError for options that cannot be combined."""
    modality, gallery = models.modality, models.gallery
    if source is None and gallery is None:
        raise click.UsageError("Give SOURCE, or --gallery NAME.")
    if source and not gallery and not source.suffix and not source.exists():
        raise click.UsageError(f"{source} is no file or folder; for a gallery: --gallery {source}.")
    named = models.encoders or models.detector
    if gallery and (modality or named):
        raise click.UsageError(
            "-m, --encoder and --detector cannot be combined with --gallery, which has its own."
        )
    rerankers = any(settings.rerankers)
    if gallery and (rerankers or settings.group) and source is None:
        raise click.UsageError(
            "A gallery has no groups, and a reranker needs samples: give a SOURCE as well."
        )
    if (named or rerankers or settings.normalise) and not gallery and not modality:
        raise click.UsageError("--encoder, --detector, --rerank and --snorm need -m or --gallery.")
