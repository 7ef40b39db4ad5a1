"""siamkit dedupe"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from siamkit.cli import dedupe_against, options
from siamkit.cli.dedupe_results import (
    GROUPS,
    GROUPS_TABLE,
    PAIRS,
    PAIRS_TABLE,
    DedupeOutputs,
    show,
)
from siamkit.cli.options import ModelChoice
from siamkit.cli.output import stderr
from siamkit.cli.progress import steps
from siamkit.errors import BadInput

if TYPE_CHECKING:
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.dedupe import Deduped
    from siamkit.io.table_read import TextColumns
    from siamkit.types import Fault
    from siamkit.workspace import Workspace

THRESHOLD = click.option(
    "--threshold",
    type=options.COSINE,
    metavar="T",
    help="Probability by the reranker, or cosine with --rerank none, at or above which two items"
    " count as the same [default: set for a stated precision].",
)
RERANK = click.option(
    "--rerank",
    metavar="NAME|none",
    callback=lambda context, parameter, value: options.default_or_none(value),
    help="The reranker that decides on near pairs [default: the modality's own].",
)
OUTPUT = options.file_option(
    "--output", "-o", help="Write one row per grouped item: .csv, .jsonl, .parquet or .db."
)
PAIRS_OUTPUT = options.file_option("--pairs", help="Write every pair at or above the threshold.")
REPORT = options.file_option(
    "--report",
    metavar="FILE.html",
    help="Write a page with the score distribution, the threshold and the groups.",
)


def _text_columns(column: str | None, id_column: str | None, table_name: str | None) -> TextColumns:
    from siamkit.io.table_read import TextColumns

    return TextColumns(column, id_column, table_name)


@click.command(
    epilog="""\b
Examples:
  siamkit dedupe questions.csv --column question
  siamkit dedupe tickets.parquet --column subject -o groups.csv --pairs pairs.csv
  siamkit dedupe help.db --table faq --column title -o help.db     into tables of the same file
  siamkit dedupe new.csv --column question --against faq    are any of these enrolled already?
  siamkit dedupe photos/ -m faces                           who appears more than once?
  siamkit dedupe vectors.npy --threshold 0.9                vectors from elsewhere

