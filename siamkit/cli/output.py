"""stdout is data, as a table or as JSON; stderr is talk."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from siamkit.types import Threshold

FAULTS_SHOWN = 20


def stderr(line: str) -> None:
    """One line, whatever file names hold; a newline at its head ends a progress bar's."""
    click.echo(line[:1] + line[1:].replace("\n", "\\n"), err=True)


def tell(faults: Sequence[object]) -> None:
    """What could not be used, a line each."""
    for fault in faults[:FAULTS_SHOWN]:
        stderr(f"Error: {fault}")
    if len(faults) > FAULTS_SHOWN:
        stderr(f"… and {len(faults) - FAULTS_SHOWN:,} more; --json lists them all")


def emit_json(data: Any) -> None:
    """One document, indented."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    click.echo(json.dumps(data, indent=2, ensure_ascii=not utf8))


def report(as_json: bool, data: Any, sentence: str) -> None:
    """What a command has done: one document, or one sentence."""
    if as_json:
        emit_json(data)
    else:
        click.echo(sentence)


def describe_threshold(limit: Threshold | None) -> str:
    """What decides, for people: 'threshold 0.450, false match rate 0.01'."""
    if limit is None:
        return "no threshold: give --threshold"
    rated = f", false match rate {limit.fmr:g}" if limit.fmr else ""
    if limit.fpir:
        rated = f", false positive identification rate {limit.fpir:g}"
    return f"threshold {limit.value:.3f}{rated}"


def likely(share: float) -> str:
    """A probability; never 0 or 1, for no data makes that sure."""
    return "> 0.999" if share > 0.9995 else "< 0.001" if share < 0.0005 else f"{share:.3f}"


def emit_line(data: Any) -> None:
    """One JSON line, flushed: whoever reads it may rely on what it says."""
    click.echo(json.dumps(data))
    sys.stdout.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as what is in them; numbers to the right."""
    text = [[cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *text, strict=True)]
    right = [
        bool(rows) and all(isinstance(row[i], int | float | None) for row in rows)
        for i in range(len(head))
    ]
    for line in [list(head), *text]:
        cells = [
            value.rjust(width) if to_right else value.ljust(width)
            for value, width, to_right in zip(line, widths, right, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def cut(text: str, width: int) -> str:
    """A text on one line, no longer than `width`."""
    # What is not printable could drive the terminal.
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
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
def talk() -> Iterator[None]:
    """Show on stderr, a line each, what the library logs: a rebuilt index, a built encoder."""
    import logging
    import warnings

    # A picture that is too large is refused with a line of ours; pillow's warning says it twice.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")

    class ToStderr(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stderr(f"siamkit: {record.getMessage()}")

    log, handler = logging.getLogger("siamkit"), ToStderr()
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = True
