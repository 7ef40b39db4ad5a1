"""Write and read train.jsonl: one event per line, readable during a run and after a crash."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.atomic import PRIVATE_FILE
from siamkit.io.sources import to_text
from siamkit.train.events import (
    Evaluated,
    Event,
    LocaliserEvaluated,
    LocaliserStep,
    Saved,
    Step,
    Stopped,
    Verdict,
)

RECORD = "train.jsonl"
MAX_BYTES = 256 << 20  # a million steps
# What JSON holds for a field of an event, by the field's type; null stands for NaN.
TYPES: dict[str, Any] = {
    "int": int,
    "float": int | float | None,
    "float | None": int | float | None,
    "bool": bool,
    "bool | None": bool | None,
    "str": str,
    "str | None": str | None,
    "Path": str,
}
E = TypeVar("E", Evaluated, LocaliserEvaluated)
KINDS: dict[str, type[Event]] = {kind.__name__.lower(): kind for kind in get_args(Event)}


def line(event: Event) -> str:
    """Return {"event": "step", …} as a line, with its end. NaN and infinity become null."""
    values: dict[str, Any] = {"event": type(event).__name__.lower()}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        values[field.name] = to_text(value) if isinstance(value, Path) else value
    return json.dumps(values) + "\n"


def parse(text: str) -> Event:
    """Return the event of one line. Raises BadInput for a line that is not an event."""
    try:
        values = foreign.parse_json(text)
        kind = KINDS[values.pop("event")]
        for field in fields(kind):
            if field.name not in values and field.default is not MISSING:
                continue  # of an earlier version
            value = values[field.name]
            if not isinstance(value, TYPES[str(field.type)]):
                raise TypeError(f"{field.name} is {str(value)[:80]!r}")
            if value is None and field.type == "float":
                values[field.name] = math.nan
            elif field.type == "Path":
                values[field.name] = Path(value)
        return kind(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"not an event of a run: {type(error).__name__}: {error}") from error


def recorded(run: Path, step: int, events: Iterable[Event]) -> Iterator[Event]:
    """Write each event to the record of a run, then yield it.

    step: that the run resumes from; what was recorded after it is deleted.
    """
    if step:
        truncate(run, step)
    else:
        (run / RECORD).unlink(missing_ok=True)
    (run / RECORD).touch(mode=PRIVATE_FILE)
    with (run / RECORD).open("a", encoding="utf-8") as file:
        for event in events:
            file.write(line(event))
            file.flush()
            # A checkpoint is on the disk: so is its record.
            if isinstance(event, Saved | Stopped | Verdict):
                os.fsync(file.fileno())
            yield event


def read_record(run: Path) -> list[Event]:
    """Return the events of a run so far.

    Raises BadInput if there is no record, or for a line that is not an event; it names the line.
    """
    return [event for _, event in _events(run)]


@dataclass(frozen=True, slots=True)
class Summary(Generic[E]):
    """The course of a run so far."""

    first: E | None  # before any step
    best: E | None
    steps: int  # taken
    stopped: str | None  # the reason


def sum_up(events: Iterable[Event], evaluated: type[E]) -> Summary[E]:
    """Sum up a record; `evaluated` is the kind of its evaluations."""
    events = list(events)
    evaluations = [event for event in events if isinstance(event, evaluated)]
    steps = [event.step for event in events if isinstance(event, Step | LocaliserStep)]
    reasons = [event.reason for event in events if isinstance(event, Stopped)]
    return Summary(
        first=evaluations[0] if evaluations else None,
        best=next((event for event in reversed(evaluations) if event.best), None),
        steps=steps[-1] if steps else 0,
        stopped=reasons[-1] if reasons else None,
    )


def has_ended(run: Path, end: type[Stopped] | type[Verdict]) -> bool:
    """True if the last event that is recorded is the end of the run."""
    events = read_record(run) if (run / RECORD).exists() else []
    return bool(events) and isinstance(events[-1], end)


def truncate(run: Path, step: int) -> None:
    """Delete the events after a step: a run that resumes from there records them again."""
    end = 0
    for line_end, event in _events(run):
        if event.step > step:
            break
        end = line_end
    os.truncate(run / RECORD, end)


def _events(run: Path) -> Iterator[tuple[int, Event]]:
    """Yield the end of each line, in bytes, with its event; an unfinished line is ignored."""
    path, end = run / RECORD, 0
    content = foreign.read_bytes(path, MAX_BYTES, hint="give the folder of a training run")
    for number, raw in enumerate(content.splitlines(keepends=True), 1):
        if not raw.endswith(b"\n"):
            return
        end += len(raw)
        try:
            yield end, parse(raw.decode("utf-8", "replace"))
        except BadInput as error:
            raise BadInput(f"{to_text(path)}, line {number}: {error}") from error
