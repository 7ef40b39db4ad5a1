"""Hard negatives of a training set of 100 000 x 128: time of a refresh, and recall.

    python benchmarks/mining_speed.py

Three sets of 10 000 identities x 10: clusters as embeddings form them, in a space of 16 dimensions
rotated into 128; clusters spread over all 128 dimensions; and random rows, without any structure
for an index to use. Recall is that of the hard negatives of 1 000 anchors against all rows, by
numpy; the cosines show how much less hard the found ones are. The peer is a bare faiss.IndexFlatIP
on 5 000 rows, scaled up. It ignores labels, so it finds mostly the anchor's own identity. Processor
time over cores approximates the time on an otherwise idle machine.
"""

from __future__ import annotations

import os
import time

import faiss
import numpy as np
from timing import elapsed, table

from siamkit.train.neighbours import ceilings, hard_negatives

IDENTITIES, EACH, DIM, INNER, NOISE = 10_000, 10, 128, 16, 0.6
COUNT, K, ANCHORS, SEARCHED = IDENTITIES * EACH, 8, 1_000, 5_000


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> (n, dim) float32 unit rows in random order, (n,) labels."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(IDENTITIES), EACH))
    turned = np.linalg.qr(rng.normal(size=(DIM, INNER)))[0].T

    def clustered(inner: int) -> np.ndarray:
        centres = unit(rng.normal(size=(IDENTITIES, inner)))
        return unit(centres[labels] + NOISE * unit(rng.normal(size=(COUNT, inner))))

    few = clustered(INNER) @ turned + 0.2 * unit(rng.normal(size=(COUNT, DIM)))
    rows_of = {
        f"clustered in {INNER} dimensions": unit(few),
        f"clustered in {DIM} dimensions": clustered(DIM),
        "random": unit(rng.normal(size=(COUNT, DIM))),
    }
    return {name: (rows.astype(np.float32), labels) for name, rows in rows_of.items()}


def recall(
    vectors: np.ndarray, labels: np.ndarray, impostor: np.ndarray, negatives: np.ndarray
) -> tuple[float, float, float]:
    """Share of the anchors' hard negatives found; mean cosine of all of them, and of the found."""
    anchors = np.random.default_rng(1).choice(COUNT, ANCHORS, replace=False)
    scores = vectors[anchors] @ vectors.T
    limit = ceilings(vectors, labels, impostor)[anchors, None]
    masked = np.where((labels[anchors, None] == labels) | (scores >= limit), -np.inf, scores)
    best = np.argsort(-masked, axis=1)[:, :K]
    expected = np.take_along_axis(masked, best, 1)
    hits = sum(
        len(set(row[np.isfinite(cosines)]) & set(ours))
        for row, cosines, ours in zip(best, expected, negatives[anchors], strict=True)
    )
    ours = np.take_along_axis(scores, negatives[anchors], 1)[negatives[anchors] >= 0]
    real = expected[np.isfinite(expected)]
    return hits / len(real), float(real.mean()), float(ours.mean())


def flat(vectors: np.ndarray) -> float:
    """Seconds that faiss takes to compare all rows with all, from a part of them."""
    index = faiss.IndexFlatIP(DIM)
    index.add(vectors)
    return elapsed(lambda: index.search(vectors[:SEARCHED], K)) * COUNT / SEARCHED


impostor = np.zeros(COUNT, bool)
hard_negatives(*(part[:100] for part in (*sets()["random"], impostor)), k=K)  # imports
lines = []
for name, (vectors, labels) in sets().items():
    busy, started = time.process_time(), time.perf_counter()
    negatives = hard_negatives(vectors, labels, impostor, k=K)
    spent, busy = time.perf_counter() - started, time.process_time() - busy
    peer = flat(vectors)
    share, exact, ours = recall(vectors, labels, impostor, negatives)
    lines += [
        (f"{COUNT:,} x {DIM}, {name}, a refresh", f"{spent:.1f} s", "<= 5 s"),
        ("  processor time over cores", f"{busy / (os.cpu_count() or 1):.1f} s", ""),
        ("  bare faiss.IndexFlatIP, scaled up", f"{peer:.1f} s, {peer / spent:.0f} x", ""),
        (f"  recall of {K} hard negatives", f"{share:.3f}", "reported"),
        ("  mean cosine, all and found", f"{exact:.3f}, {ours:.3f}", ""),
        ("  anchors with none", f"{(negatives[:, 0] < 0).mean():.3f}", ""),
    ]
table(lines)
