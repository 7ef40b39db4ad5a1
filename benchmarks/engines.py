"""Measure index backends on the same rows: time, recall, memory and disk, one after the other.

    python benchmarks/engines.py ROWS.npy [--rows 100000] [--engine faiss --engine pgvector …]

ROWS.npy has (n, dim) unit vectors; every 500th, 200 at most, is a probe and not in the index.
Recall is that of 10 neighbours, against the exact answer. Servers are started from the packages
`pgserver` and `milvus`, with their files in --folder. Latencies are medians of one thread, one
probe at a time; beside them is the processor time, of the server too. Memory is that of the
server's processes (PSS), or else of this one (RSS).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil

from siamkit.protocols import Builds, Purges
from siamkit.store.saved_indexes import load_backend
from siamkit.types import Cursor, ignore_progress

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
KEY, K, PROBES, EVERY = "00000000000000ff-g1-s1", 10, 200, 500
BLOCK, CHANGED = 20_000, 1_000  # rows added at once, as enrolment does; rows changed afterwards


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cursor(seq: int) -> Cursor:
    return Cursor(seq, f"{seq:016x}")


@contextmanager
def serving(engine: str, folder: Path) -> Iterator[list[int]]:
    """Start the engine's server, if it has one; gives the ids of the processes to measure."""
    if engine == "pgvector":
        from postgres_server import SETTINGS, PostgresServer

        folder.chmod(0o755)
        home = folder / "pg"
        home.mkdir()
        server = PostgresServer(home)
        server.settings = [s for s in SETTINGS if not s.startswith(("fsync", "autovacuum"))]
        server.settings += ["autovacuum=off", "shared_buffers=1GB", "max_wal_size=4GB"]
    elif engine == "milvus":
        from milvus_server import MilvusProcess

        server = MilvusProcess(folder)
        server.settings, server.environment = {}, {}  # as it is installed, not as tests need it
    else:
        yield [os.getpid()]
        return
    server.start()
    os.environ[f"SIAMKIT_{engine.upper()}"] = server.address
    try:
        yield [server.process.pid]
    finally:
        server.stop() if hasattr(server, "stop") else server.kill()


def memory(pids: list[int]) -> int:
    """Bytes of processes and of all that they have started."""
    processes = [psutil.Process(pid) for pid in pids]
    processes += [child for process in processes for child in process.children(recursive=True)]
    kind = "rss" if pids == [os.getpid()] else "pss"
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += getattr(process.memory_full_info(), kind)
    return total


def work_of(pids: list[int]) -> float:
    """Seconds of processor time of this process, and of a server's with all that it has started."""
    processes = {psutil.Process(), *(psutil.Process(pid) for pid in pids)}
    processes |= {child for process in processes for child in process.children(recursive=True)}
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


def measure(engine: str, path: Path, count: int, folder: Path) -> dict[str, object]:
    """Measure one engine on the first `count` rows of a file."""
    rows = np.load(path, mmap_mode="r")
    held_out = np.arange(0, len(rows), EVERY)[:PROBES]
    probes = np.ascontiguousarray(rows[held_out])
    picked = np.setdiff1d(np.arange(min(len(rows), count + len(held_out))), held_out)[:count]
    with serving(engine, folder) as pids:
        before = memory(pids)
        facts = of_engine(engine, rows, picked, probes, folder / "index", pids, before)
    return {"engine": engine, "rows": f"{len(picked):,} x {rows.shape[1]}", **facts}


def of_engine(
    engine: str,
    rows: np.ndarray,
    picked: np.ndarray,
    probes: np.ndarray,
    root: Path,
    pids: list[int],
    before: int,
) -> dict[str, object]:
    backend = load_backend(engine)
    ids, dim = picked + 1, rows.shape[1]
    root.mkdir(parents=True)

    def load():
        return backend.open(KEY, dim, root=root, known=lambda _: True)[0]

    def fill() -> None:
        for start in range(0, len(picked), BLOCK):
            part = picked[start : start + BLOCK]
            index.add(part + 1, np.ascontiguousarray(rows[part]))
        index.save(cursor(1))

    def time_searches(name: str, n: int) -> None:
        """Measure searches; a busy machine changes their time, but hardly their work."""
        started = work_of(pids)
        times = [seconds(lambda p=p: index.search(p[None], K)) for p in probes[:n]]
        facts[name] = float(np.median(times))
        facts[f"{name} work"] = (work_of(pids) - started) / n

    index = load()
    facts: dict[str, object] = {"saved in": seconds(fill)}
    index.close()
    index = load()
    time_searches("scan", 20)
    truth = index.search(probes, K).ids if index.exact else None
    if truth is None:
        truth = exact(rows, picked, probes)
    if isinstance(index, Builds) and index.wants_build():
        facts["built in"] = seconds(lambda: index.build(ignore_progress))
        index.close()
        index = load()
    time_searches("query", PROBES)
    hits = index.search(probes, K).ids
    facts["batch"] = len(probes) / seconds(lambda: index.search(probes, K))
    pairs = zip(hits.tolist(), truth.tolist(), strict=True)
    facts["recall"] = sum(len({*hit} & {*near}) for hit, near in pairs) / truth.size
    facts["memory"] = max(0, memory(pids) - (before if pids == [os.getpid()] else 0))
    facts["disk"] = (
        size(root) or int(index.describe().get("bytes", 0)) or size(root.parent / "data")
    )
    changes(backend, index, ids, rows, root, facts)
    return facts


