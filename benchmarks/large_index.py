"""Measure the FAISS index at several sizes, on real vectors, beside a flat scan.

    python benchmarks/real_vectors.py DATA faces 1000000 faces.npy
    OMP_NUM_THREADS=1 python benchmarks/large_index.py faces.npy [COUNT …]

Above the size of the file, rows are mixtures of two of its rows. The first 1 000 rows are probes,
and not in the index; recall is that of their ten nearest. Times are processor time, but for purges:
those wait for the disk.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np

from siamkit.types import Cursor, Ids, Vectors, ignore_progress
from siamkit_faiss import Faiss

PROBES, K, BLOCK, SINGLE, BATCH = 1_000, 10, 10_000, 200, 256
PURGED = np.array([5, 77, 4_321])


def blocks(rows: Vectors, count: int) -> Iterator[tuple[Ids, Vectors]]:
    """Yield ids from 1 on, with rows of the file, then with mixtures of them."""
    rng, real = np.random.default_rng(0), rows[PROBES:]
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        block = np.asarray(real[start : start + size])
        if len(block) < size:
            a, b = np.sort(rng.integers(0, len(real), (2, size)), axis=1)
            share = rng.uniform(0.25, 0.5, (size, 1)).astype(np.float32)
            block = (1 - share) * real[a] + share * real[b]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        yield np.arange(start + 1, start + 1 + size), block


def spent(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    started = clock()
    call()
    return clock() - started


def measure(rows: Vectors, count: int, root: Path) -> list[str]:
    """Build an index of some rows, and return its figures."""
    dim, probes = rows.shape[1], np.ascontiguousarray(rows[:PROBES])
    backend = Faiss()

    def opened() -> object:
        return backend.open("g1-s1", dim, root=root, known=lambda cursor: True)[0]

    index = opened()
    for ids, vectors in blocks(rows, count):
        index.add(ids, vectors)
    saved = spent(lambda: index.save(Cursor(1, "a" * 16)))
    built = spent(lambda: index.build(ignore_progress))
    index.close()
    opening = spent(opened)
    index = opened()
    facts = index.describe()
    hits = index.search(probes, K).ids
    exact = index.search(probes, K, within=np.arange(1, count + 1)).ids
    share = np.mean([len({*a} & {*b}) / K for a, b in zip(hits, exact, strict=True)])
    one = spent(lambda: [index.search(p[None], K) for p in probes[:SINGLE]]) / SINGLE
    batch = spent(lambda: index.search(probes[:BATCH], K))
    purge = spent(lambda: backend.purge("g1-", PURGED, root=root, seq=3), time.perf_counter)
    index = opened()
    index.add(np.arange(count + 1, count + 1 + count // 20), rows[: count // 20])
    extended = spent(lambda: index.save(Cursor(4, "b" * 16)))
    structure = f"{facts['structure']}, {facts.get('nprobe', 1)} lists"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        f"{count:,} x {dim}",
        f"{structure}, {facts.get('candidates', 'all')} exact",
        f"{saved:.1f} s",
        f"{built:.1f} s",
        f"{1000 * opening:.0f} ms",
        f"{share:.4f}",
        f"{1000 * one:.2f} ms",
        f"{BATCH / batch:,.0f}/s",
        f"{1000 * scan(probes, count):.1f} ms",
        f"{1000 * purge:.0f} ms",
        f"{extended:.1f} s",
        f"{int(facts['bytes']) / 1e6:,.0f} MB",
        f"{peak:,.0f} MB",
    ]


def scan(probes: Vectors, count: int) -> float:
    """Return the seconds of a flat scan by FAISS of so many rows, in memory up to a million."""
    size = min(count, 1_000_000)
    flat = faiss.IndexFlatIP(probes.shape[1])
    flat.add(np.resize(probes, (size, probes.shape[1])))
    return spent(lambda: [flat.search(p[None], K) for p in probes[:20]]) / 20 * count / size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 100_000, 900_000])
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary one")
    options = parser.parse_args()
    rows = np.load(options.file, mmap_mode="r")
    names = "size|structure|save|build|open|recall@10|one query|batches of 256|flat scan|purge"
    print(f"| {names.replace('|', ' | ')} | save 5 % more | files | peak memory |")
    print("|---" * 13 + "|")
    for count in options.counts:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print("| " + " | ".join(measure(rows, count, Path(folder))) + " |", flush=True)


if __name__ == "__main__":
    main()
