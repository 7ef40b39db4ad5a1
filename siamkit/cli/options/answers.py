"""Options of commands that answer about many files: what to ask about, and what to write."""

from __future__ import annotations

from collections.abc import Callable

import click

from siamkit.cli.options.base import ORIGIN, F, files, output, path, report
from siamkit.cli.options.tables import column, table, text_columns, texts

origin = click.option(
    "--from",
    "origin",
    type=ORIGIN,
    metavar="LIST|-",
    help="A list: a path or text per line, JSON lines, or a table (see --column).",
)


def probes(command: F) -> F:
    """Add FILES, --text, --from, --column and --table."""
    for decorator in (text_columns(column, table), origin, texts, files):
        command = decorator(command)
    return command


save_annotated = path(
    "--save-annotated",
    "annotated",
    metavar="FILE|DIR",
    help="Save the picture, or several to a folder, with boxes, names and scores.",
)


def answer_files(*, annotated: bool = True) -> Callable[[F], F]:
    """Add -o, --report and --save-annotated."""

    def decorate(command: F) -> F:
        decorators = [
            output("Write the answers: .csv, .tsv, .jsonl, .parquet or .db."),
            report("Write a page with thumbnails, best matches and a filter."),
        ]
        for decorator in reversed([*decorators, *([save_annotated] if annotated else [])]):
            command = decorator(command)
        return command

    return decorate