def changes(backend, index, ids, rows, root, facts) -> None:
    """Measure additions to what is built, and a deletion."""
    extra = np.ascontiguousarray(rows[:CHANGED])
    index.add(np.arange(CHANGED) + ids.max() + 1, extra)
    facts["push 1000"] = seconds(lambda: index.save(cursor(2)))
    if isinstance(backend, Purges):
        gone = ids[:: max(1, len(ids) // CHANGED)][:CHANGED]
        facts["purge 1000"] = seconds(lambda: backend.purge(KEY, gone, root=root, seq=3))
        facts["remains"] = backend.remains(KEY, root=root)
        if backend.name == "pgvector":
            for kind in ("VACUUM", "VACUUM FULL"):
                facts[kind] = seconds(lambda kind=kind: vacuum(kind))
    index.close()


def vacuum(kind: str) -> None:
    import psycopg

    with psycopg.connect(os.environ["SIAMKIT_PGVECTOR"], autocommit=True) as connection:
        for (name,) in connection.execute("SELECT name FROM siamkit.indexes").fetchall():
            connection.execute(f'{kind} siamkit."{name}"')


def exact(rows: np.ndarray, picked: np.ndarray, probes: np.ndarray) -> np.ndarray:
    """The true neighbours, (n, K) ids."""
    best = []
    for start in range(0, len(picked), 100_000):
        part = picked[start : start + 100_000]
        scores = probes @ np.asarray(rows[part]).T
        near = np.argpartition(-scores, K, axis=1)[:, :K]
        best.append((np.take_along_axis(scores, near, 1), part[near] + 1))
    scores, near = (np.concatenate(parts, axis=1) for parts in zip(*best, strict=True))
    return np.take_along_axis(near, np.argsort(-scores, axis=1)[:, :K], axis=1)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def shown(facts: dict[str, object]) -> dict[str, str]:
    """Figures as people read them."""
    units = {
        "scan": 1e3,
        "query": 1e3,
        "scan work": 1e3,
        "query work": 1e3,
        "memory": 1e-6,
        "disk": 1e-6,
        "batch": 1,
        "recall": 1,
    }
    names = {"scan": "scan, ms", "query": "query, ms", "scan work": "scan, CPU ms",
             "query work": "query, CPU ms", "memory": "memory, MB", "disk": "disk, MB",
             "batch": "batch, 1/s"}  # fmt: skip
    text = {}
    for name, value in facts.items():
        if isinstance(value, float | int):
            number = value * units.get(name, 1)
            digits = 3 if name == "recall" else 0 if number >= 100 else 1
            text[names.get(name, f"{name}, s" if name not in units else name)] = (
                f"{number:,.{digits}f}"
            )
        elif name != "remains":
            text[name] = str(value)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--engine", action="append")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)  # in a process of its own
    given = parser.parse_args()
    if given.only:
        with tempfile.TemporaryDirectory(prefix="siamkit-engines-", dir=given.folder) as folder:
            print(json.dumps(measure(given.only, given.vectors, given.rows, Path(folder))))
        return
    measured = []
    for engine in given.engine or ["faiss", "pgvector", "milvus"]:
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--only", engine],
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode == 0:
            facts = json.loads(done.stdout.splitlines()[-1])
            measured.append(shown(facts))
            print(engine, facts.get("remains") or "", file=sys.stderr)
    names = list(dict.fromkeys(name for facts in measured for name in facts))
    rows = [[name, *(facts.get(name, "") for facts in measured)] for name in names]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    main()
