"""Options that say what the columns of a table are, and texts beside one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from siamkit.cli.options.base import F, bundle

column = click.option("--column", "text", metavar="NAME", help="The column that holds the texts.")
id_column = click.option(
    "--id", metavar="NAME", help="The column that names the rows [default: id]."
)


def _columns(context: click.Context, parameter: click.Parameter, values: Any) -> dict[str, str]:
    pairs = [value.rpartition("=") for value in values]
    columns = {kind.strip() or "sample": name.strip() for kind, _, name in pairs}
    if len(columns) < len(pairs) or not all(columns.values()):
        raise click.BadParameter("each kind has one NAME", context, parameter)
    return columns


columns = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="[KIND=]NAME",
    callback=_columns,
    help="The column that holds the samples; or what KIND says: label, a, b, score, negative, …",
)
label_column = click.option(
    "--id", metavar="NAME", help="The column that names the identities [default: label]."
)
top_score = click.option(
    "--top-score",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SCORE",
    help="The score of two samples that are the same [default: 1].",
)
table = click.option("--table", metavar="NAME", help="The table of a database, or the sheet.")


def _known_encoding(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    from siamkit.io import encodings

    return value and encodings.require_known(value)


encoding = click.option(
    "--encoding",
    metavar="NAME",
    callback=_known_encoding,
    help="Encoding of a table that is not UTF-8 or UTF-16: windows-1252, …",
)


def _not_empty(context: click.Context, parameter: click.Parameter, values: Any) -> Any:
    if not all(value.strip() for value in values):
        raise click.BadParameter("a text is empty", context, parameter)
    return values


texts = click.option(
    "--text",
    "texts",
    multiple=True,
    metavar="TEXT",
    callback=_not_empty,
    help="A text itself, instead of a file.",
)


def text_columns(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add --encoding and some of --column, --id and --table; the command gets them as `columns`."""
    return bundle("columns", "TextColumns", *decorators, encoding)
