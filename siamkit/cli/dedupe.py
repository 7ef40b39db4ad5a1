"""siamkit dedupe"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, dedupe_against, options
from siamkit.cli.dedupe_results import (
    GROUPS,
    GROUPS_SHOWN,
    GROUPS_TABLE,
    PAIRS,
    PAIRS_TABLE,
    show,
)
from siamkit.cli.file_kinds import require_texts
from siamkit.cli.options import ModelChoice, Outputs
from siamkit.cli.output import stderr
from siamkit.cli.progress import steps
from siamkit.errors import BadInput
from siamkit.io.places import real

if TYPE_CHECKING:
    from siamkit.types import Fault

THRESHOLD = click.option(
    "--threshold",
    type=options.COSINE,
    metavar="T",
    help="Cosine (with --rerank, probability) at or above which two items count as the same"
    " [default: the encoder's].",
)
EXPECTED_FALSE = click.option(
    "--expected-false",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="False pairs to expect at most among all comparisons, by the calibration [default: 1 where"
    " the calibration tells].",
)
OUTPUT = options.output(
    "Write one row per grouped item, with all columns of SOURCE: .csv, .jsonl, .parquet or .db."
)
PAIRS_OUTPUT = options.path("--pairs", help="Write every pair at or above the threshold.")
REPORT = options.report("Write a page of all groups, with search, and the score distribution.")


def parse_size(value: str) -> int:
    """Parse a number of bytes, such as 8G, 500M, 2.5g, or 8GiB in powers of 1024."""
    size = 0
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(i?)B?", value, re.IGNORECASE):
        base = 1024 if match[3] else 1000
        size = int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))
    if not size:
        raise click.BadParameter(f"{value!r} is not a size: write 8G or 500M")
    return size


def only_source(sources: tuple[str, ...]) -> str:
    """Return the SOURCE. Raises UsageError if there are several."""
    if len(sources) > 1:
        raise click.UsageError(
            "Give one SOURCE: join the tables, or enrol the first and compare the second with it:"
            " --against GALLERY."
        )
    return sources[0]


@click.command(
    epilog="""\b
Examples:
  siamkit dedupe questions.csv --column question
  siamkit dedupe tickets.parquet --column subject -o groups.csv --pairs pairs.csv
  siamkit dedupe help.db --table faq --column title -o help.db     into tables of the same file
  siamkit dedupe new.csv --column question --against faq    are any of these enrolled already?
  siamkit dedupe photos/ -m faces                           who appears more than once?
  siamkit dedupe photos/ -m faces --expected-false 10       find more, and check the groups
  siamkit dedupe photos/ -m faces --workers ray://head:10001     embedded on a Ray cluster
  siamkit dedupe vectors.npy --threshold 0.9                vectors from elsewhere

