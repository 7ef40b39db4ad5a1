"""Time the commands of docs/tutorials/plugin.md, from a new modality to a trained one.

    newcomer.py [KIND …]

For each kind of template, in a folder, a store and a cache of its own: one row per command with its
seconds. Nothing is written by hand; `lines` is the length of the module whose three functions an
author changes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from siamkit.cli.output import table
from siamkit.scaffold import KINDS

PIP = "-m pip install --no-deps --no-build-isolation -q"
STEPS = (
    "-m siamkit plugins new marks --kind {kind}",
    PIP + " --target site ./siamkit-marks",
    "-m siamkit plugins check marks",
    "siamkit-marks/make_samples.py",
    "-m siamkit enrol marks --from samples",
    "-m siamkit query marks samples/a/0",
    "-m siamkit train samples -m marks -o run --set steps=60{backbone}",
    "-m siamkit reembed marks --encoder run/encoder",
    "-m siamkit query marks samples/a/0",
)


def main() -> None:
    rows = []
    for kind in sys.argv[1:] or KINDS:
        backbone = "" if kind == "image" else " --set backbone=encoder"
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            environment = {
                **os.environ,
                "SIAMKIT_CACHE": str(folder / "cache"),
                "PYTHONPATH": os.pathsep.join(
                    [os.environ.get("PYTHONPATH", ""), str(folder / "site")]
                ),
            }
            total = 0.0
            for step in STEPS:
                words = step.format(kind=kind, backbone=backbone).split()
                started = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, *words],
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                )
                total += (seconds := time.perf_counter() - started)
                if done.returncode not in (0, 3):  # 3: before training there is no threshold
                    raise SystemExit(f"{step}: {done.returncode}\n{done.stdout}{done.stderr}")
                rows.append(
                    [kind, " ".join(words[2 * (words[0] == "-m") :])[:60], f"{seconds:.1f}"]
                )
            lines = len((folder / "siamkit-marks/siamkit_marks.py").read_text().splitlines())
            rows.append([kind, f"all of it; {lines} lines", f"{total:.1f}"])
    table(["kind", "command", "seconds"], rows)


if __name__ == "__main__":
    main()
