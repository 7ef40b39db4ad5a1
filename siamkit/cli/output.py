"""Print data to stdout, as a table or JSON, and messages to stderr.

Nothing else prints: every line passes `printable` here, since labels, sources, file names and
messages of libraries may hold characters that act on a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli.layout import lay_out, terminal_width
from siamkit.io.printable import json_text, printable

if TYPE_CHECKING:
    from siamkit.errors import SiamkitError
    from siamkit.types import Fault

FAULTS_SHOWN = 20
notes: list[str] = []  # of the present command, on what it embedded: see log_to_stderr


def echo(line: str = "") -> None:
    """Print one line to stdout, whatever its names hold."""
    click.echo(printable(line))


def echo_as_is(text: str, end: str = "\n") -> None:
    """Print text to stdout in which no name can act on the terminal: it has been made printable."""
    click.echo(text + end, nl=False)


def stderr(line: str, *, before: str = "") -> None:
    """Print one line to stderr, whatever its names hold.

    before: printed as it is, to end or clear a line that is redrawn.
    """
    click.echo(before + printable(line), err=True)


def show_help(text: str, *, is_error: bool = False) -> None:
    """Print a command's help, in its own lines; to stderr if it was not asked for."""
    click.echo(text, err=is_error)


def clear_progress() -> None:
    """Clear the line of a progress bar, before a row is printed to the same terminal."""
    if sys.stderr.isatty() and sys.stdout.isatty():
        click.echo("\r\033[K", nl=False, err=True)


def print_error(error: SiamkitError) -> None:
    """Print an error, and on another line its hint if it has one."""
    stderr(f"Error: {error}")
    if error.hint:
        stderr(f"Hint: {error.hint}")


def print_usage_error(error: click.ClickException) -> None:
    """Print what is wrong with the command line, and how the command is used."""
    context = getattr(error, "ctx", None)
    if context is not None:
        for line in context.get_usage().split("\n"):
            stderr(line)
        stderr(f"Try '{context.command_path} --help' for help.")
        stderr("")
    stderr(f"Error: {' '.join(error.format_message().split())}")


def print_traceback() -> None:
    """Print where the error that is being handled was raised, if SIAMKIT_DEBUG asks for it."""
    if os.environ.get("SIAMKIT_DEBUG") == "1":
        import traceback

        for line in traceback.format_exc().rstrip("\n").split("\n"):
            stderr(line)


def print_faults(
    faults: Sequence[Fault], *, title: str = "Error", most: int = FAULTS_SHOWN
) -> None:
    """Print up to `most` items that could not be used, one line each."""
    for fault in faults[:most]:
        stderr(f"{title}: {fault}")
    if len(faults) > most:
        stderr(f"… and {len(faults) - most:,} more; --json lists them all")


def fault_facts(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """Return faults as JSON lists them."""
    return [{"where": fault.where, "reason": fault.reason} for fault in faults]


def emit_json(data: Any) -> None:
    """Print one JSON document, indented, with the notes on what was embedded if it is an object."""
    if notes and isinstance(data, dict):
        data = data | {"notes": [*data.get("notes", ()), *notes]}
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    click.echo(json_text(data, indent=2, ascii_only=not utf8))


def print_outcome(as_json: bool, data: Any, *sentences: str) -> None:
    """Print the outcome of a command: one JSON document, or sentences, one on each line."""
    if as_json:
        emit_json(data)
    else:
        for sentence in sentences:
            echo(sentence)


def print_rows(
    as_json: bool,
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    *,
    limit: int | None = None,
    total: str = "",
) -> None:
    """Print rows as JSON, or these columns of them as a table; a missing cell is empty.

    limit: rows to print, None for all. total: what all of them are, said below the table.
    """
    if as_json:
        emit_json(rows[:limit])
        return
    if rows:
        head = [column.replace("_", " ") for column in columns]
        table(head, [[row.get(column) for column in columns] for row in rows[:limit]])
    if limit is not None and limit < len(rows):
        echo(f"… and {len(rows) - limit:,} more rows: a higher --limit shows them")
    if total:
        echo(total)


def count_of(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: '1 sample', '1,204 samples', '2 identities'."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def describe_threshold(limit: sk.Threshold | None) -> str:
    """Describe a threshold for people: 'threshold 0.450, false match rate 0.01'."""
    if limit is None:
        return "no threshold: give --threshold"
    rated = f", false match rate {limit.fmr:g}" if limit.fmr else ""
    if limit.fpir:
        rated = f", false positive identification rate {limit.fpir:g}"
    return f"threshold {limit.value:.3f}{rated}"


def emit_line(data: Any) -> None:
    """Print one JSON line and flush it, so that a reader can rely on it at once."""
    click.echo(json_text(data, ascii_only=True))
    sys.stdout.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print columns that fit the terminal, numbers aligned right; all of them in a file or pipe."""
    text = [[printable(cell(value)) for value in row] for row in rows]
    is_right = [
        bool(rows) and all(isinstance(row[i], int | float | None) for row in rows)
        for i in range(len(head))
    ]
    for line in lay_out(head, text, is_right, terminal_width()):
        echo(line)


def one_line(text: str, width: int) -> str:
    """Put a text on one line of at most `width` characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Show the log on stderr, one line per message, such as a rebuilt index.

    Messages of the logger siamkit.notes are kept in `notes`, too. Of other libraries, only warnings
    and errors that nothing else handles.
    """
    import logging
    import warnings

    class ToStderr(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            stderr(f"{record.name.partition('.')[0]}: {message}")
            if record.name == "siamkit.notes":
                notes.append(message)

    def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        stderr(f"{category.__name__}: {message}")

    log, handler = logging.getLogger("siamkit"), ToStderr()
    notes.clear()
    show = warnings.showwarning
    last_resort, logging.lastResort = logging.lastResort, ToStderr(logging.WARNING)
    log.addHandler(handler)
    log.propagate, warnings.showwarning = False, show_warning
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate, warnings.showwarning = True, show
        logging.lastResort = last_resort
