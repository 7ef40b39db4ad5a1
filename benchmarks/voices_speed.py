"""How fast voices are embedded, and how soon a cold `verify` answers, beside Resemblyzer.

    python voices_speed.py DATA

It needs Resemblyzer: see voices.py. Both embed the same files from path to vector (decode, speech
detection, features, network) in turn, in one process, with all cores. siamkit takes many files as
`siamkit embed` does, or one at a time; Resemblyzer knows one at a time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import soundfile
from timing import elapsed, in_turn, peak_mb, table
from voice_peer import opened

from siamkit.embed import batches
from siamkit.embed.pipeline import open_pipeline
from siamkit.embed.region_choosers import all_regions

RUNS, COLD = 5, 5
SETS = {"LibriSpeech, 2 to 23 s": "librispeech_test-other", "Emo-DB, 2 s": "emodb"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path)
    data = options.parse_args().data
    pipeline = open_pipeline("voices", encoder=None, detector="speech")
    peer = opened()

    def many(files: list[Path]) -> None:
        jobs = (batches.Job(file) for file in files)
        assert all(
            d.regions for batch in batches.embed_all(pipeline, jobs, all_regions) for d in batch
        )

    def single(files: list[Path]) -> None:
        for file in files:
            batches.embed_one(pipeline, pipeline.read(file), all_regions)

    def theirs(files: list[Path]) -> None:
        for file in files:
            peer(file)

    ways = {"many files": many, "one at a time": single, "Resemblyzer": theirs}
    rows = []
    for name, folder in SETS.items():
        files = sorted((data / folder).rglob("*.flac"))[::2]
        length = sum(soundfile.info(file).duration for file in files)
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(RUNS + 1):
            for way, embed in ways.items():
                spent = elapsed(lambda: embed(files))  # noqa: B023
                if turn:
                    taken[way].append(spent / length)
        factor = {way: statistics.median(values) for way, values in taken.items()}
        slow = factor["Resemblyzer"]
        rows.append((f"{name}: real-time factor, Resemblyzer", f"{slow:.4f}", ""))
        for way in ("many files", "one at a time"):
            said = f"{factor[way]:.4f}, {slow / factor[way]:.2f} x as fast"
            rows.append((f"{name}: {way}", said, ">= 1.5 x"))
    pair = sorted((data / SETS["LibriSpeech, 2 to 23 s"]).rglob("*.flac"))[:2]
    here = Path(__file__).parent
    commands = {
        "ours": [sys.executable, "-m", "siamkit", "verify", "-m", "voices", *pair],
        "peer": [sys.executable, here / "voice_peer.py", *pair],
    }
    cold = in_turn(commands, COLD)
    rows.append(("cold verify, 2 files", f"{cold['ours']:.2f} s", "<= 1 s"))
    ratio = cold["peer"] / cold["ours"]
    rows.append(("the same, Resemblyzer", f"{cold['peer']:.2f} s, {ratio:.1f} x", ">= 5 x"))
    megabytes = [f"{peak_mb(command):.0f} MB" for command in commands.values()]
    rows.append(("peak memory of verify, and of Resemblyzer", " and ".join(megabytes), ""))
    table(rows)


if __name__ == "__main__":
    main()
