"""Compare workers with threads of one process: pictures per second, processor time, start.

    python benchmarks/workers.py DATA [--photos 500] [--rounds 3]

DATA/faces/lfw has a folder per person, of aligned crops, so no detector runs; DATA/faces/detection
has whole photographs, detected first. Each way takes its turn in every round, and medians are
printed. The rate is that after the first batch; `start` is the time until then, which for workers
is that of Ray and of opening the models once more. `cluster` is one of three nodes on this machine,
started before, two of them with a core: what it costs that a worker is elsewhere, network aside.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

import siamkit as sk

NODES = Path(__file__).parents[1] / "tests" / "support" / "raynodes.py"


@dataclass
class Run:
    """One way of embedding the photos, once."""

    start: float  # seconds until the first batch is done
    rate: float  # photos per second after that
    processor: float  # milliseconds per photo after that, of all processes


def processor_seconds() -> float:
    """Processor time of this process and of all that it has started and that still run."""
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def measure(ws: sk.Workspace, photos: Sequence[Path], **how: object) -> Run:
    began = time.perf_counter()
    marks: list[tuple[int, float, float]] = []

    def mark(step: str, done: int, total: int) -> None:
        if not marks or done == total:
            marks.append((done, time.perf_counter(), processor_seconds()))

    ws.embed("faces", photos, progress=mark, **how)  # type: ignore[call-overload]
    (first, started, spent), (last, ended, spent_in_all) = marks
    photos_after = last - first
    seconds = ended - started
    return Run(
        started - began, photos_after / seconds, 1000 * (spent_in_all - spent) / photos_after
    )


@contextmanager
def cluster() -> Iterator[str]:
    nodes = subprocess.Popen(
        [sys.executable, NODES],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert nodes.stdout
        yield nodes.stdout.readline().split()[0]
    finally:
        nodes.communicate()


def read_photos(data: Path, count: int) -> dict[str, tuple[list[Path], dict[str, object]]]:
    people = sorted((data / "faces" / "lfw").iterdir())
    chosen = np.random.default_rng(0).permutation(len(people))
    crops = [photo for i in chosen for photo in sorted(people[i].glob("*.jpg"))][:count]
    whole = sorted((data / "faces" / "detection").glob("*.jpg"))
    whole = (whole * (count // len(whole) + 1))[: count // 2]
    return {"crops": (crops, {"detector": None}), "photographs": (whole, {})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # for all
    print(f"{os.cpu_count()} cores, medians of {options.rounds} rounds\n")
    with cluster() as address, sk.Workspace() as ws:
        ways: dict[str, int | str | None] = {
            "no workers: threads": None,
            "--workers 1": 1,
            "--workers 2": 2,
            "cluster of 2 x 1 core": address,
        }
        for kind, (photos, choice) in read_photos(options.data, options.photos).items():
            measure(ws, photos[:64], **choice)  # opens the models
            runs: dict[str, list[Run]] = {way: [] for way in ways}
            for _ in range(options.rounds):
                for way, workers in ways.items():
                    runs[way].append(measure(ws, photos, workers=workers, **choice))
            print(f"{len(photos)} {kind:24} photos/s    ratio  CPU ms each    start s")
            for way, of_way in runs.items():
                rate, processor, start = (
                    statistics.median(getattr(run, name) for run in of_way)
                    for name in ("rate", "processor", "start")
                )
                ratio = statistics.median(
                    run.rate / plain.rate
                    for run, plain in zip(of_way, runs["no workers: threads"], strict=True)
                )
                print(f"{way:28} {rate:8.1f} {ratio:8.2f} {processor:12.1f} {start:10.1f}")
            print(flush=True)


if __name__ == "__main__":
    main()
