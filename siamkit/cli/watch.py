"""Show a training run as it goes: one line that is redrawn, and one per important event."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from shlex import quote
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import siamkit as sk
from siamkit.cli.output import echo, stderr
from siamkit.errors import SiamkitError
from siamkit.io.commands import suggest
from siamkit.io.printable import clock, printable

if TYPE_CHECKING:
    from pathlib import Path

    from siamkit.train.events import (
        Baseline,
        Evaluated,
        Event,
        LocaliserEvaluated,
        LocaliserStarted,
        LocaliserStep,
        Started,
        Step,
        Verdict,
    )
    from siamkit.train.series.trial import Trial

EVERY, REDRAW = 10.0, 0.2  # seconds between two lines of progress, and on a terminal
CLEAR = "\r\033[K"


def print_intake(run: sk.TrainingRun | sk.LocaliserRun | sk.SweepRun | sk.FoldsRun) -> None:
    """Print how the examples were read, and those that could not be used."""
    if not isinstance(run, sk.LocaliserRun) and run.form:
        stderr(run.form)
    faults = run.prepared.faults if run.examples else []
    for fault in faults:
        stderr(f"Error: {fault}")
    if faults:
        stderr(f"{len(faults):,} of {run.examples:,} examples are left out")


def follow(
    run: sk.TrainingRun | sk.LocaliserRun | Trial, loggers: Sequence[str], whole: Path | None = None
) -> None:
    """Train to the end, log and show its events; if interrupted, print what is saved.

    whole: the folder of the sweep or the cross-validation that a run is part of.
    """
    live = sys.stderr.isatty()
    events = sk.training_events
    started: Started | LocaliserStarted | None = None
    first_step, start_time = 0, time.monotonic()
    last_line = start_time - EVERY  # when a step was shown
    saved: int | None = None
    try:
        for event in sk.training_log.log_events(run, loggers):
            if isinstance(event, events.Step | events.LocaliserStep):
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
            elif isinstance(event, events.Saved):
                saved = event.step
            elif isinstance(event, events.Verdict):
                pass  # print_result says it, last
            elif isinstance(event, events.Stopped) and started is None:
                more = f"; `--resume --set steps={2 * run.config.steps}` takes it further"
                stderr(f"{run.folder} is finished: {_event_line(event)}{'' if whole else more}")
            else:
                stderr(_event_line(event), before=CLEAR if live else "")
                if isinstance(event, events.Started | events.LocaliserStarted):
                    started, first_step, start_time = event, event.step, time.monotonic()
                    saved = event.step or None
    except KeyboardInterrupt:
        state = "nothing is saved yet" if saved is None else f"step {saved:,} is saved"
        command = f"siamkit train -o {quote(str(whole or run.folder))} --resume"
        stderr(f"{state}; `{command}` continues from there", before="\n")
        raise
    except SiamkitError:
        if live:
            stderr("")  # end the line that is redrawn
        raise


def _step_line(step: Step | LocaliserStep, steps: int, seconds_left: float) -> str:
    pace = f"{step.samples_per_second:,.0f} samples/s  ETA {clock(seconds_left)}"
    if isinstance(step, sk.training_events.LocaliserStep):
        return (
            f"step {step.step:,}/{steps:,}  loss {step.loss:.4f}  presence {step.presence:.3f}"
            f"  box {step.box:.3f}  label {step.label:.3f}  {pace}"
        )
    return (
        f"step {step.step:,}/{steps:,}  loss {step.loss:.4f}  active {step.active:.0%}"
        f"  d²(A,P) {step.positive:.2f}  d²(A,N) {step.negative:.2f}  {step.miner}  {pace}"
    )


def _event_line(event: Event) -> str:
    """Describe an event other than a step."""
    if isinstance(event, sk.training_events.Started):
        impostors = f" and {event.impostors:,} impostors" if event.impostors else ""
        validation = "none for validation"
        if event.validation_samples:
            validation = (
                f"{event.validation_samples:,} of {event.validation_identities:,} others for"
                " validation"
            )
        return (
            f"{event.samples:,} samples{impostors} of {event.identities:,} identities;"
            f" {validation}; {event.parameters:,} parameters, {event.device} {event.precision}"
            + (f"; resumed at step {event.step:,}" if event.step else "")
        )
    if isinstance(event, sk.training_events.Evaluated):
        best = ", the best so far" if event.best else ""
        return f"step {event.step:,}: {_describe(event)}{best}"
    if isinstance(event, sk.training_events.Baseline):
        return f"without training, {event.name}: {_describe(event)}"
    if isinstance(event, sk.training_events.LocaliserStarted):
        return (
            f"{event.pictures:,} pictures of {event.labels:,} labels or of nothing"
            f" ({event.nothing:,}); {event.validation_pictures:,} others for validation;"
            f" {event.parameters:,} parameters, {event.device}"
            + (f"; resumed at step {event.step:,}" if event.step else "")
        )
    if isinstance(event, sk.training_events.LocaliserEvaluated):
        best = ", the best so far" if event.best else ""
        return f"step {event.step:,}: {event.error:.1%} wrong{_rates(event)}{best}"
    if isinstance(event, sk.training_events.Alarm):
        return f"step {event.step:,}: {event.name}: {event.message}"
    if isinstance(event, sk.training_events.Stopped):
        return f"step {event.step:,}: {event.reason}"
    return ""


def _describe(event: Evaluated | Baseline) -> str:
    """Return 'equal error rate 1.20%, hard 9.80%, recall@1 91.0%, …'."""
    if event.spearman is not None:
        return f"Spearman {event.spearman:.4f}"
    parts = [] if event.eer != event.eer else [f"equal error rate {event.eer:.2%}"]
    kinds = ("hard", event.eer_hard), ("labelled different", event.eer_impostors)
    rates = [(name, rate) for name, rate in kinds if rate is not None]
    if event.error is not None and event.error not in (None, *(rate for _, rate in rates)):
        rates.append(("both", event.error))
    for name, rate in rates:
        has_interval = rate == event.error and event.low is not None and event.high is not None
        interval = f" ({event.low:.1%} to {event.high:.1%})" if has_interval else ""
        parts.append(f"{name} {rate:.2%}{interval}")
    if event.fnmr is not None and event.fmr is not None:
        parts.append(f"FNMR {event.fnmr:.1%} at FMR {event.fmr:g}")
    retrieval = (
        ("recall@1", event.recall_at_1),
        ("@5", event.recall_at_5),
        ("mAP@R", event.map_at_r),
    )
    parts += [f"{name} {rate:.1%}" for name, rate in retrieval if rate is not None]
    return ", ".join(parts) or "no rate could be measured"


def _rates(event: LocaliserEvaluated | sk.LocaliserResult) -> str:
    """Name the rates that were measured: ', label and box right 92.0%, mean IoU 0.74, …'."""
    parts = []
    if event.hits is not None and event.iou is not None:
        parts.append(f", label and box right {event.hits:.1%}, mean IoU {event.iou:.2f}")
    if event.auc is not None:
        parts.append(f", AUC of nothing there {event.auc:.3f}")
    return "".join(parts)


def print_result(result: sk.TrainingResult | sk.LocaliserResult) -> None:
    """Print the error rates, the encoder or detector folder, and the command that uses it."""
    if isinstance(result, sk.LocaliserResult):
        if result.error is not None and result.best_step is not None:
            echo(f"validation: {result.error:.1%} wrong{_rates(result)}; step {result.best_step:,}")
        echo(f"detector: {result.detector} ({result.fingerprint})")
        echo(f"next: siamkit detect -d {quote(result.detector)} photo.jpg")
        return
    for name, before, best in (
        ("equal error rate", result.eer_before, result.eer),
        ("… against hard pairs", result.eer_hard_before, result.eer_hard),
        ("… against pairs labelled different", result.eer_impostors_before, result.eer_impostors),
    ):
        if best is not None:
            earlier = "" if before is None else f"{before:.2%} before, "
            echo(f"{name}: {earlier}{best:.2%} at step {result.best_step:,}")
    if result.best and result.best.spearman is not None:
        echo(f"Spearman: {result.best.spearman:.4f} at step {result.best_step:,}")
    print_ending(result)


def print_ending(result: sk.TrainingResult | sk.FoldsResult) -> None:
    """Print the encoder folder, the command that uses it, and what was gained."""
    if result.encoder:
        echo(f"encoder: {result.encoder} ({result.fingerprint})")
        echo(
            f"next: siamkit galleries create {quote(result.name)} -m {result.modality}"
            f" --encoder {quote(result.encoder)}"
        )
    if not (verdict := result.verdict):
        return
    if isinstance(result, sk.FoldsResult):
        best_steps = [fold.best_step for fold in result.folds]
    else:
        best_steps = [result.best_step]
    # Of folds whose median best step is the first, no encoder can be trained.
    can_export = not isinstance(result, sk.FoldsResult) or result.step > 0
    state = f"nothing is exported (`{suggest('train export', result.run)}` would)"
    state = state if can_export else "nothing is exported"
    state = "exported all the same" if result.encoder else state
    line = _verdict_line(verdict, has_learned=any(best_steps))
    echo(line if verdict.gained is not False else f"{line}; {state}; try: {verdict.advice}")


def _verdict_line(verdict: Verdict, *, has_learned: bool) -> str:
    """Return 'gained: error 10.70% -> 8.10% over the encoder x, on 20 identities …'.

    has_learned: some step is better than the first weights.
    """
    on = f"on {verdict.identities:,} identities never trained on, {verdict.negatives}"
    if verdict.gained is None or verdict.before is None or verdict.error is None:
        rate = "" if verdict.error is None else f": error {verdict.error:.2%} {on}"
        return f"not compared with anything without training{rate}"
    rates = f"error {verdict.before:.2%} -> {verdict.error:.2%}"
    events = sk.training_events
    outcome = events.outcome(verdict.gained, verdict.before, verdict.error)
    if not has_learned:
        chance = "no step is better than the first weights"
    elif verdict.low is not None and verdict.high is not None:
        chance = events.interval_of_fall(verdict.low, verdict.high)
    else:
        chance = "too few to tell from chance"
    return f"{outcome}: {rates} over {verdict.alternative}, {on}; {chance}"
