"""Deduplication of ready embeddings: time, memory and recall, beside sentence-transformers.

    python benchmarks/dedupe_speed.py DATA [--million | --ten-million [--folder FOLDER]]

DATA is a folder with the question pairs of docs/questions.md. Its English sentences are embedded
(some 41 000); the rest up to 100 000, or a million, are made of them: mixtures of two, and one in
ten a near copy. The peer is `sentence_transformers.util.paraphrase_mining_embeddings` with its
defaults, between two runs of siamkit. Wall times depend on what else the machine does; processor
time, all threads together, much less. With --million, recall is that of pairs of a sample of rows
against all rows. --ten-million writes 10 000 000 x 128 clustered rows, one in ten a near copy
(5 GB, in FOLDER), and runs `siamkit dedupe --max-memory 8G` on them.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from timing import table, watched

from siamkit import Threshold, Workspace
from siamkit.flows.dedupe import Deduped, Item
from siamkit.flows.dedupe_rows import dedupe_vectors
from siamkit.flows.grouping import MatchRule

FLOOR, SAMPLE, FEWER = 0.85, 2_000, 500
DIM, CENTRES, BLOCK = 128, 20_000, 100_000
FILES = {
    "qqp/qqp_pairs.csv": ("question1", "question2"),
    "qqp/qqp_duplicates_only.csv": ("question1", "question2"),
    "mrpc/trials.csv": ("a", "b"),
    "sts/sts_graded.csv": ("a", "b"),
}


def sentences(data: Path) -> list[str]:
    """Every English sentence of the data, once."""
    texts: dict[str, None] = {}
    for name, columns in FILES.items():
        with (data / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                texts.update(dict.fromkeys(row[c].strip() for c in columns))
    return [text for text in texts if text]


def embedded(texts: list[str]) -> np.ndarray:
    encoder = Workspace().pipeline("questions").encoder
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows = np.empty((len(texts), encoder.dim), np.float32)
    for start in range(0, len(order), 2_048):
        part = order[start : start + 2_048]
        rows[part] = encoder.embed([texts[i] for i in part])
    return rows


def grown(real: np.ndarray, count: int) -> np.ndarray:
    """Real rows and, up to `count`, mixtures of two of them, in random order."""
    rng, parts = np.random.default_rng(0), [real]
    for start in range(0, count - len(real), 50_000):
        size = min(50_000, count - len(real) - start)
        a, b = rng.integers(0, len(real), (2, size))
        share = np.where(rng.random(size) < 0.1, 0.04, rng.uniform(0.25, 0.5, size))[:, None]
        mixed = (1 - share) * real[a] + share * real[b]
        parts.append((mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32))
    rows = np.concatenate(parts)
    return rows[rng.permutation(len(rows))]


@dataclass(frozen=True)
class Run:
    deduped: Deduped
    seconds: float
    busy: float  # seconds of processor time, all threads together


def ours(vectors: np.ndarray) -> Run:
    items = [Item(row + 1, str(row), str(row)) for row in range(len(vectors))]
    started, busy = time.perf_counter(), time.process_time()
    deduped = dedupe_vectors(items, vectors, MatchRule(Threshold(FLOOR)))
    return Run(deduped, time.perf_counter() - started, time.process_time() - busy)


def write_clustered(path: Path, count: int) -> None:
    """Write rows around CENTRES centres; one in ten is a near copy of another of its block."""
    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (count, DIM))
    centres = unit(rng.normal(size=(CENTRES, DIM)))
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        block = unit(centres[rng.integers(0, CENTRES, size)] + 0.8 * noise(rng, size))
        copies = rng.permutation(size)[: size // 10]
        block[copies] = unit(
            block[rng.integers(0, size, len(copies))] + 0.3 * noise(rng, len(copies))
        )
        rows[start : start + size] = block


def noise(rng: np.random.Generator, count: int) -> np.ndarray:
    return unit(rng.standard_normal((count, DIM), np.float32))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def keys(done: Deduped) -> set[tuple[int, int]]:
    """The pairs as row numbers of the input; copies with each other, too."""
    first: dict[int, list[int]] = {}
    for row, number in enumerate(done.distinct.tolist()):
        first.setdefault(number, []).append(row)
    out = set()
    for a, b in zip(
        done.grouping.pairs.left.tolist(), done.grouping.pairs.right.tolist(), strict=True
    ):
        out |= {(min(x, y), max(x, y)) for x in first[a] for y in first[b]}
    for rows in first.values():
        out |= {(x, y) for x in rows for y in rows if x < y}
    return out


def sampled_recall(
    vectors: np.ndarray, found: set[tuple[int, int]], sample: int = SAMPLE
) -> tuple[float, int]:
    rows = np.sort(np.random.default_rng(7).choice(len(vectors), sample, replace=False))
    expected = set()
    for start in range(0, len(vectors), 100_000):
        a, b = np.nonzero(vectors[rows] @ vectors[start : start + 100_000].T >= np.float32(FLOOR))
        pairs = zip(rows[a].tolist(), (b + start).tolist(), strict=True)
        expected |= {(min(p), max(p)) for p in pairs if p[0] != p[1]}
    return len(expected & found) / len(expected), len(expected)


def beside_peer(real: np.ndarray) -> list[tuple[str, str, str]]:
    from sentence_transformers.util import paraphrase_mining_embeddings

    vectors = grown(real, 100_000)
    ours(vectors[:2_000])
    first = ours(vectors)
    started, busy = time.perf_counter(), time.process_time()
    peer = paraphrase_mining_embeddings(vectors)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    second = ours(vectors)  # before and after, so that a drift of the machine shows
    expected = {(min(a, b), max(a, b)) for score, a, b in peer if score >= FLOOR}
    share = len(expected & keys(second.deduped)) / len(expected)
    slower, busier = max(first.seconds, second.seconds), max(first.busy, second.busy)
    return [
        ("100,000 x 384, to groups", f"{first.seconds:.1f} s, {second.seconds:.1f} s", ""),
        ("  processor time", f"{first.busy:.1f} s, {second.busy:.1f} s", ""),
        ("paraphrase_mining, pairs only", f"{seconds:.1f} s", ""),
        ("  processor time", f"{busy:.1f} s", ""),
        ("ratio to the slower run", f"{seconds / slower:.0f} x", ">= 10 x"),
        ("  of processor time", f"{busy / busier:.0f} x", ">= 10 x"),
        ("its pairs found", f"{share:.4f}", ">= 0.99"),
        ("pairs", f"{len(expected):,} its, {len(second.deduped.grouping.pairs):,} ours", ""),
    ]


def of_a_million(real: np.ndarray) -> list[tuple[str, str, str]]:
    vectors = grown(real, 1_000_000)
    run = ours(vectors)
    grouping = run.deduped.grouping
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    recall, pairs = sampled_recall(vectors, keys(run.deduped))
    return [
        ("1,000,000 x 384, to groups", f"{run.seconds:.0f} s", "<= 60 s"),
        ("  processor time", f"{run.busy:.0f} s", ""),
        ("  its own estimate of recall", f"{grouping.mining['recall']}", ""),
        ("  recall of pairs", f"{recall:.4f} of {pairs:,} pairs of {SAMPLE:,} rows", ">= 0.99"),
        ("  pairs, groups", f"{len(grouping.pairs):,}, {run.deduped.groups:,}", ""),
        ("  peak memory, the vectors included", f"{peak:.1f} GB", "reported"),
    ]


def of_ten_million(folder: Path) -> list[tuple[str, str, str]]:
    with TemporaryDirectory(dir=folder) as temporary:
        path, pairs_path = Path(temporary) / "rows.npy", Path(temporary) / "pairs.csv"
        write_clustered(path, 10_000_000)
        command = [sys.executable, "-m", "siamkit", "dedupe", path, "--threshold", str(FLOOR)]
        run = watched([*command, "--max-memory", "8G", "--pairs", pairs_path])
        with pairs_path.open(encoding="utf-8", newline="") as file:
            rows = ((int(row["left_id"]), int(row["right_id"])) for row in csv.DictReader(file))
            pairs = {(min(pair), max(pair)) for pair in rows}
        recall, sampled = sampled_recall(np.load(path, mmap_mode="r"), pairs, FEWER)
    return [
        ("10,000,000 x 128, the whole command", f"{run.seconds:.0f} s", "reported"),
        ("  processor time", f"{run.busy:.0f} s", ""),
        ("  recall of pairs", f"{recall:.4f} of {sampled:,} pairs of {FEWER:,} rows", ">= 0.99"),
        ("  pairs", f"{len(pairs):,}", ""),
        ("  peak memory, the mapped file included", f"{run.peak_mb / 1e3:.1f} GB", "<= 8 GB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--ten-million", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.ten_million:
        table(of_ten_million(options.folder))
        return
    real = embedded(sentences(options.data))
    lines = [("real embeddings", f"{len(real):,}", "")]
    table(lines + (of_a_million(real) if options.million else beside_peer(real)))


if __name__ == "__main__":
    main()
