"""Show a training run as it goes: one line that is redrawn, and one per important event."""

from __future__ import annotations

import sys
import time
from shlex import quote
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import siamkit as sk
from siamkit.cli.output import echo, stderr
from siamkit.errors import SiamkitError
from siamkit.io.printable import printable

if TYPE_CHECKING:
    from siamkit.train.events import Event, Started, Step

EVERY, REDRAW = 10.0, 0.2  # seconds between two lines of progress, and on a terminal
CLEAR = "\r\033[K"


def follow(run: sk.TrainingRun) -> None:
    """Train to the end and show its events; if interrupted, print what is saved."""
    live = sys.stderr.isatty()
    started: Started | None = None
    first_step, start_time = 0, time.monotonic()
    last_line = start_time - EVERY  # when a step was shown
    saved: int | None = None
    try:
        for event in run.events():
            if isinstance(event, sk.training_events.Step):
                if started is None or time.monotonic() - last_line < (REDRAW if live else EVERY):
                    continue
                last_line = time.monotonic()
                pace = (last_line - start_time) / max(1, event.step - first_step)
                line = _step_line(event, started.steps, pace * (started.steps - event.step))
                if live:  # a line that wraps could not be drawn over
                    sys.stderr.write(f"{CLEAR}{printable(line)[: get_terminal_size().columns - 1]}")
                    sys.stderr.flush()
                else:
                    stderr(line)
            elif isinstance(event, sk.training_events.Saved):
                saved = event.step
            else:
                stderr(_event_line(event), before=CLEAR if live else "")
                if isinstance(event, sk.training_events.Started):
                    started, first_step, start_time = event, event.step, time.monotonic()
                    saved = event.step or None
    except KeyboardInterrupt:
        state = "nothing is saved yet" if saved is None else f"step {saved:,} is saved"
        command = f"siamkit train --out {quote(str(run.folder))} --resume"
        stderr(f"{state}; `{command}` continues from there", before="\n")
        raise
    except SiamkitError:
        if live:
            stderr("")  # end the line that is redrawn
        raise


def _step_line(step: Step, steps: int, seconds_left: float) -> str:
    return (
        f"step {step.step:,}/{steps:,}  loss {step.loss:.4f}  active {step.active:.0%}"
        f"  d²(A,P) {step.positive:.2f}  d²(A,N) {step.negative:.2f}  {step.miner}"
        f"  {step.samples_per_second:,.0f} samples/s  ETA {_clock(seconds_left)}"
    )


def _event_line(event: Event) -> str:
    """Describe an event other than a step."""
    if isinstance(event, sk.training_events.Started):
        impostors = f" and {event.impostors:,} impostors" if event.impostors else ""
        return (
            f"{event.samples:,} samples{impostors} of {event.identities:,} identities;"
            f" {event.validation_samples:,} of {event.validation_identities:,} others for"
            f" validation; {event.parameters:,} parameters, {event.device} {event.precision}"
            + (f"; resumed at step {event.step:,}" if event.step else "")
        )
    if isinstance(event, sk.training_events.Evaluated):
        rate = event.eer_impostors
        impostors = "" if rate is None else f", against impostors {rate:.2%}"
        best = ", the best so far" if event.best else ""
        return f"step {event.step:,}: equal error rate {event.eer:.2%}{impostors}{best}"
    if isinstance(event, sk.training_events.Alarm):
        return f"step {event.step:,}: {event.name}: {event.message}"
    if isinstance(event, sk.training_events.Stopped):
        return f"step {event.step:,}: {event.reason}"
    return ""


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def print_result(result: sk.TrainingResult) -> None:
    """Print the error rates, the encoder folder, and the command that uses it."""
    _print_rate("equal error rate", result.eer_before, result.eer, result.best_step)
    _print_rate(
        "… against impostors", result.eer_impostors_before, result.eer_impostors, result.best_step
    )
    echo(f"encoder: {result.encoder} ({result.fingerprint})")
    echo(
        f"next: siamkit galleries create {quote(result.name)} -m {result.modality}"
        f" --encoder {quote(result.encoder)}"
    )


def _print_rate(name: str, before: float | None, best: float | None, best_step: int | None) -> None:
    if before is not None and best is not None:
        echo(f"{name}: {before:.2%} before, {best:.2%} at step {best_step:,}")
