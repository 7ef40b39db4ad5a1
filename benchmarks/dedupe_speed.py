"""Deduplication of ready embeddings: time and recall, beside sentence-transformers.

    python benchmarks/dedupe_speed.py DATA [--million]

DATA is a folder with the question pairs of docs/questions.md. Its English sentences are embedded
(some 41 000); the rest up to 100 000, or a million, are made of them: mixtures of two, and one in
ten a near copy. The peer is `sentence_transformers.util.paraphrase_mining_embeddings` with its
defaults. With --million, recall is that of pairs of a sample of rows against all rows.
"""

from __future__ import annotations

import csv
import os
import resource
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from timing import table

from siamkit import Threshold, Workspace
from siamkit.flows.dedupe import Deduped, Item
from siamkit.flows.dedupe_rows import dedupe_vectors
from siamkit.flows.grouping import MatchRule

FLOOR, SAMPLE = 0.85, 2_000
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


def ours(vectors: np.ndarray) -> tuple[Deduped, float]:
    items = [Item(row + 1, str(row), str(row)) for row in range(len(vectors))]
    started = time.perf_counter()
    done = dedupe_vectors(items, vectors, MatchRule(Threshold(FLOOR)))
    return done, time.perf_counter() - started


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


def sampled_recall(vectors: np.ndarray, found: set[tuple[int, int]]) -> tuple[float, int]:
    rows = np.sort(np.random.default_rng(7).choice(len(vectors), SAMPLE, replace=False))
    expected = set()
    for start in range(0, len(vectors), 100_000):
        a, b = np.nonzero(vectors[rows] @ vectors[start : start + 100_000].T >= np.float32(FLOOR))
        pairs = zip(rows[a].tolist(), (b + start).tolist(), strict=True)
        expected |= {(min(p), max(p)) for p in pairs if p[0] != p[1]}
    return len(expected & found) / len(expected), len(expected)


real = embedded(sentences(Path(sys.argv[1])))
lines = [("real embeddings", f"{len(real):,}", "")]
if "--million" in sys.argv:
    vectors = grown(real, 1_000_000)
    done, spent = ours(vectors)
    recall, pairs = sampled_recall(vectors, keys(done))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    lines += [
        ("1,000,000 x 384, to groups", f"{spent:.0f} s", "reported"),
        ("pairs, groups", f"{len(done.grouping.pairs):,}, {done.groups:,}", ""),
        ("recall of pairs", f"{recall:.4f} of {pairs:,} pairs of {SAMPLE:,} rows", "reported"),
        ("peak memory, the vectors included", f"{peak:.1f} GB", "< 24 GB"),
    ]
else:
    from sentence_transformers.util import paraphrase_mining_embeddings

    vectors = grown(real, 100_000)
    ours(vectors[:2_000])
    first = ours(vectors)[1]
    started = time.perf_counter()
    peer = paraphrase_mining_embeddings(vectors)
    peer_seconds = time.perf_counter() - started
    done, second = ours(vectors)  # before and after, so that a drift of the machine shows
    expected = {(min(a, b), max(a, b)) for score, a, b in peer if score >= FLOOR}
    spent = max(first, second)
    lines += [
        ("100,000 x 384, siamkit, to groups", f"{first:.1f} s, {second:.1f} s", ""),
        ("the same, paraphrase_mining, pairs only", f"{peer_seconds:.1f} s", ""),
        ("ratio", f"{peer_seconds / spent:.0f} x", ">= 10 x"),
        ("its pairs found", f"{len(expected & keys(done)) / len(expected):.4f}", ">= 0.99"),
        ("pairs", f"{len(expected):,} its, {len(done.grouping.pairs):,} ours", ""),
    ]
table(lines)
