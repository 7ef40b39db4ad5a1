"""Time the embedding of voices, and a cold `verify`; peer: Resemblyzer.

    python benchmarks/voices_speed.py DATA

Needs Resemblyzer: see voices.py. Both embed the same files from path to vector (decode, speech
detection, features, network), in turn, in one process, with all cores. siamkit takes many files, as
`siamkit embed` does, or one at a time; Resemblyzer takes one at a time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import soundfile
from timing import elapsed, in_turn, peak_mb, table
from voice_peer import open_peer

from siamkit.embed import batches
from siamkit.embed.pipeline import open_pipeline
from siamkit.embed.region_choosers import all_regions

RUNS, COLD = 5, 5
SETS = {"LibriSpeech, 2 to 23 s": "librispeech_test-other", "Emo-DB, 2 s": "emodb"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    pipeline = open_pipeline("voices", encoder=None, detector="speech")
    peer = open_peer()

    def many(files: list[Path]) -> None:
        jobs = (batches.Job(file) for file in files)
        assert all(
            d.regions for batch in batches.embed_all(pipeline, jobs, all_regions) for d in batch
        )

    def single(files: list[Path]) -> None:
        for file in files:
            batches.embed_one(pipeline, pipeline.read(file), all_regions)

    def by_peer(files: list[Path]) -> None:
        for file in files:
            peer(file)

    methods = {"many files": many, "one at a time": single, "Resemblyzer": by_peer}
    rows = []
    for name, folder in SETS.items():
        files = sorted((data / folder).rglob("*.flac"))[::2]
        length = sum(soundfile.info(file).duration for file in files)
        factors: dict[str, list[float]] = {method: [] for method in methods}
        for turn in range(RUNS + 1):
            for method, embed in methods.items():
                spent = elapsed(lambda: embed(files))  # noqa: B023
                if turn:
                    factors[method].append(spent / length)
        factor = {method: statistics.median(values) for method, values in factors.items()}
        slow = factor["Resemblyzer"]
        rows.append((f"{name}: real-time factor, Resemblyzer", f"{slow:.4f}", ""))
        for method in ("many files", "one at a time"):
            shown = f"{factor[method]:.4f}, {slow / factor[method]:.2f} x as fast"
            rows.append((f"{name}: {method}", shown, ">= 1.5 x"))
    pair = sorted((data / SETS["LibriSpeech, 2 to 23 s"]).rglob("*.flac"))[:2]
    scripts = Path(__file__).parent
    commands = {
        "ours": [sys.executable, "-m", "siamkit", "verify", "-m", "voices", *pair],
        "peer": [sys.executable, scripts / "voice_peer.py", *pair],
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