\b
A SOURCE of texts is .csv, .tsv, .jsonl, .parquet, a SQLite .db, .txt with one per line, or -.
Exact copies are found first, then near duplicates. Every two items of a group count as the same
(complete linkage), so a chain of similar items does not merge the unrelated ones at its ends. Each
face of a group photo takes part. All are compared with all, so the threshold rises with their
number: --expected-false is for the whole run, --fmr for one pair; both decide by cosines. An
interrupted run resumes where it stopped. Exit code 1 if some items could not be read; the others
are still compared.
"""
)
@click.argument(
    "source",
    type=options.ORIGIN,
    nargs=-1,
    required=True,
    metavar="SOURCE",
    callback=lambda context, parameter, sources: only_source(sources),
)
@options.text_columns(options.column, options.id_column, options.table)
@click.option("--against", metavar="GALLERY", help="Compare with this gallery's samples instead.")
@options.decision_rule(THRESHOLD, options.fmr, EXPECTED_FALSE, options.rerank)
@options.model_choice
@click.option(
    "--max-memory",
    type=parse_size,
    metavar="SIZE",
    help="Memory to use, such as 8G [default: most of what is free].",
)
@options.workers
@options.limit(f"groups; {GROUPS_SHOWN} without")
@options.outputs(OUTPUT, PAIRS_OUTPUT, REPORT, options.raw)
@options.workspace
def dedupe(ws: sk.Workspace, **values: Any) -> int:
    """Find the duplicates in SOURCE.

    SOURCE is a table of texts, a folder of files, or a matrix of vectors.
    """
    request = DedupeRequest(**values)
    request.check()
    request.check_outputs()
    source, against, outputs = request.source, request.against, request.outputs
    faults: list[Fault] = []
    if against:
        modality = ws.gallery(against).space.modality
        items = ws.list_items(source, modality, request.columns, faults)
        checked = ws.against(against, items, rule=request.rule)
        return dedupe_against.show(checked, faults, against, source, outputs)
    try:
        deduped = _dedupe(ws, request, faults)
    except KeyboardInterrupt:
        if not request.is_matrix:
            stderr(
                "what has been embedded is kept; the same command resumes from there", before="\n"
            )
        raise
    faults = sorted([*faults, *deduped.faults], key=lambda fault: fault.line or 0)
    show(replace(deduped, faults=faults), source, request.columns, outputs, request.limit)
    return 1 if faults else 0


@dataclass(frozen=True, slots=True)
class DedupeRequest:
    """Options of one `dedupe` command."""

    source: str
    columns: sk.TextColumns
    against: str | None
    rule: sk.DecisionRule
    models: ModelChoice
    max_memory: int | None
    workers: str | None
    limit: int | None
    outputs: Outputs

    @property
    def is_matrix(self) -> bool:
        return self.source.lower().endswith(".npy")

    def check(self) -> None:
        """Raise UsageError for options that cannot be combined."""
        has_models = self.models != ModelChoice(None, None, None)
        pages = self.outputs.pairs or self.outputs.report
        if self.against and (pages or has_models or self.max_memory or self.workers):
            raise click.UsageError(
                "--against can be combined only with --output, --threshold, --fmr,"
                " --expected-false and --rerank."
            )
        has_columns = self.columns != sk.TextColumns()
        has_rule = replace(self.rule, threshold=None) != sk.DecisionRule()
        if self.is_matrix and (has_columns or has_models or has_rule or self.workers):
            raise click.UsageError(
                "A matrix can be combined only with --threshold, --max-memory and outputs."
            )

    def check_outputs(self) -> None:
        """Raise UsageError if an output cannot be written, or would replace what is read."""
        from siamkit.io import table_write
        from siamkit.io.table_record import SQLITE

        outputs = self.outputs
        schema, name = (GROUPS, GROUPS_TABLE)
        if self.against:
            schema, name = dedupe_against.SCHEMA, dedupe_against.TABLE
        tables = [(outputs.output, schema, name), (outputs.pairs, PAIRS, PAIRS_TABLE)]
        source = real(Path(self.source))
        targets: set[Path] = set()
        for path, schema, name in tables:
            if path is None:
                continue
            table_write.check(path, schema, table=name)
            is_database = path.suffix.lower() in SQLITE
            if real(path) in targets and not is_database:
                raise click.UsageError("--output and --pairs would write the same file.")
            if real(path) == source and (not is_database or self.columns.table == name):
                raise click.UsageError(f"{path} is the source itself: give another name.")
            targets.add(real(path))
        checks.require_page(outputs.report)
        if outputs.report:
            targets.add(real(outputs.report))
        names = source.with_suffix(".jsonl") if self.is_matrix else None
        for path in targets:
            in_folder = source.is_dir() and path.is_relative_to(source) and path.exists()
            if path == names or in_folder:
                raise click.UsageError(f"{path} is part of the source: give another name.")


def _dedupe(ws: sk.Workspace, request: DedupeRequest, faults: list[Fault]) -> sk.Deduped:
    source, rule, models = request.source, request.rule, request.models
    with steps() as progress:
        if request.is_matrix:
            if rule.threshold is None:
                message = f"{source}: a matrix has no default threshold"
                raise BadInput(message, hint="give one: `--threshold 0.9`")
            return ws.dedupe_matrix(
                source, rule.threshold, max_memory=request.max_memory, progress=progress
            )
        if models.modality is None:
            require_texts(source)
        modality = models.modality or _text_modality()
        if request.columns.are_named:
            checks.require_text_modality(modality)
        return ws.dedupe(
            ws.list_items(source, modality, request.columns, faults),
            modality=modality,
            encoder=models.encoder,
            detector=options.default_or_none(models.detector),
            rule=rule,
            max_memory=request.max_memory,
            progress=progress,
            workers=request.workers,
        )


def _text_modality() -> str:
    """Return the only installed modality of texts; with several, the user has to name one."""
    names = sk.Workspace.modalities("text")
    if len(names) != 1:
        raise click.UsageError(f"Name the modality: -m, one of {', '.join(names) or 'none'}.")
    return names[0]
