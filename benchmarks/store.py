"""Time writing templates to the store, and searching it: 100 000 x 128 and 100 000 x 512.

    python benchmarks/store.py [COUNT]

Enrolment is durable (synchronous=FULL). The peer of the search is bare FAISS on the same
IndexFlatIP, one query at a time and in batches of 32, in turn within one process.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
from timing import table

from siamkit.flows.enrol import add_templates
from siamkit.store import Store, galleries
from siamkit.store.galleries import GalleryEncoder
from siamkit.store.live_index import LiveIndex

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000


def clustered(dim: int) -> np.ndarray:
    """(COUNT, dim) float32 of norm 1 in clusters of ten, as embeddings of people are."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(COUNT // 10, dim)), 10, axis=0)
    rows = (rows + 0.5 * rng.normal(size=rows.shape)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rate(search, queries: np.ndarray, size: int) -> float:
    started = time.perf_counter()
    for start in range(0, len(queries), size):
        search(queries[start : start + size], 10)
    return len(queries) / (time.perf_counter() - started)


rows = [("figure", "measured", "goal")]
for dim in (128, 512):
    vectors = clustered(dim)
    labels = [f"person {n // 10}" for n in range(COUNT)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), create=True)
        gallery = galleries.create(store, "g", "m", GalleryEncoder(None, "m/1:0", dim))
        started = time.perf_counter()
        for _ in add_templates(store, gallery, labels, vectors):
            pass
        speed = COUNT / (time.perf_counter() - started)
        rows.append((f"enrol {COUNT:,} x {dim}, durable", f"{speed:,.0f}/s", ">= 20,000/s"))
        started = time.perf_counter()
        live = LiveIndex(store, gallery)
        rows.append(
            (f"index made and saved, {dim}-d", f"{time.perf_counter() - started:.2f} s", "")
        )
        started = time.perf_counter()
        live = LiveIndex(store, gallery)
        spent = (time.perf_counter() - started) * 1000
        rows.append((f"index opened, {dim}-d", f"{spent:.1f} ms", ""))
        bare = faiss.IndexFlatIP(dim)
        bare.add(vectors)
        for size, queries in ((1, vectors[:200]), (32, vectors[:3200])):
            ratios, speeds = [], []
            for _ in range(5):
                own_rate, peer_rate = (
                    rate(live.search, queries, size),
                    rate(bare.search, queries, size),
                )
                ratios.append(own_rate / peer_rate)
                speeds.append(own_rate)
            shown = (
                f"{statistics.median(speeds):,.0f}/s, {statistics.median(ratios):.2f} x bare FAISS"
            )
            rows.append((f"search, {size} at a time, {dim}-d", shown, ">= 0.9 x"))
        store.close()
table(rows)
