"""Measure inverted lists above the size for a flat scan: 600 000 x 128; peer: the flat scan.

    python benchmarks/large_index.py

Recall is that of probes outside the index (one of each cluster of ten), against the exact answer;
`siamkit index stats` shows the recall measured when the index was built.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import faiss
import numpy as np
from timing import elapsed, table

from siamkit.types import Cursor
from siamkit_faiss import Faiss

COUNT, DIM, PROBES = 600_000, 128, 1_000

rng = np.random.default_rng(0)
rows = np.repeat(rng.normal(size=(COUNT // 10, DIM)).astype(np.float32), 10, axis=0)
rows += 0.5 * rng.normal(size=rows.shape).astype(np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
held_out = np.arange(0, 10 * PROBES, 10)
probes, ids = rows[held_out], np.setdiff1d(np.arange(COUNT), held_out)


with tempfile.TemporaryDirectory() as folder:
    index, _ = Faiss().open("g1-s1", DIM, root=Path(folder), known=lambda cursor: True)
    index.add(ids, rows[ids])
    built = elapsed(lambda: index.save(Cursor(1, "0" * 16)))
    opened, _ = Faiss().open("g1-s1", DIM, root=Path(folder), known=lambda cursor: True)
    facts = opened.describe()
    _, exact = faiss.knn(probes, rows[ids], 10, metric=faiss.METRIC_INNER_PRODUCT)
    neighbours = opened.search(probes, 10).ids
    recall = np.mean(
        [len(set(f) & set(ids[e])) / 10 for f, e in zip(neighbours, exact, strict=True)]
    )
    flat = faiss.IndexFlatIP(DIM)
    flat.add(rows[ids])
    ours = elapsed(lambda: [opened.search(p[None], 10) for p in probes[:200]]) / 200
    scan = elapsed(lambda: [flat.search(p[None], 10) for p in probes[:200]]) / 200
    extra = rows[:2_000]
    opened.add(np.arange(COUNT, COUNT + 2_000), extra)
    extended = elapsed(lambda: opened.save(Cursor(2, "1" * 16)))
table(
    [
        ("figure", "measured", "goal"),
        ("structure", f"{facts['structure']}, nprobe {facts['nprobe']}", ""),
        ("built and saved", f"{built:.1f} s", ""),
        ("recall@10 when built", f"{facts['recall']:.4f}", ">= 0.99"),
        ("recall@10 of new probes", f"{recall:.4f}", ">= 0.99"),
        ("one query", f"{ours * 1000:.2f} ms", ""),
        ("the flat scan", f"{scan * 1000:.2f} ms", ""),
        ("extended by 2,000 and saved", f"{extended:.1f} s", ""),
    ]
)
