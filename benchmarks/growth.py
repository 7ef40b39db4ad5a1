"""How a gallery of faces grows: the cost of each operation at 10 000, 100 000 and 1 000 000.

    python benchmarks/growth.py [SIZE …] [--faces FACES.npy] [--folder FOLDER]

Each step is a process of its own, on one thread, and each command is the one that a user types.
Beside each time is, in brackets, that of the processor, which says more on a busy machine; beside
memory, the part that no file backs. Times and rates of queries are medians.

Vectors: FACES.npy holds embeddings of real faces (`siamkit embed faces PHOTOS -o FACES.npy`); a
person is a mixture of two of them, a sample of a person a jitter of it (cosine 0.6 between two, as
for photographs). Without it, people are random directions. Recall@10 is that of held-out samples of
enrolled people against all rows. The peer is a bare FAISS IndexFlatIP of the same vectors, asked in
turn within the process that times warm queries; it is left out above 2 000 000.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamkit import Workspace

DIM, SAMPLES = 128, 4  # numbers of a vector; samples of a person
BLOCK = 100_000  # rows made at once
PROBES, NEAREST = 512, 10
SPREAD = 0.8  # length of a sample's jitter: two samples of a person have cosine 1 / (1 + SPREAD²)
OWN = 0.5  # length of what a person has besides the two faces it is mixed of
WARM, ROUNDS = 100, 5  # queries of a round; rounds of each side, in turn
FORGOTTEN = 3  # people
PEER_ROWS = 2_000_000
GALLERY = "people"
VECTORS, TRUTH = "vectors.npy", "truth.npz"  # files in the folder of the store


# --- vectors ---


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _jitter(rng: np.random.Generator, rows: np.ndarray, length: float) -> np.ndarray:
    noise = rng.standard_normal(rows.shape, np.float32) * np.float32(length / np.sqrt(DIM))
    return _unit(rows + noise)


def people(count: int, start: int, faces: np.ndarray | None) -> np.ndarray:
    """(count, DIM) directions of the people from number `start`; the same for the same block."""
    rng = np.random.default_rng((1, start))
    if faces is None:
        return _unit(rng.standard_normal((count, DIM), np.float32))
    first, second = rng.integers(0, len(faces), (2, count))
    share = rng.uniform(0, 0.5, (count, 1)).astype(np.float32)
    return _jitter(rng, _unit((1 - share) * faces[first] + share * faces[second]), OWN)


def blocks(total: int, faces: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield all samples, a block at a time: the number of the first, and (n, DIM) vectors."""
    for start in range(0, total, BLOCK):
        count = min(BLOCK, total - start)
        directions = people(-(-count // SAMPLES), start // SAMPLES, faces)
        rng = np.random.default_rng((2, start))
        yield start, _jitter(rng, np.repeat(directions, SAMPLES, axis=0)[:count], SPREAD)


def probes(total: int, faces: np.ndarray | None) -> np.ndarray:
    """(PROBES, DIM) new samples of people of the first block."""
    directions = people(min(total, BLOCK) // SAMPLES, 0, faces)
    return _jitter(np.random.default_rng(3), directions[:PROBES], SPREAD)


def prepare(store: Path, total: int, faces: np.ndarray | None) -> None:
    """Write all vectors to a file, and the probes with their nearest rows by brute force."""
    asked = probes(total, faces)
    best, ids = np.empty((len(asked), 0), np.float32), np.empty((len(asked), 0), np.int64)
    store.mkdir(parents=True)
    written = np.lib.format.open_memmap(store / VECTORS, "w+", np.float32, (total, DIM))
    for start, rows in blocks(total, faces):
        written[start : start + len(rows)] = rows
        scores = asked @ rows.T
        columns = np.argpartition(-scores, NEAREST, axis=1)[:, :NEAREST]
        best = np.hstack([best, np.take_along_axis(scores, columns, 1)])
        ids = np.hstack([ids, start + 1 + columns])  # ids of templates count from 1
        kept = np.argsort(-best, axis=1)[:, :NEAREST]
        best, ids = np.take_along_axis(best, kept, 1), np.take_along_axis(ids, kept, 1)
    np.savez(store / TRUTH, probes=asked, ids=ids)


# --- steps, each in a process of its own ---


class Labels(Sequence[str]):
    """The label of each sample, made when it is asked for."""

    def __init__(self, rows: range) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Labels(self.rows[at])
        return f"person {self.rows[at] // SAMPLES:08}"


def enrol(ws: Workspace, total: int) -> dict[str, Any]:
    """Enrol the file of vectors in one call, which leaves an index behind."""
    vectors = np.load(ws.root / VECTORS, mmap_mode="r")
    began = clock()
    durable = began
    for _ in ws.add_templates(GALLERY, Labels(range(total)), vectors):
        durable = clock()
    return {"enrolled": _since(began, durable), "built": _since(durable, clock())}


def first(ws: Workspace, total: int) -> dict[str, Any]:
    """Ask one question."""
    asked = np.load(ws.root / TRUTH)["probes"]
    began = clock()
    _, owners = ws.index(ws.gallery(GALLERY)).search_owned(asked[:1], NEAREST)
    assert len(owners) == NEAREST
    return {"asked": _since(began, clock())}


def warm(ws: Workspace, total: int) -> dict[str, Any]:
    """Ask many questions one after the other, beside a flat scan; measure recall."""
    truth = np.load(ws.root / TRUTH)
    asked, live = truth["probes"], ws.index(ws.gallery(GALLERY))
    hits = live.search(asked, NEAREST)
    shared = [len({*row} & {*exact}) for row, exact in zip(hits.ids, truth["ids"], strict=True)]
    sides = {
        "answer": lambda row: live.search_owned(asked[row : row + 1], NEAREST),
        "index": lambda row: live.search(asked[row : row + 1], NEAREST),
    }
    for row in range(WARM):
        sides["answer"](row)
    measured = {"recall": sum(shared) / truth["ids"].size, **_memory()}
    measured["structure"] = str(live.index.describe()["structure"])
    if total <= PEER_ROWS:
        import faiss

        flat = faiss.IndexFlatIP(DIM)
        flat.add(np.load(ws.root / VECTORS))
        sides["flat"] = lambda row: flat.search(asked[row : row + 1], NEAREST)
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for number in range(ROUNDS):
        for side, search in sides.items():
            for row in range(WARM // 5 if side == "flat" else WARM):
                began = clock()
                search((number * WARM + row) % len(asked))
                times[side].append(_since(began, clock()))
    batches = []
    for _ in range(ROUNDS):
        began = clock()
        live.search(asked[:256], NEAREST)
        batches.append(_since(began, clock()))
    measured["batch"] = tuple(256 / value for value in np.median(batches, axis=0))
    return measured | {side: tuple(np.median(spent, axis=0)) for side, spent in times.items()}


STEPS = {"enrol": enrol, "first": first, "warm": warm}


def clock() -> tuple[float, float]:
    """Return the time, and the processor time of this process with all its threads."""
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float], ended: tuple[float, float]) -> tuple[float, float]:
    return ended[0] - began[0], ended[1] - began[1]


_anonymous = 0  # MB, the most that was seen


def _watch_memory() -> None:
    global _anonymous
    while True:
        _anonymous = max(_anonymous, _from_status("RssAnon:"))
        time.sleep(0.05)


def _from_status(name: str) -> int:
    """Return a size that Linux keeps of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))


def _memory() -> dict[str, Any]:
    """Return the largest resident set and, of it, the largest not backed by files, in MB."""
    return {"memory": (_from_status("VmHWM:"), max(_anonymous, _from_status("RssAnon:")))}


def run_step(name: str, store: Path, total: int) -> None:
    """Run one step in this process, and print what it measured."""
    threading.Thread(target=_watch_memory, daemon=True).start()
    with Workspace(store) as ws:
        measured = STEPS[name](ws, total)
    print(json.dumps(_memory() | measured, default=float))


# --- the table ---


def run(*words: str | Path) -> tuple[tuple[float, float], str]:
    """Run a command; return its seconds and processor seconds, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True)
    spent, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (spent, processor), done.stdout


def measure(total: int, store: Path) -> dict[str, str]:
    """Run all steps on a new store; return the figures of the table."""

    def step(name: str) -> dict[str, Any]:
        spent, out = run(__file__, str(total), "--step", name, "--folder", store)
        measured: dict[str, Any] = {"process": spent, **json.loads(out.splitlines()[-1])}
        print(f"  {total:,} {name}: {measured}", file=sys.stderr, flush=True)
        return measured

    def command(*words: str) -> tuple[float, float]:
        return run("-m", "siamkit", *words, "--store", store)[0]

    command("galleries", "create", GALLERY, "-m", "faces")
    enrolled = step("enrol")
    asked = step("first")
    answered = step("warm")
    listed = command("list", GALLERY, "--limit", "20")
    all_listed = command("list", GALLERY)
    forgotten, after = [], []
    for number in range(FORGOTTEN if total <= PEER_ROWS else 1):
        forgotten.append(command("forget", f"person {number * 7 + 1:08}"))
        after.append(step("first")["process"])
    rate = [f"{total / spent:,.0f}" for spent in enrolled["enrolled"]]
    batch = [f"{rate:,.0f}" for rate in answered["batch"]]
    return {
        "enrolled per second": f"{rate[0]} ({rate[1]})",
        "index left behind in": _seconds(enrolled["built"]),
        "structure": answered["structure"],
        "first query, a process": _seconds(asked["process"]),
        "of it, open and search": _seconds(asked["asked"]),
        "warm query": _milliseconds(answered["answer"]),
        "of it, the index": _milliseconds(answered["index"]),
        "bare flat scan": _milliseconds(answered["flat"]) if "flat" in answered else "-",
        "recall@10": f"{answered['recall']:.4f}",
        "in batches of 256, per second": f"{batch[0]} ({batch[1]})",
        "forget a person": _seconds(np.median(forgotten, axis=0)),
        "query after it, a process": _seconds(np.median(after, axis=0)),
        "list --limit 20": _seconds(listed),
        "list": _seconds(all_listed),
        "memory to enrol": _megabytes(enrolled),
        "memory to query": _megabytes(answered),
        "store.db": f"{(store / 'store.db').stat().st_size / 1e6:,.0f} MB",
        "index": f"{_size(store / 'index') / 1e6:,.0f} MB",
    }


def _seconds(spent: Sequence[float] | np.ndarray) -> str:
    return f"{spent[0]:.2f} s ({spent[1]:.2f})"


def _milliseconds(spent: Sequence[float]) -> str:
    return f"{spent[0] * 1000:.2f} ms ({spent[1] * 1000:.2f})"


def _megabytes(measured: dict[str, Any]) -> str:
    resident, anonymous = measured["memory"]
    return f"{resident:,} MB ({anonymous:,})"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--folder", type=Path, help="of the stores: a temporary one by default")
    parser.add_argument("--step", choices=STEPS)
    options = parser.parse_args()
    if options.step:
        run_step(options.step, options.folder, options.sizes[0])
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    faces = _unit(np.load(options.faces)) if options.faces else None
    columns: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for total in options.sizes:
            store = Path(folder) / f"store-{total}"
            prepare(store, total, faces)
            columns.append(measure(total, store))
            shutil.rmtree(store)
    rows = [["", *(f"{total:,}" for total in options.sizes)]]
    rows += [[name, *(column[name] for column in columns)] for name in columns[0]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    main()
