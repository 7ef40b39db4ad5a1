"""How well a timeline names the enrolled, and how long an hour of recording takes.

    python voice_timeline.py DATA [--window S]... [--hours N]

Meetings are made of DATA/librispeech_test-other, whose speakers were each recorded once: three
speakers are enrolled from two clips each, all five speak in turns of --turn seconds, cut out of
clips that were not enrolled, with pauses between. Every choice of three out of five is a meeting.

error: the share of spoken time with another name than it should bear, `unknown` being one; in it,
wrong: another enrolled name, missed: unknown instead of a name, false: a name instead of unknown.
--hours times `siamkit query --timeline` on a FLAC file of so many, made of such meetings.
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
from siamkit.flows import timeline as flow

RATE, GRID = 16_000, 0.05
SET = "librispeech_test-other"
Truth = list[tuple[float, float, str]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path)
    options.add_argument(
        "--window", type=float, action="append", help="seconds, several may be given"
    )
    options.add_argument("--turn", type=float, default=6.0, help="seconds that one speaks at most")
    options.add_argument("--hours", type=int, help="time a recording of so many")
    given = options.parse_args()
    speakers = {f.name: sorted(f.glob("*.flac")) for f in sorted((given.data / SET).iterdir())}
    with tempfile.TemporaryDirectory() as made:
        if given.hours:
            hours(given.hours, speakers, given.turn, Path(made))
            return
        for window in given.window or [flow.WINDOW]:
            flow.WINDOW = window
            rows = np.array([
                meeting(speakers, known, given.turn, Path(made) / f"{window}-{'-'.join(known)}")
                for known in itertools.combinations(speakers, 3)
            ])  # fmt: skip
            total, *errors = rows.sum(axis=0)
            shares = [e / total for e in errors]
            wrong, missed, false = shares
            print(
                f"window {window:.1f} s  error {sum(shares):.3f}  wrong {wrong:.3f}"
                f"  missed {missed:.3f}  false {false:.3f}  of {total:.0f} s, {len(rows)} meetings"
            )


def meeting(
    speakers: dict[str, list[Path]], known: tuple[str, ...], turn: float, folder: Path
) -> list[float]:
    folder.mkdir()
    samples, truth = spoken(speakers, turn, seed=0)
    soundfile.write(folder / "meeting.wav", samples, RATE)
    with Workspace(folder / "store") as ws:
        for name in known:
            for file in speakers[name][:2]:
                ws.enrol("voices", name, file)
        found = ws.timeline("voices", folder / "meeting.wav")
    at = np.arange(0, len(samples) / RATE, GRID)
    wanted, got = np.full(len(at), "", object), np.full(len(at), "", object)
    for start, stop, name in truth:
        wanted[(at >= start) & (at < stop)] = name if name in known else "unknown"
    for t in found.turns:
        got[(at >= t.start) & (at < t.stop)] = t.identity or "unknown"
    both = (wanted != "") & (got != "")
    w, g = wanted[both], got[both]
    wrong = (w != g) & (w != "unknown") & (g != "unknown")
    missed = (w != "unknown") & (g == "unknown")
    false = (w == "unknown") & (g != "unknown")
    return [GRID * float(x.sum()) for x in (both, wrong, missed, false)]


def spoken(speakers: dict[str, list[Path]], turn: float, seed: int) -> tuple[np.ndarray, Truth]:
    """(n,) samples, and who speaks from when to when."""
    rng = np.random.default_rng(seed)
    clips = [(name, file) for name, files in speakers.items() for file in files[2:]]
    parts, truth, now = [], [], 0.0
    for number in rng.permutation(len(clips)):
        name, file = clips[number]
        samples, _ = soundfile.read(file, dtype="float32")
        samples = samples[: int(turn * RATE)]
        pause = np.zeros(int(rng.uniform(0.1, 1.0) * RATE), np.float32)
        truth.append((now, now + len(samples) / RATE, name))
        parts += [samples, pause]
        now += (len(samples) + len(pause)) / RATE
    return np.concatenate(parts), truth


def hours(count: int, speakers: dict[str, list[Path]], turn: float, folder: Path) -> None:
    samples = np.concatenate([spoken(speakers, turn, seed)[0] for seed in range(20)])
    soundfile.write(folder / "long.flac", np.resize(samples, count * 3600 * RATE), RATE)
    siamkit = [sys.executable, "-m", "siamkit"]
    store = ["--store", folder / "store"]
    for name in list(speakers)[:3]:
        files = [str(f) for f in speakers[name][:2]]
        seconds([*siamkit, "enrol", "voices", *files, "--as", name, *store])
    command = [*siamkit, "query", "voices", folder / "long.flac", "--timeline", "--json", *store]
    print(f"{count} h recording: {seconds(command):.1f} s, {peak_mb(command):.0f} MB")


if __name__ == "__main__":
    main()
