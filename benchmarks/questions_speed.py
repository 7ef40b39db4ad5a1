"""Questions a second, beside sentence-transformers on the same weights, in turn in one process.

    python questions_speed.py DATA [--texts N] [--threads N]

DATA holds trials.csv: a,b,label. As many threads each: torch's own, which share each operator, and
siamkit's, each with a run of its own. Wall and processor time, medians of 5 after a warm-up.
On a machine that others use too, only `--threads 1` is fair: torch's threads wait for each other
after every operator, and one that has lost its core holds up the rest.
Cosines are between siamkit's vectors and those of sentence-transformers.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from siamkit.embed.pipeline import open_encoder
from siamkit.host import registry
from siamkit_questions import origins, sentences

TURNS = 5


def texts(data: Path, count: int) -> list[str]:
    with (data / "trials.csv").open(encoding="utf-8", newline="") as file:
        return [row["a"] for row in csv.DictReader(file)][:count]


def in_turn(
    calls: dict[str, Callable[[], np.ndarray]],
) -> tuple[dict[str, np.ndarray], dict[str, tuple[float, float]]]:
    """What each call gives, and the medians of its wall and its processor seconds."""
    given: dict[str, np.ndarray] = {}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(TURNS + 1):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            given[name] = call()
            spent = (time.perf_counter() - wall, time.process_time() - processor)
            if turn:
                taken[name].append(spent)
    medians = {
        name: (statistics.median(w for w, _ in both), statistics.median(p for _, p in both))
        for name, both in taken.items()
    }
    return given, medians


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    os.environ["SIAMKIT_THREADS"] = str(given.threads)

    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(given.threads)
    peer = SentenceTransformer(str(origins.find_packaged()), device="cpu")
    plugin = registry.load("siamkit.modalities", "questions")
    words = texts(given.data, given.texts)
    full, small = open_encoder(plugin, "minilm-l6"), open_encoder(plugin, "minilm-l6-int8")

    def by(size: int) -> np.ndarray:
        before, sentences.RUN = sentences.RUN, size
        try:
            return full.embed(words)
        finally:
            sentences.RUN = before

    def theirs(size: int) -> np.ndarray:
        return peer.encode(words, batch_size=size, show_progress_bar=False)

    name = "sentence-transformers, batch 32"
    vectors, medians = in_turn(
        {
            name: lambda: theirs(32),
            "sentence-transformers, batch 128": lambda: theirs(128),
            **{f"siamkit float32, runs of {n}": lambda n=n: by(n) for n in (8, 16, 32)},
            "siamkit int8": lambda: small.embed(words),
        }
    )
    print(f"{len(words)} questions          texts/s   wall x  processor x   min cos  mean cos")
    base = medians[name]
    unit = vectors[name] / np.linalg.norm(vectors[name], axis=1, keepdims=True)
    for who, (wall, processor) in medians.items():
        near = (vectors[who] * unit).sum(axis=1)
        print(
            f"{who:33}{len(words) / wall:8.0f}  {base[0] / wall:7.2f}"
            f"  {base[1] / processor:11.2f}  {near.min():8.5f}  {near.mean():8.5f}"
        )


if __name__ == "__main__":
    main()
