"""Follow the record of a run as it grows: the curves, and the events that are not steps.

Figures are taken as they stand in the record, whatever their names, so that a run of another
version of siamkit can be followed, too.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.train.record import RECORD

LOCALISER = "localiser"  # begins the names of a localiser's events
_DAMAGE = ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError


@dataclass(slots=True)
class Curve:
    """A figure over the steps; a step at which it has no value is left out."""

    steps: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, step: float, value: float) -> None:
        self.steps.append(step)
        self.values.append(value)


def _curves() -> dict[str, Curve]:
    return defaultdict(Curve)


@dataclass(slots=True)
class Seen:
    """The events of a run so far. Other events than steps are JSON objects, as in the record."""

    is_localiser: bool = False
    started: dict[str, Any] = field(default_factory=dict)  # the last start; empty before the first
    first_seconds: float = 0.0  # of training, when it was last started
    last: dict[str, Any] = field(default_factory=dict)  # step
    steps: dict[str, Curve] = field(default_factory=_curves)
    evaluated: list[dict[str, Any]] = field(default_factory=list)
    baselines: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)  # steps
    miners: list[tuple[int, str]] = field(default_factory=list)  # the step at which each began
    stopped: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None

    def add(self, event: dict[str, Any]) -> None:
        """Add one event. Raises KeyError or TypeError for one without a name and a step."""
        name, step = event["event"].removeprefix(LOCALISER), event["step"] + 0
        if name == "step":
            self.last = event
            for key, value in numbers(event).items():
                self.steps[key].add(step, value)
            if "miner" in event and (not self.miners or self.miners[-1][1] != event["miner"]):
                self.miners.append((step, event["miner"]))
        elif name == "started":
            self.is_localiser = event["event"] != name
            self.started, self.stopped, self.verdict = event, None, None
            self.first_seconds = self.last.get("seconds") or 0.0
            self.resumed += [step] if step else []
        elif name == "evaluated":
            self.evaluated.append(event)
        elif name == "baseline":
            self.baselines.append(event)
        elif name == "alarm":
            self.alarms.append(event)
        elif name == "stopped":
            self.stopped = event
        elif name == "verdict":
            self.verdict = event


def numbers(event: dict[str, Any]) -> dict[str, float]:
    """Return the figures of an event, by name, without its step."""
    return {
        key: value
        for key, value in event.items()
        if type(value) in (int, float) and key != "step" and math.isfinite(value)
    }


class Tail:
    """Reads what was added to the record of a run, or all of it if it was cut or replaced."""

    def __init__(self, run: Path) -> None:
        self.path = run / RECORD
        self.seen = Seen()
        self._end = 0  # bytes that were read
        self._last_line = b""
        self._lines = 0

    def read(self) -> bool:
        """Read on; return True if there was anything. Without a record there is nothing.

        Raises BadInput for a line that is not an event, naming it.
        """
        if not self.path.exists():
            return self._forget()
        with foreign.open_file(self.path) as (file, _):
            file.seek(self._end - len(self._last_line))
            is_new = file.read(len(self._last_line)) != self._last_line and self._forget()
            if is_new:
                file.seek(0)
            added = file.read()
        for line in _whole_lines(added):
            self._lines += 1
            try:
                self.seen.add(json.loads(line))  # ten times as fast as siamkit.io.foreign
            except _DAMAGE as error:
                raise BadInput(
                    f"{to_text(self.path)}, line {self._lines}: not an event of a run: {error}"
                ) from error
            self._end += len(line)
            self._last_line = line
            is_new = True
        return is_new

    def _forget(self) -> bool:
        """Begin again; return True if anything had been read."""
        had_read = bool(self._end)
        self.seen, self._end, self._last_line, self._lines = Seen(), 0, b"", 0
        return had_read


def _whole_lines(content: bytes) -> Iterator[bytes]:
    return (line for line in content.splitlines(keepends=True) if line.endswith(b"\n"))
