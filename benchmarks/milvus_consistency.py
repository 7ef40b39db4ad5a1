"""Measure what it costs to see at once, on a Milvus server, what another process has just saved.

    python benchmarks/milvus_consistency.py

Starts the server of the package `milvus` with its own settings. In each round a row is written,
then searched for at each level of consistency, at once and again a second later: at Milvus's
`Strong` and `Bounded`, and as siamkit does, for the server's time after the write. Times are
medians of one probe, in milliseconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import table

from siamkit_milvus import collection as collections
from siamkit_milvus.server import Server

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
DIM, ROUNDS, REST = 128, 20, 1.0  # REST: seconds until a write is old


def main() -> None:
    from milvus_server import MilvusProcess

    with tempfile.TemporaryDirectory(prefix="siamkit-milvus-") as folder:
        process = MilvusProcess(Path(folder))
        process.settings, process.environment = {}, {}
        process.start()
        try:
            rows = [
                (name, *measure(Server(process.address), name))
                for name in ("Strong", "Bounded", "the server's time")
            ]
        finally:
            process.kill()
    table([("consistency", "a search, ms", "sees the row at once"), *rows])


def measure(server: Server, level: str) -> tuple[str, str]:
    """Write rows one by one, and search for each at once, and again when it is old."""
    collection = collections.create(server, f"consistency-{level[:3]}", DIM)
    random = np.random.default_rng(1)
    first, later, seen = [], [], 0
    for number in range(1, ROUNDS + 1):
        row = random.standard_normal((1, DIM)).astype(np.float32)
        row /= np.linalg.norm(row)
        collection.upsert(np.array([number]), row)
        at = collection.now()
        how: dict[str, object] = {"consistency_level": level}
        if level not in ("Strong", "Bounded"):
            how = {"consistency_level": "Customized", "guarantee_timestamp": at}
        spent, nearest = search(collection, row, how)
        first.append(spent)
        seen += nearest == number
        time.sleep(REST)
        later.append(search(collection, row, how)[0])
    at_once, afterwards = (1000 * float(np.median(times)) for times in (first, later))
    return f"{at_once:.1f} at once, {afterwards:.1f} a second later", f"{seen} of {ROUNDS}"


def search(
    collection: collections.Collection, row: np.ndarray, how: dict[str, object]
) -> tuple[float, int]:
    """Return the seconds that a search takes, and the nearest id, -1 if none."""
    with collection.server.client() as client:
        started = time.perf_counter()
        hits = client.search(collection.name, data=list(row), limit=1, **how)[0]
        return time.perf_counter() - started, hits[0]["id"] if hits else -1


if __name__ == "__main__":
    main()
