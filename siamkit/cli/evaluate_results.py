"""Write and print what siamkit evaluate measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from siamkit.cli.options import Outputs
from siamkit.cli.output import echo, emit_json, one_line, print_faults, stderr, table
from siamkit.reports import evaluate_text

if TYPE_CHECKING:
    from siamkit.flows.evaluate import Evaluation
    from siamkit.types import Fault

SCHEMA = {"a": str, "b": str, "label": int, "score": float}
TABLE = "siamkit_scores"  # in a database


def show(results: list[Evaluation], title: str, outputs: Outputs) -> list[Fault]:
    """Write the outputs, print the results, and return what could not be used."""
    _write(results, title, outputs)
    faults = list(dict.fromkeys(fault for result in results for fault in result.faults))
    print_faults(faults)
    for note in dict.fromkeys(note for result in results for note in result.notes):
        stderr(f"Note: {note}")
    if outputs.as_json:
        emit_json([result.to_dict() for result in results])
    else:
        _print(results)
    return faults


def _write(results: list[Evaluation], title: str, outputs: Outputs) -> None:
    from siamkit.io import atomic, table_write

    if outputs.scores:
        rows = _score_rows(results[0])
        table_write.write(outputs.scores, SCHEMA, rows, table=TABLE, raw=outputs.raw)
    if outputs.report:
        from siamkit.reports import evaluate as evaluation_page

        atomic.replace_text(outputs.report, evaluation_page.html(results, title))


def _score_rows(result: Evaluation) -> Iterator[tuple[str, str, int, float]]:
    from siamkit.io.sources import to_text

    trials = result.trials
    names = [s if isinstance(s, str) else to_text(s) for s in trials.samples]
    columns = (trials.left, trials.right, trials.mated, result.scores)
    for left, right, mated, score in zip(*(column.tolist() for column in columns), strict=True):
        yield names[left], names[right], int(mated), score


def _print(results: list[Evaluation]) -> None:
    figures = evaluate_text.compared(results)
    head = ["", *(one_line(result.name, 40) for result in results)]
    table(head, [[name, *values] for name, values in figures.items()])
    for result in results:
        groups = result.measured.groups
        if groups:
            echo()
            echo(f"{result.name}, groups at {result.measured.groups_at:.3f}")
            rows = map(evaluate_text.group_row, groups)
            cells = [[one_line(name, 40), *rates] for name, *rates in rows]
            table(evaluate_text.GROUP_HEAD, cells)
