"""A training run, told as it goes: one line that is drawn anew, and a line for what matters."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli.output import emit_json, stderr
from siamkit.errors import SiamkitError

if TYPE_CHECKING:
    from siamkit.train.data import Prepared
    from siamkit.train.events import Event, Started, Step

EVERY, REDRAWN = 10.0, 0.2  # seconds between two lines of progress; where it is a terminal
CLEAR = "\r\033[K"


def follow(events: Iterator[Event], run: Path) -> None:
    """Draw the events from the iterator until it ends; say what stands if it is interrupted."""
    from siamkit.train.events import Saved, Started, Step

    live = sys.stderr.isatty()
    started: Started | None = None
    first, begun = 0, time.monotonic()
    shown = begun - EVERY
    saved: int | None = None
    try:
        for event in events:
            if isinstance(event, Step):
                if started is None or time.monotonic() - shown < (REDRAWN if live else EVERY):
                    continue
                shown = time.monotonic()
                left = (started.steps - event.step) * (shown - begun) / max(1, event.step - first)
                line = _step(event, started.steps, left)
                if live:  # a line that wraps could not be drawn over
                    sys.stderr.write(f"{CLEAR}{line[: get_terminal_size().columns - 1]}")
                    sys.stderr.flush()
                else:
                    stderr(line)
            elif isinstance(event, Saved):
                saved = event.step
            else:
                stderr((CLEAR if live else "") + _told(event))
                if isinstance(event, Started):
                    started, first, begun = event, event.step, time.monotonic()
                    saved = event.step or None
    except KeyboardInterrupt:
        stands = "nothing is saved yet" if saved is None else f"step {saved:,} is saved"
        stderr(f"\n{stands}; `siamkit train --out {quote(str(run))} --resume` goes on from there")
        raise
    except SiamkitError:
        if live:
            stderr("")  # what comes next stands on a line of its own
        raise


def _step(step: Step, steps: int, left: float) -> str:
    return (
        f"step {step.step:,}/{steps:,}  loss {step.loss:.4f}  active {step.active:.0%}"
        f"  d²(A,P) {step.positive:.2f}  d²(A,N) {step.negative:.2f}  {step.miner}"
        f"  {step.samples_per_second:,.0f} samples/s  ETA {_clock(left)}"
    )


def _told(event: Event) -> str:
    """A line for an event that is no step."""
    from siamkit.train.events import Alarm, Evaluated, Started, Stopped

    if isinstance(event, Started):
        impostors = f" and {event.impostors:,} impostors" if event.impostors else ""
        return (
            f"{event.samples:,} samples{impostors} of {event.identities:,} identities;"
            f" {event.validation_samples:,} of {event.validation_identities:,} others to judge by;"
            f" {event.parameters:,} parameters, {event.device} {event.precision}"
            + (f"; on from step {event.step:,}" if event.step else "")
        )
    if isinstance(event, Evaluated):
        rate = event.eer_impostors
        impostors = "" if rate is None else f", against impostors {rate:.2%}"
        best = ", the best so far" if event.best else ""
        return f"step {event.step:,}: equal error rate {event.eer:.2%}{impostors}{best}"
    if isinstance(event, Alarm):
        return f"step {event.step:,}: {event.name}: {event.message}"
    return f"step {event.step:,}: {event.reason}" if isinstance(event, Stopped) else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def outcome(run: Path, prepared: Prepared) -> dict[str, Any]:
    """What a finished run has come to, as --json prints it."""
    from siamkit.sdk.model_folder import read_card
    from siamkit.train.events import Evaluated, Step, Stopped
    from siamkit.train.record import read_record

    events = read_record(run)
    judged = [event for event in events if isinstance(event, Evaluated)]
    best = next((event for event in reversed(judged) if event.best), None)
    steps = [event for event in events if isinstance(event, Step)]
    stopped = [event.reason for event in events if isinstance(event, Stopped)]
    card = read_card(run / "encoder")
    return {
        "run": str(run),
        "encoder": str(run / "encoder"),
        "modality": card.modality,
        "name": card.name,
        "fingerprint": card.fingerprint,
        "steps": steps[-1].step if steps else 0,
        "best_step": best.step if best else None,
        "eer_before": judged[0].eer if judged else None,
        "eer": best.eer if best else None,
        "eer_impostors_before": judged[0].eer_impostors if judged else None,
        "eer_impostors": best.eer_impostors if best else None,
        "stopped": stopped[-1] if stopped else None,
        "faults": prepared.faults,
        "notes": prepared.notes,
    }


def tell(facts: dict[str, Any], as_json: bool) -> None:
    """Print what `outcome` gave."""
    if as_json:
        emit_json(facts)
        return
    for key, what in (("eer", "equal error rate"), ("eer_impostors", "… against impostors")):
        if facts[key] is not None:
            before = facts[f"{key}_before"]
            click.echo(
                f"{what}: {before:.2%} before, {facts[key]:.2%} at step {facts['best_step']:,}"
            )
    click.echo(f"encoder: {facts['encoder']} ({facts['fingerprint']})")
    click.echo(
        f"next: siamkit galleries create {quote(facts['name'])} -m {facts['modality']}"
        f" --encoder {quote(facts['encoder'])}"
    )
