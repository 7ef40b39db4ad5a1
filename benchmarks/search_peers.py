"""Search of real vectors beside other engines, each at a recall@10 of 0.99, one thread each.

    python benchmarks/real_vectors.py DATA faces 1000000 faces.npy
    OMP_NUM_THREADS=1 python benchmarks/search_peers.py faces.npy [--only NAME …]

The first 2 000 rows are probes, and are not in the indexes: with one half, the least effort of each
engine (its parameters, below) is chosen that reaches the recall; with the other half recall and
processor time are measured, the engines in turn. siamkit chooses its parameters itself, by rows of
its index. hnswlib, usearch and scann have to be installed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PROBES, K, RECALL, BATCH, IN_TURN = 1_000, 10, 0.99, 256, 25
Search = Callable[[np.ndarray], np.ndarray]  # (n, dim) probes to (n, K) row numbers
Efforts = Iterator[tuple[str, Search]]  # from least to most


def siamkit(rows: np.ndarray) -> Efforts:
    from siamkit.types import Cursor, ignore_progress
    from siamkit_faiss import Faiss

    folder = tempfile.TemporaryDirectory()
    index, _ = Faiss().open(
        "g1-s1", rows.shape[1], root=Path(folder.name), known=lambda cursor: True
    )
    for start in range(0, len(rows), 10_000):
        part = rows[start : start + 10_000]
        index.add(np.arange(start, start + len(part)), part)
    index.save(Cursor(1, "a" * 16))
    index.build(ignore_progress)
    facts = index.describe()
    effort = f"{facts['structure']}, nprobe {facts.get('nprobe')}, {facts.get('candidates')} exact"
    yield effort, lambda probes: index.search(probes, K).ids
    folder.cleanup()


def flat(rows: np.ndarray) -> Efforts:
    import faiss

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    yield "", lambda probes: index.search(probes, K)[1]


def faiss_hnsw(rows: np.ndarray) -> Efforts:
    import faiss

    index = faiss.IndexHNSWFlat(rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 100
    index.add(rows)
    for effort in _doubling(16, 4096):
        index.hnsw.efSearch = effort
        yield f"efSearch {effort}", lambda probes: index.search(probes, K)[1]


def faiss_ivf(rows: np.ndarray) -> Efforts:
    import faiss

    lists = round(2 * len(rows) ** 0.5)
    index = faiss.index_factory(rows.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(rows[: 50 * lists])
    index.add(rows)
    for effort in _doubling(4, lists):
        index.nprobe = effort
        yield f"nprobe {effort} of {lists}", lambda probes: index.search(probes, K)[1]


def faiss_codes(rows: np.ndarray) -> Efforts:
    import faiss

    dim, lists = rows.shape[1], round(len(rows) ** 0.5)
    factory = f"IVF{lists},PQ{dim // 4}x4fs,Refine(Flat)"
    index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(rows[: 50 * lists])
    index.add(rows)
    for lists_scanned in _doubling(8, lists):
        for factor in (8, 16, 32):
            ivf = faiss.SearchParametersIVF(nprobe=lists_scanned)
            params = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=ivf)
            yield (
                f"nprobe {lists_scanned} of {lists}, {K * factor} exact",
                lambda probes, params=params: index.search(probes, K, params=params)[1],
            )


def hnswlib(rows: np.ndarray) -> Efforts:
    import hnswlib

    index = hnswlib.Index(space="ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), ef_construction=200, M=16)
    index.add_items(rows)
    index.set_num_threads(1)
    for effort in _doubling(16, 4096):
        index.set_ef(effort)
        yield f"ef {effort}", lambda probes: index.knn_query(probes, K)[0].astype(np.int64)


def usearch(rows: np.ndarray) -> Efforts:
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(rows)), rows)
    for effort in _doubling(16, 4096):
        index.expansion_search = effort

        def search(probes: np.ndarray) -> np.ndarray:
            return index.search(probes, K, threads=1).keys.reshape(-1, K).astype(np.int64)

        yield f"expansion {effort}", search


def scann(rows: np.ndarray) -> Efforts:
    from scann import scann_ops_pybind

    lists = round(len(rows) ** 0.5)
    builder = scann_ops_pybind.builder(rows, K, "dot_product")
    builder = builder.tree(lists, lists, training_sample_size=50 * lists)
    builder = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100)
    searcher = builder.set_n_training_threads(1).build()
    for leaves in _doubling(8, lists):
        for exact in (50, 100, 200, 400):

            def search(probes: np.ndarray, leaves: int = leaves, exact: int = exact) -> np.ndarray:
                rows, _ = searcher.search_batched(
                    probes,
                    leaves_to_search=leaves,
                    pre_reorder_num_neighbors=exact,
                )
                return np.asarray(rows, np.int64)

            yield f"{leaves} of {lists} leaves, {exact} exact", search


def _doubling(first: int, most: int) -> list[int]:
    return [first << n for n in range(20) if first << n < most] + [most]


ENGINES: dict[str, tuple[Callable[[np.ndarray], Efforts], str]] = {
    "siamkit": (siamkit, "yes"),
    "FAISS Flat": (flat, "yes"),
    "FAISS IVF,Flat": (faiss_ivf, "yes"),
    "FAISS IVF,PQ4fs,Refine": (faiss_codes, "no"),
    "FAISS HNSW32": (faiss_hnsw, "no"),
    "hnswlib M 16": (hnswlib, "marks"),
    "usearch M 16": (usearch, "yes"),
    "ScaNN tree, AH, reorder": (scann, "no"),
}


@dataclass(slots=True)
class Contestant:
    """One engine, built, at its least effort that reaches the recall, or at its most."""

    name: str
    build_s: float  # processor time, all threads
    efforts: Efforts  # holds what the engine needs
    effort: str
    search: Search
    one: list[float] = field(default_factory=list)  # seconds of single queries
    batches: list[float] = field(default_factory=list)


def enter(name: str, rows: np.ndarray, exact: np.ndarray) -> Contestant:
    """Build an engine, and choose its effort with half of the probes."""
    started = time.process_time()
    efforts = ENGINES[name][0](rows[2 * PROBES :])
    effort, search = next(efforts)
    built = time.process_time() - started
    while recall(search(rows[:PROBES]), exact[:PROBES]) < RECALL:
        if not (stronger := next(efforts, None)):
            break
        effort, search = stronger
    return Contestant(name, built, efforts, effort, search)


def race(contestants: list[Contestant], probes: np.ndarray) -> None:
    """Time the engines in turn, a few queries each, so that they share what else goes on here."""
    for start in range(0, len(probes), IN_TURN):
        for contestant in contestants:
            for row in range(start, min(start + IN_TURN, len(probes))):
                contestant.one.append(seconds(contestant.search, probes[row : row + 1]))
    for start in range(0, len(probes) - BATCH + 1, BATCH):
        for contestant in contestants:
            contestant.batches.append(seconds(contestant.search, probes[start : start + BATCH]))


def seconds(search: Search, probes: np.ndarray) -> float:
    """Return the processor time of a search: other programs do not count."""
    started = time.process_time()
    search(probes)
    return time.process_time() - started


def recall(rows: np.ndarray, exact: np.ndarray) -> float:
    return float(np.mean([len({*a} & {*b}) / K for a, b in zip(rows, exact, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    options = parser.parse_args()
    rows = np.load(options.file)
    exact = next(flat(rows[2 * PROBES :]))[1](rows[: 2 * PROBES])
    contestants = []
    for name in options.only:
        print(f"building {name}", file=sys.stderr)
        contestants.append(enter(name, rows, exact))
    probes = rows[PROBES : 2 * PROBES]
    race(contestants, probes)
    print("| engine | deletes | recall@10 | one query | batches of 256 | build | effort |")
    print("|---|---|---|---|---|---|---|")
    for done in contestants:
        share = recall(done.search(probes), exact[PROBES:])
        print(
            f"| {done.name} | {ENGINES[done.name][1]} | {share:.4f}"
            f" | {1000 * statistics.median(done.one):.2f} ms"
            f" | {BATCH / statistics.median(done.batches):,.0f}/s"
            f" | {done.build_s:,.0f} s | {done.effort} |"
        )


if __name__ == "__main__":
    main()
