"""Time whole processes from outside, in turn, so that ratios survive a drift of the machine."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


def seconds(command: Sequence[str | Path], *, ok: Sequence[int] = (0,)) -> float:
    """Wall time of one run, start and end of the process included."""
    started = time.perf_counter()
    run = subprocess.run(command, capture_output=True)
    spent = time.perf_counter() - started
    if run.returncode not in ok:
        raise SystemExit(f"{command} failed: {run.stderr.decode()}")
    return spent


def elapsed(call: Callable[[], object]) -> float:
    """Seconds that one call takes within this process."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turn(commands: dict[str, Sequence[str | Path]], runs: int) -> dict[str, float]:
    """The median of each command, run A B A B … after one warm-up each."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            spent = seconds(command, ok=(0, 3))
            if turn:
                times[name].append(spent)
    return {name: statistics.median(values) for name, values in times.items()}


_WATCH = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime, time.perf_counter() - started)
"""


@dataclass(frozen=True)
class Watched:
    """One run of a command."""

    peak_mb: float  # largest resident set
    busy: float  # seconds of processor time, all threads together
    seconds: float  # wall time


def watched(command: Sequence[str | Path]) -> Watched:
    """Run a command and watch it from outside (POSIX).

    A process counts what its parent held when it was started, so a small one starts it.
    """
    watch = [sys.executable, "-S", "-c", _WATCH, *command]
    run = subprocess.run(watch, capture_output=True, text=True, check=True)
    resident, busy, spent = map(float, run.stdout.split())
    return Watched(resident / (1024 if sys.platform != "darwin" else 1024 * 1024), busy, spent)


def peak_mb(command: Sequence[str | Path]) -> float:
    """Largest resident set of one run, in MB (POSIX)."""
    return watched(command).peak_mb


def cpu_seconds(command: Sequence[str | Path], runs: int = 5) -> float:
    """The median processor time of a command, all threads together (POSIX)."""
    return statistics.median(watched(command).busy for _ in range(runs))


def table(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print figure, value, goal."""
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print(
            "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        )
