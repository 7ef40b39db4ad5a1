"""Deletion test of `siamkit explain`: are the pieces that it ranks highest those that matter?

    python benchmarks/explain.py DATA [--pairs 40] [--share 0.2] [--json]

DATA holds faces/, signatures/, voices/ and questions/, each with trials.csv (a,b,label). PAIRS
mated pairs of each modality are drawn with a fixed seed; a pair with a file in which nothing is
found is replaced. On each side of a pair the SHARE of pieces with the highest contributions is
hidden and compared with the whole other side, as in "RISE" (V. Petsiuk, A. Das, K. Saenko, BMVC
2018, section 4.2), at one point of its curve. For comparison, as many other pieces are hidden:

random: drawn at random, mean of 10 draws. moved: the highest ones shifted together, so that their
shape stays, mean of 10. lowest: those with the lowest contributions. lower: the share of sides that
score lower without the highest than without random ones, and than without moved ones.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.errors import SiamkitError
from siamkit.flows import occlusion
from siamkit.flows.explain import explain

DETECTORS = {"faces": None, "signatures": "signatures", "voices": "speech", "questions": None}
DRAWS = 10
HEAD = ("modality", "sides", "s/pair", "whole", "highest", "random", "moved", "lowest",
        "lower", "lower (moved)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.json:
        print("  ".join(f"{name:>10}" for name in HEAD))
    for modality, detector in DETECTORS.items():
        pipeline = open_pipeline(modality, encoder=None, detector=detector)
        line = figures(pipeline, options.data / modality, options.pairs, options.share)
        values = dict(zip(HEAD, (modality, *line), strict=True))
        cells = (f"{v:10.3f}" if isinstance(v, float) else f"{v:>10}" for v in values.values())
        print(json.dumps(values) if options.json else "  ".join(cells), flush=True)


def figures(pipeline: Pipeline, data: Path, pairs: int, share: float) -> tuple[float, ...]:
    with (data / "trials.csv").open(encoding="utf-8", newline="") as lines:
        mated = [row for row in csv.DictReader(lines) if row["label"] == "1"]
    rng = np.random.default_rng(0)
    rows: list[list[float]] = []
    seconds: list[float] = []
    for number in rng.permutation(len(mated)):
        a, b = (mated[number][side] for side in "ab")
        is_text = pipeline.modality.kind == "text"
        started = time.perf_counter()
        try:
            explanation = explain(pipeline, *((a, b) if is_text else (data / a, data / b)))
        except SiamkitError:
            continue
        seconds.append(time.perf_counter() - started)
        vectors = embed(pipeline, [explanation.left.crop, explanation.right.crop])
        for side, against in ((explanation.left, vectors[1]), (explanation.right, vectors[0])):
            rows += deleted(pipeline, side, against, explanation.score, share, rng)
        if len(seconds) == pairs:
            break
    table = np.array(rows)
    means = table.mean(axis=0)
    lower = [float((table[:, 1] < table[:, column]).mean()) for column in (2, 3)]
    return (len(rows), float(np.mean(seconds)), *map(float, means), *lower)


def deleted(pipeline, side, against, score, share, rng) -> list[list[float]]:
    """[[whole, highest, random, moved, lowest]] of one side; [] if it has too few pieces."""
    worth = np.array([part.contribution for part in side.parts])
    count = max(1, round(share * len(worth)))
    if count >= len(worth):
        return []
    pieces = occlusion.split(side.crop)
    order = np.argsort(-worth, kind="stable")
    highest, lowest = np.zeros((2, len(worth)), dtype=bool)
    highest[order[:count]], lowest[order[-count:]] = True, True
    random = [rng.permutation(highest) for _ in range(DRAWS)]
    moved = [np.roll(highest, rng.integers(1, len(worth))) for _ in range(DRAWS)]
    media = [pieces.hide(hidden) for hidden in (highest, lowest, *random, *moved)]
    scores = embed(pipeline, media) @ against
    drawn = (scores[2 : 2 + DRAWS].mean(), scores[2 + DRAWS :].mean())
    return [[score, scores[0], *drawn, scores[1]]]


def embed(pipeline: Pipeline, media: list) -> np.ndarray:
    rows, good = pipeline.embed(media)
    assert good.all()
    return rows


if __name__ == "__main__":
    main()
