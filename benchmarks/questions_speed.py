"""Measure questions per second; peer: sentence-transformers with the same weights.

    python benchmarks/questions_speed.py DATA [--texts N] [--threads N]

DATA holds trials.csv: a,b,label. Both take turns in one process with the same number of threads:
torch's share each operator, siamkit's each have a run of their own. Wall and processor time are
medians of 5 after a warm-up. On a shared machine only `--threads 1` is fair: torch's threads wait
for each other after every operator, so one that loses its core holds up the others. Cosines are
between siamkit's vectors and the peer's.
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
from siamkit_questions import bert, sentences

TURNS = 5


def texts(data: Path, count: int) -> list[str]:
    with (data / "trials.csv").open(encoding="utf-8", newline="") as file:
        return [row["a"] for row in csv.DictReader(file)][:count]


def in_turn(
    calls: dict[str, Callable[[], np.ndarray]],
) -> tuple[dict[str, np.ndarray], dict[str, tuple[float, float]]]:
    """Return the result of each call, and the medians of its wall and its processor seconds."""
    results: dict[str, np.ndarray] = {}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(TURNS + 1):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            results[name] = call()
            spent = (time.perf_counter() - wall, time.process_time() - processor)
            if turn:
                times[name].append(spent)
    medians = {
        name: (statistics.median(w for w, _ in both), statistics.median(p for _, p in both))
        for name, both in times.items()
    }
    return results, medians


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    os.environ["SIAMKIT_THREADS"] = str(options.threads)

    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(options.threads)
    peer = SentenceTransformer(str(bert.FOLDER), device="cpu")
    plugin = registry.load("siamkit.modalities", "questions")
    words = texts(options.data, options.texts)
    full, small = open_encoder(plugin, "minilm-l6"), open_encoder(plugin, "minilm-l6-int8")

    def by(size: int) -> np.ndarray:
        before, sentences.RUN = sentences.RUN, size
        try:
            return full.embed(words)
        finally:
            sentences.RUN = before

    def by_peer(size: int) -> np.ndarray:
        return peer.encode(words, batch_size=size, show_progress_bar=False)

    name = "sentence-transformers, batch 32"
    vectors, medians = in_turn(
        {
            name: lambda: by_peer(32),
            "sentence-transformers, batch 128": lambda: by_peer(128),
            **{f"siamkit float32, runs of {n}": lambda n=n: by(n) for n in (8, 16, 32)},
            "siamkit int8": lambda: small.embed(words),
        }
    )
    print(f"{len(words)} questions          texts/s   wall x  processor x   min cos  mean cos")
    base = medians[name]
    unit = vectors[name] / np.linalg.norm(vectors[name], axis=1, keepdims=True)
    for system, (wall, processor) in medians.items():
        near = (vectors[system] * unit).sum(axis=1)
        print(
            f"{system:33}{len(words) / wall:8.0f}  {base[0] / wall:7.2f}"
            f"  {base[1] / processor:11.2f}  {near.min():8.5f}  {near.mean():8.5f}"
        )


if __name__ == "__main__":
    main()
