"""Measure how well a timeline names enrolled speakers, and its time for an hour of recording.

    python benchmarks/voice_timeline.py DATA [--hours N]

Meetings are made from DATA/librispeech_test-other, whose speakers were each recorded once: three
speakers are enrolled from two clips each, and all five speak in turns of --turn seconds, cut from
other clips, with pauses between. Each choice of three out of five is a meeting.

error: the share of spoken time with a wrong name, counting `unknown` as a name. It consists of
wrong: another enrolled name, missed: unknown instead of a name, false: a name instead of unknown.
--hours times `siamkit timeline` on a FLAC file of that length, made of such meetings.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from timing import peak_mb, seconds

from siamkit import Workspace

RATE, GRID = 16_000, 0.05
SET = "librispeech_test-other"
Truth = list[tuple[float, float, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--turn", type=float, default=6.0, help="seconds that one speaks at most")
    parser.add_argument("--hours", type=int, help="time a recording of so many")
    options = parser.parse_args()
    speakers = {f.name: sorted(f.glob("*.flac")) for f in sorted((options.data / SET).iterdir())}
    with tempfile.TemporaryDirectory() as scratch:
        if options.hours:
            hours(options.hours, speakers, options.turn, Path(scratch))
            return
        results = []
        for enrolled in itertools.combinations(speakers, 3):
            folder = Path(scratch) / "-".join(enrolled)
            results.append(meeting(speakers, enrolled, options.turn, folder))
    rows = np.array(results)
    total, *errors = rows.sum(axis=0)
    wrong, missed, false = (error / total for error in errors)
    print(
        f"error {wrong + missed + false:.3f}  wrong {wrong:.3f}  missed {missed:.3f}"
        f"  false {false:.3f}  of {total:.0f} s, {len(rows)} meetings"
    )


def meeting(
    speakers: dict[str, list[Path]], enrolled: tuple[str, ...], turn: float, folder: Path
) -> list[float]:
    folder.mkdir()
    samples, truth = spoken(speakers, turn, seed=0)
    soundfile.write(folder / "meeting.wav", samples, RATE)
    with Workspace(folder / "store") as ws:
        for name in enrolled:
            for file in speakers[name][:2]:
                ws.enrol("voices", name, file)
        timeline = ws.timeline(folder / "meeting.wav", "voices")
    at = np.arange(0, len(samples) / RATE, GRID)
    expected, answered = np.full(len(at), "", object), np.full(len(at), "", object)
    for start, stop, name in truth:
        expected[(at >= start) & (at < stop)] = name if name in enrolled else "unknown"
    for t in timeline.turns:
        answered[(at >= t.start) & (at < t.stop)] = t.identity or "unknown"
    both = (expected != "") & (answered != "")
    w, g = expected[both], answered[both]
    wrong = (w != g) & (w != "unknown") & (g != "unknown")
    missed = (w != "unknown") & (g == "unknown")
    false = (w == "unknown") & (g != "unknown")
    return [GRID * float(x.sum()) for x in (both, wrong, missed, false)]


def spoken(speakers: dict[str, list[Path]], turn: float, seed: int) -> tuple[np.ndarray, Truth]:
    """(n,) samples, and who speaks from when to when."""
    rng = np.random.default_rng(seed)
    clips = [(name, file) for name, files in speakers.items() for file in files[2:]]
    parts, truth, clock = [], [], 0.0
    for number in rng.permutation(len(clips)):
        name, file = clips[number]
        samples, _ = soundfile.read(file, dtype="float32")
        samples = samples[: int(turn * RATE)]
        pause = np.zeros(int(rng.uniform(0.1, 1.0) * RATE), np.float32)
        truth.append((clock, clock + len(samples) / RATE, name))
        parts += [samples, pause]
        clock += (len(samples) + len(pause)) / RATE
    return np.concatenate(parts), truth


def hours(count: int, speakers: dict[str, list[Path]], turn: float, folder: Path) -> None:
    samples = np.concatenate([spoken(speakers, turn, seed)[0] for seed in range(20)])
    soundfile.write(folder / "long.flac", np.resize(samples, count * 3600 * RATE), RATE)
    siamkit = [sys.executable, "-m", "siamkit"]
    store = ["--store", folder / "store"]
    for name in list(speakers)[:3]:
        files = [str(f) for f in speakers[name][:2]]
        seconds([*siamkit, "enrol", "voices", *files, "--as", name, *store])
    command = [*siamkit, "timeline", folder / "long.flac", "voices", "--json", *store]
    print(f"{count} h recording: {seconds(command):.1f} s, {peak_mb(command):.0f} MB")


if __name__ == "__main__":
    main()
