"""The page of a run: how far it is, its curves, and the triplets that it gets most wrong."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import quote as quote_url

from siamkit.errors import BadInput
from siamkit.io.places import real
from siamkit.io.printable import clock
from siamkit.io.sources import to_text
from siamkit.reports.html import escaped, facts, page, table
from siamkit.reports.run_charts import (
    error_curve,
    evaluated_figures,
    is_share,
    name_of,
    training_charts,
    trials_chart,
    validation_charts,
)
from siamkit.reports.run_triplets import HardestTriplets
from siamkit.train.events import interval_of_fall, outcome
from siamkit.train.record import RECORD
from siamkit.train.tail import Seen, Tail, numbers

QUIET, QUIET_STEPS = 60.0, 20  # seconds, steps: without an event for longer, a run may be dead
STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


class RunPage:
    """A page about a run, which is read again as the run goes on."""

    def __init__(self, run: Path) -> None:
        self.run, self.name = run, real(run).name
        self._tail, self.triplets = Tail(run), HardestTriplets(run)
        self._trials: dict[str, RunPage] = {}

    def trials(self) -> Mapping[str, RunPage]:
        """Return the pages of the runs in this folder, of a sweep say, by their paths in it."""
        for record in sorted(self.run.glob(f"*/*/{RECORD}")):
            path = record.parent.relative_to(self.run).as_posix()
            if path not in self._trials:
                self._trials[path] = RunPage(record.parent)
        return self._trials

    def is_begun(self) -> bool:
        """True if there is a record of the run, or of one in its folder."""
        return self._tail.path.exists() or bool(self.trials())

    def body(self, *, embedded: bool = False) -> str:
        """Return the page's sections as HTML, each with a version that changes with its content.

        embedded: pictures and sounds are within it.
        """
        try:
            self._tail.read()
            seen = self._tail.seen
            triplets = "" if seen.is_localiser else self.triplets.show(embedded=embedded)
            contents = {
                "state": self._state(seen),
                "trials": self._overview(embedded),
                "facts": _facts(seen),
                "curves": _section("Training", training_charts(seen)),
                "validation": _section("Validation", validation_charts(seen), _rates(seen)),
                "triplets": _section("Hardest triplets", "", triplets),
            }
        except BadInput as error:
            contents = {"state": f"<p class=bad>{escaped(str(error))}</p>"}
        return "".join(
            f"<section id={name} data-version={zlib.crc32(content.encode())}>{content}</section>"
            for name, content in contents.items()
        )

    def whole(self, head: str = "", *, embedded: bool = False) -> str:
        """Return the page. head: HTML above its sections."""
        return page(self.name, head + self.body(embedded=embedded), STYLE)

    def _state(self, seen: Seen) -> str:
        if not seen.started and self.trials():
            return ""
        if not seen.started:
            is_begun = self.run.exists()
            state = "its examples are being prepared" if is_begun else "it does not exist yet"
            return f"<p class=status>waiting for {escaped(to_text(self.run))}: {state}</p>"
        steps, done = int(seen.started.get("steps") or 0), int(seen.last.get("step") or 0)
        bar = f'<progress max="{max(1, steps)}" value="{done}" aria-label="steps"></progress>'
        alarms = "".join(
            f"<p class=bad>step {alarm['step']:,}: {escaped(_text(alarm))}</p>"
            for alarm in seen.alarms
        )
        status = f"<p class=status>{escaped(self._status(seen, done, steps))}</p>"
        return f"{status}{bar}{_verdict(seen)}{alarms}"

    def _overview(self, embedded: bool) -> str:
        """List the runs in this folder, and draw their errors."""
        rows, curves = [], {}
        for path, trial in self.trials().items():
            trial._tail.read()
            seen = trial._tail.seen
            curve = error_curve(seen)
            steps, done = int(seen.started.get("steps") or 0), int(seen.last.get("step") or 0)
            link = (
                escaped(path) if embedded else f'<a href="{quote_url(path)}/">{escaped(path)}</a>'
            )
            best = f"{min(curve.values):.2%}" if curve.values else "–"
            status = escaped(trial._status(seen, done, steps)) if seen.started else "waiting"
            rows.append(f"<tr><td>{link}<td class=n>{best}<td>{status}")
            curves[path] = curve
        if not rows:
            return ""
        head = "<thead><tr><th>run<th class=n>lowest error<th>state<tbody>"
        table = f"<div class=wide><table>{head}{''.join(rows)}</table></div>"
        return _section("Runs", trials_chart(curves), table)

    def _status(self, seen: Seen, done: int, steps: int) -> str:
        """Say in a line how far the run is, and whether it still goes on."""
        at = f"step {done:,} of {steps:,}"
        if seen.stopped is not None:
            return f"{at}: ended, {seen.stopped.get('reason')}"
        first = int(seen.started["step"])
        trained = (seen.last.get("seconds") or 0.0) - seen.first_seconds
        pace = trained / (done - first) if done > first else 0.0  # seconds per step
        quiet = time.time() - self._tail.path.stat().st_mtime
        if quiet > max(QUIET, QUIET_STEPS * pace):
            command = f"siamkit train -o {quote(to_text(self.run))} --resume"
            return (
                f"{at}: nothing has happened for {clock(quiet)}; if it was interrupted,"
                f" `{command}` goes on"
            )
        if not pace:
            return f"{at}: the first step is on its way"
        rate = seen.last.get("samples_per_second") or 0.0
        miner = seen.last.get("miner") or ""
        return f"{at}, {clock(pace * (steps - done))} left, {rate:,.0f} samples/s" + (
            f", miner {miner}" if miner else ""
        )


def _section(title: str, charts: str, above: str = "") -> str:
    row = f"<div class=row>{charts}</div>" if charts else ""
    return f"<h2>{title}</h2>{above}{row}" if above or row else ""


def _facts(seen: Seen) -> str:
    """List what the run began with, folded."""
    rows = [
        (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in seen.started.items()
        if name not in ("event", "step", "steps")
    ]
    return f"<details><summary>data and device</summary>{facts(rows)}</details>" if rows else ""


def _rates(seen: Seen) -> str:
    """Tabulate the figures of the first, the best and the last evaluation, and of the baselines."""
    if not seen.evaluated:
        return ""
    columns = {str(event.get("name")): event for event in seen.baselines}
    best = [event for event in seen.evaluated if event.get("best")][-1:]
    marked = (("", seen.evaluated[:1]), ("best, ", best), ("last, ", seen.evaluated[-1:]))
    for mark, events in marked:
        columns |= {f"{mark}step {event['step']:,}": event for event in events}
    rows = []
    for name in evaluated_figures(seen):
        values = [numbers(event).get(name) for event in columns.values()]
        in_percent = is_share(name, [value for value in values if value is not None])
        rows.append([name_of(name), *(_cell(value, in_percent) for value in values)])
    return table(["", *columns], rows)


def _verdict(seen: Seen) -> str:
    """Say whether the run has gained anything over what needs no training."""
    verdict = seen.verdict or {}
    before, error = verdict.get("before"), verdict.get("error")
    if verdict.get("gained") is None or before is None or error is None:
        return ""
    gained = bool(verdict["gained"])
    parts = [
        f"{outcome(gained, before, error)} over {verdict.get('alternative')}: error"
        f" {before:.2%} → {error:.2%}, against {verdict.get('negatives')}"
    ]
    low, high = verdict.get("low"), verdict.get("high")
    if low is not None and high is not None:
        parts.append(interval_of_fall(low, high))
    if not gained and (advice := verdict.get("advice")):
        parts.append(f"try: {advice}")
    kind = "" if gained else " class=bad"
    return f"<p{kind}>{escaped('; '.join(parts))}</p>"


def _cell(value: float | None, in_percent: bool) -> str:
    if value is None:
        return "–"
    return f"{value:.2%}" if in_percent else f"{value:.4g}"


def _text(alarm: Mapping[str, Any]) -> str:
    return f"{alarm.get('name')}: {alarm.get('message')}"
