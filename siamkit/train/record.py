"""train.jsonl: what a run has said, an event a line, readable while it runs and after a crash."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.sources import to_text
from siamkit.train.events import Alarm, Evaluated, Event, Saved, Started, Step, Stopped

RECORD = "train.jsonl"
KINDS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind for kind in (Started, Step, Evaluated, Saved, Alarm, Stopped)
}


def line(event: Event) -> str:
    """{"event": "step", …} on one line, with its end. NaN and Inf, which JSON lacks, are null."""
    values: dict[str, Any] = {"event": type(event).__name__.lower()}
    for each in fields(event):
        value = getattr(event, each.name)
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        values[each.name] = to_text(value) if isinstance(value, Path) else value
    return json.dumps(values) + "\n"


def parse(text: str) -> Event:
    """The event of one line. Raises BadInput for what is none."""
    try:
        values = json.loads(text)
        kind = KINDS[values.pop("event")]
        for each in fields(kind):
            if values[each.name] is None and each.type == "float":
                values[each.name] = math.nan
            elif each.type == "Path":
                values[each.name] = Path(values[each.name])
        return kind(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"not an event of a run: {type(error).__name__}: {error}") from error


def read_record(run: Path) -> list[Event]:
    """Everything that a run has said so far.

    Raises BadInput, naming the line, for what is no event, or if there is no record.
    """
    return [event for _, event in _events(run)]


def truncate(run: Path, step: int) -> None:
    """Cut off what was said after a step: a run that goes on from there will say it anew."""
    end = 0
    for end_of_line, event in _events(run):
        if event.step > step:
            break
        end = end_of_line
    os.truncate(run / RECORD, end)


def _events(run: Path) -> Iterator[tuple[int, Event]]:
    """Each event, and where its line ends in the file. A line without an end was never finished."""
    path, end = run / RECORD, 0
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{to_text(path)} cannot be read: {error.strerror}",
            hint="give the folder of a training run",
        ) from error
    for number, raw in enumerate(content.splitlines(keepends=True), 1):
        if not raw.endswith(b"\n"):
            return
        end += len(raw)
        try:
            yield end, parse(raw.decode("utf-8", "replace"))
        except BadInput as error:
            raise BadInput(f"{to_text(path)}, line {number}: {error}") from error
