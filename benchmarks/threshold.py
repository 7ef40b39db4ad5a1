"""Plot FMR and FNMR against the threshold: the curve behind the default of faces.

    python benchmarks/threshold.py DATA CURVE.csv CURVE.svg

FNMR is that of the mated trials of DATA/trials.csv (LFW crops, --detector none). 1 500 non-mated
trials cannot show a rate of 0.001 (rule of 30: 30 errors need 30 000 trials), so FMR is measured
on all pairs of one random picture per person, the mean of 10 draws.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from accuracy import ours, trials

mpl.use("svg")
from matplotlib import pyplot as plt

DRAWS, DEFAULT = 10, 0.371

data, table, picture = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
pairs = trials(data / "trials.csv")
files = sorted({name for a, b, _ in pairs for name in (a, b)})
vectors = ours(data, files, cropped=True)
score = np.array([float(vectors[a] @ vectors[b]) for a, b, _ in pairs])
mated = np.sort(score[[label == 1 for *_, label in pairs]])

people = np.array([Path(name).parent.name for name in files])
rows, rng, draws = np.stack([vectors[name] for name in files]), np.random.default_rng(0), []
for _ in range(DRAWS):
    order = rng.permutation(len(files))
    _, first = np.unique(people[order], return_index=True)
    drawn = rows[order[first]]
    draws.append(np.sort((drawn @ drawn.T)[np.triu_indices(len(drawn), 1)]))
limits = np.round(np.arange(0.301, 0.4601, 0.002), 4)
fmr = np.mean([1 - np.searchsorted(d, limits) / len(d) for d in draws], axis=0)
fnmr = np.searchsorted(mated, limits) / len(mated)

with table.open("w", newline="") as file:
    out = csv.writer(file)
    out.writerow(["threshold", "fmr", "fnmr"])
    out.writerows(
        [f"{t:.3f}", f"{m:.2e}", f"{n:.4f}"] for t, m, n in zip(limits, fmr, fnmr, strict=True)
    )

plt.rcParams["svg.hashsalt"] = "siamkit"
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.semilogy(limits, fmr, label=f"FMR ({len(draws[0]):,} pairs a draw, {DRAWS} draws)")
axes.semilogy(limits, np.maximum(fnmr, 1 / len(mated)), label=f"FNMR ({len(mated):,} mated trials)")
axes.axvline(DEFAULT, color="gray", linestyle=":", label=f"default {DEFAULT}")
axes.set(xlabel="threshold (cosine)", ylabel="error rate", title="Faces: LFW crops, folds 1–5")
axes.grid(alpha=0.3)
axes.legend()
figure.savefig(picture, metadata={"Date": None})
at = int(np.argmin(np.abs(limits - DEFAULT)))
print(f"pairs a draw    {len(draws[0]):,}")
print(f"FMR  at {DEFAULT}   {fmr[at]:.2e}   (goal 1e-3)")
print(f"FNMR at {DEFAULT}   {fnmr[at]:.4f}")
