"""Time `siamkit evaluate` on 1 000 000 scored trials.

python benchmarks/evaluate_speed.py [--trials 1000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    mated = rng.random(options.trials) < 0.1
    left = rng.integers(5_000, size=options.trials)
    right = np.where(mated, left, (left + rng.integers(1, 5_000, size=options.trials)) % 5_000)
    scores = rng.normal(size=options.trials) + 3 * mated
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        with path.open("w") as file:
            file.write("a,b,label,score\n")
            for row, (a, b, label, score) in enumerate(
                zip(left, right, mated.astype(int), scores, strict=True)
            ):
                file.write(f"{a}/{row},{b}/{row}x,{label},{score:.6f}\n")
        for extra in ([], ["--report", str(Path(folder) / "r.html")]):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "siamkit", "evaluate", str(path), *extra],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            spent = time.perf_counter() - started
            print(f"{options.trials:,} trials {' '.join(extra[:1]):9} {spent:.1f} s")


if __name__ == "__main__":
    main()