\b
A SOURCE of texts is .csv, .tsv, .jsonl, .parquet, a SQLite .db, .txt with one per line, or -.
Exact copies are found first, then near duplicates. Every two items of a group count as the same
(complete linkage), so a chain of similar items does not merge the unrelated ones at its ends. An
interrupted run resumes where it stopped. Exit code 1 if some items could not be read; the others
are still compared.
"""
)
@click.argument("source")
@options.bundle("columns", _text_columns, options.column, options.id_column, options.table)
@click.option("--against", metavar="GALLERY", help="Compare with this gallery's samples instead.")
@options.decision_rule(THRESHOLD, RERANK)
@options.model_choice
@click.option(
    "--max-memory",
    type=options.SizeType(),
    help="Memory to use, such as 8G [default: most of what is free].",
)
@options.bundle("outputs", DedupeOutputs, OUTPUT, PAIRS_OUTPUT, REPORT, options.as_json)
@options.store
def dedupe(
    source: str,
    columns: TextColumns,
    against: str | None,
    rule: DecisionRule,
    models: ModelChoice,
    max_memory: int | None,
    outputs: DedupeOutputs,
    store: Path,
) -> int:
    """Find the duplicates in SOURCE.

    SOURCE is a table of texts, a folder of files, or a matrix of vectors.
    """
    _check_options(source, columns, against, rule, models, max_memory, outputs)
    _check_outputs(source, columns.table, outputs, against=bool(against))
    faults: list[Fault] = []
    with options.workspace(store) as ws:
        if against:
            items = ws.list_items(source, ws.gallery(against).space.modality, columns, faults)
            return dedupe_against.run(ws, against, items, faults, rule, source, outputs)
        try:
            deduped = _run(ws, source, columns, faults, rule, models, max_memory)
        except KeyboardInterrupt:
            if not _is_matrix(source):
                stderr("\nwhat has been embedded is kept; the same command resumes from there")
            raise
    faults = sorted([*faults, *deduped.faults], key=lambda fault: fault.line or 0)
    deduped = replace(deduped, faults=faults)
    show(deduped, source, outputs)
    return 1 if faults else 0


def _is_matrix(source: str) -> bool:
    return source.lower().endswith(".npy")


def _check_options(
    source: str,
    columns: TextColumns,
    against: str | None,
    rule: DecisionRule,
    models: ModelChoice,
    max_memory: int | None,
    outputs: DedupeOutputs,
) -> None:
    """Raise UsageError for options that cannot be combined."""
    from siamkit import DEFAULT
    from siamkit.io.table_read import TextColumns

    has_models = models != ModelChoice(None, None, None)
    if against and (outputs.pairs or outputs.report or has_models or max_memory):
        raise click.UsageError(
            "--against can be combined only with --output, --threshold and --rerank."
        )
    if _is_matrix(source) and (columns != TextColumns() or has_models or rule.reranker != DEFAULT):
        raise click.UsageError(
            "A matrix can be combined only with --threshold, --max-memory and outputs."
        )


def _check_outputs(
    source: str, source_table: str | None, outputs: DedupeOutputs, *, against: bool
) -> None:
    """Raise UsageError if an output cannot be written, or would replace what is read."""
    from siamkit.io import table_write
    from siamkit.io.table_record import SQLITE

    schema, name = (GROUPS, GROUPS_TABLE)
    if against:
        schema, name = dedupe_against.SCHEMA, dedupe_against.TABLE
    tables = [(outputs.output, schema, name), (outputs.pairs, PAIRS, PAIRS_TABLE)]
    source_path = Path(source).resolve()
    targets: set[Path] = set()
    for path, schema, name in tables:
        if path is None:
            continue
        table_write.check(path, schema, table=name)
        is_database = path.suffix.lower() in SQLITE
        if path.resolve() in targets and not is_database:
            raise click.UsageError("--output and --pairs would write the same file.")
        if path.resolve() == source_path and (not is_database or source_table == name):
            raise click.UsageError(f"{path} is the source itself: give another name.")
        targets.add(path.resolve())
    options.check_report(outputs.report)
    if outputs.report:
        targets.add(outputs.report.resolve())
    names = source_path.with_suffix(".jsonl") if _is_matrix(source) else None
    for path in targets:
        in_folder = source_path.is_dir() and path.is_relative_to(source_path) and path.exists()
        if path == names or in_folder:
            raise click.UsageError(f"{path} is part of the source: give another name.")


def _run(
    ws: Workspace,
    source: str,
    columns: TextColumns,
    faults: list[Fault],
    rule: DecisionRule,
    models: ModelChoice,
    max_memory: int | None,
) -> Deduped:
    with steps() as progress:
        if _is_matrix(source):
            if rule.fixed is None:
                raise BadInput(
                    f"{source}: a matrix has no default threshold",
                    hint="give one: `--threshold 0.9`",
                )
            return ws.dedupe_matrix(
                source, rule.fixed.value, max_memory=max_memory, progress=progress
            )
        modality = models.modality or _text_modality()
        if columns.text or columns.id or columns.table:
            options.check_texts(modality)
        return ws.dedupe(
            ws.list_items(source, modality, columns, faults),
            modality=modality,
            encoder=models.encoder,
            detector=options.default_or_none(models.detector),
            rule=rule,
            max_memory=max_memory,
            progress=progress,
        )


def _text_modality() -> str:
    """Return the only installed modality of texts; with several, the user has to name one."""
    from siamkit import Workspace

    names = Workspace.modalities("text")
    if len(names) != 1:
        raise click.UsageError(f"Name the modality: -m, one of {', '.join(names) or 'none'}.")
    return names[0]
