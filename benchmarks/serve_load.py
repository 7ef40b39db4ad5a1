"""Measure `siamkit serve` under load: latency, throughput, memory, and a worker that is killed.

    python benchmarks/serve_load.py [--seconds 120] [--clients 32] [--requests 100000]

The store holds 100 000 faces. The bare calls are the models' own on the same photo, in this
process: decode, detect, align, embed. Latencies alternate with them; for throughput, processor
time is compared, which holds on a busy machine. A mixed load enrols (1 in 8), forgets what it has
enrolled (1 in 16), verifies (1 in 4) and queries. A killed worker must lose no enrolment that was
acknowledged.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil
from timing import elapsed, table

import siamkit as sk

COUNT = 100_000
PHOTO = Path(find_spec("matplotlib").origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
BOUNDARY = "siamkit-benchmark"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
JSON = {"Content-Type": "application/json"}


class Server:
    """A server in processes of its own, on a free port."""

    def __init__(self, folder: str, *options: str) -> None:
        command = [sys.executable, "-m", "siamkit", "serve", "--port", "0", "--store", folder]
        self.process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stderr.readline().split()[0].rpartition(":")[2])
        while Client(self).send("GET", "/readyz")[0] != 200:
            time.sleep(0.05)

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        named = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        return named or [psutil.Process(self.process.pid)]

    def cpu(self) -> float:
        return sum(sum(worker.cpu_times()[:2]) for worker in self.workers())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Client:
    """One connection, which is opened again when it is closed."""

    def __init__(self, server: Server) -> None:
        self.port = server.port
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def send(self, method: str, path: str, body: bytes = b"", headers=()) -> tuple[int, bytes]:
        try:
            self.connection.request(method, path, body, dict(headers))
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0, b""


def form(photo: bytes, **fields: str) -> bytes:
    """Return a body with a photo and fields, as a browser sends it."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in fields.items()
    ]
    head = b'Content-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    lines = [b"--" + BOUNDARY.encode() + b"\r\n" + part for part in [*parts, head + photo]]
    return b"\r\n".join(lines) + f"\r\n--{BOUNDARY}--\r\n".encode()


def bare_calls(pipeline: object, photo: bytes) -> None:
    picture = pipeline.modality.load(photo)
    (region, *_) = pipeline.detector.find(picture)
    pipeline.encoder.embed([pipeline.modality.crop(picture, region)])


def measure_latency(server: Server, photo: bytes, pipeline: object, rounds: int) -> list[float]:
    """Return the median milliseconds of a query, and of the bare calls in turn with it."""
    client, body = Client(server), form(photo, k="1")

    def query() -> None:
        status, answer = client.send("POST", "/v1/galleries/faces/query", body, FORM.items())
        assert status == 200, answer

    times = [(elapsed(query), elapsed(lambda: bare_calls(pipeline, photo))) for _ in range(rounds)]
    return [statistics.median(side) * 1000 for side in zip(*times[5:], strict=True)]


def run_load(server: Server, photo: bytes, seconds: float, clients: int) -> dict[str, object]:
    """Send a mixed load; return the times, the statuses and how often the models ran."""
    times: list[float] = []
    statuses: Counter[int] = Counter()
    runs = Counter()
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        client, mine = Client(server), []
        query, pair = form(photo, k="1"), form(photo, label="Grace Hopper")
        for turn in range(1_000_000):
            if time.monotonic() > end:
                return
            began = time.perf_counter()
            if turn % 16 == 15 and mine:
                path = f"/v1/galleries/faces/identities/{quote(mine.pop())}"
                status, _ = client.send("DELETE", path)
            elif turn % 8 == 7:
                label = f"client {number} turn {turn}"
                body = form(photo, labels=label)
                status, _ = client.send("POST", "/v1/galleries/faces/enrol", body, FORM.items())
                runs["models"] += 1
                mine.append(label)
            else:
                path, body = ("verify", pair) if turn % 4 == 3 else ("query", query)
                status, _ = client.send("POST", f"/v1/galleries/faces/{path}", body, FORM.items())
                runs["models"] += 1
            times.append(time.perf_counter() - began)
            statuses[status] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"times": times, "statuses": statuses, "runs": runs["models"]}


def measure_memory(server: Server, requests: int) -> list[float]:
    """Return MB after each tenth of many requests of a text gallery and of lists."""
    client, sizes = Client(server), []
    body = json.dumps({"texts": ["How do I log in?"]}).encode()
    client.send(
        "POST", "/v1/galleries/questions/enrol", b'{"texts":["a b c"],"labels":["x"]}', JSON.items()
    )
    for number in range(requests + 1):
        status, _ = client.send("POST", "/v1/galleries/questions/query", body, JSON.items())
        assert status == 200
        if number % (requests // 10) == 0:
            sizes.append(sum(worker.memory_info().rss for worker in server.workers()) / 2**20)
    return sizes


def kill_a_worker(server: Server, store: str, enrolments: int = 60) -> tuple[int, int]:
    """Enrol texts while a worker is killed; return how many were acknowledged, and were lost."""
    acknowledged = []

    def work(number: int) -> None:
        for turn in range(enrolments // 4):
            text = f"text {number} {turn}"
            body = json.dumps({"texts": [text], "labels": [text]}).encode()
            status, _ = Client(server).send(
                "POST", "/v1/galleries/questions/enrol", body, JSON.items()
            )
            if status == 200:
                acknowledged.append(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < enrolments // 3:
        time.sleep(0.01)
    os.kill(server.workers()[0].pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    with sk.Workspace(store) as ws:
        stored = {holding.identity for holding in ws.identities("questions")}
    return len(acknowledged), len(set(acknowledged) - stored)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=45)
    options = parser.parse_args()
    photo = PHOTO.read_bytes()
    rows = [("figure", "measured", "goal")]
    with tempfile.TemporaryDirectory() as store:
        with sk.Workspace(store) as ws:
            ws.enrol("faces", "Grace Hopper", PHOTO)
            vectors = np.random.default_rng(0).normal(size=(COUNT, 128)).astype(np.float32)
            for _ in ws.add_templates("faces", [f"person {n}" for n in range(COUNT)], vectors):
                pass
            ws.query("faces", PHOTO)  # saves the index
            pipeline = ws.pipeline_of(ws.gallery("faces"))
            server = Server(store)
            ours, bare = measure_latency(server, photo, pipeline, options.rounds)
            rows += [
                (f"face query among {COUNT:,}, p50", f"{ours:.1f} ms", ""),
                ("bare model calls, in turn with it, p50", f"{bare:.1f} ms", ""),
                ("ratio", f"{ours / bare:.2f}", "<= 1.2"),
            ]
            began = time.process_time()
            for _ in range(30):
                bare_calls(pipeline, photo)
            bare_cpu = (time.process_time() - began) / 30
        before, began = server.cpu(), time.monotonic()
        load = run_load(server, photo, options.seconds, options.clients)
        spent, wall = server.cpu() - before, time.monotonic() - began
        times, statuses = sorted(load["times"]), load["statuses"]
        errors = sum(count for status, count in statuses.items() if status not in (200, 429))
        rows += [
            (
                f"{options.clients} clients, {options.seconds:g} s",
                f"{len(times) / wall:.1f} req/s",
                "",
            ),
            (
                "p50, p99",
                f"{times[len(times) // 2]:.2f} s, {times[len(times) * 99 // 100]:.2f} s",
                "",
            ),
            (
                "models' share of the server's processor time",
                f"{load['runs'] * bare_cpu / spent:.2f}",
                ">= 0.9",
            ),
            ("refused with 429", f"{statuses[429]}", ""),
            ("errors", f"{errors} of {len(times):,}", "0"),
        ]
        sizes = measure_memory(server, options.requests)
        rows.append(
            (
                f"memory after {options.requests:,} requests",
                f"{sizes[1]:.0f} MB after a tenth, {sizes[-1]:.0f} MB",
                "flat",
            )
        )
        server.stop()
        server = Server(store, "--workers", "2")
        acknowledged, lost = kill_a_worker(server, store)
        server.stop()
        rows.append((f"lost of {acknowledged} acknowledged, worker killed", f"{lost}", "0"))
    load_per_core = os.getloadavg()[0] / (os.cpu_count() or 1)
    rows.append(("load of the machine per core", f"{load_per_core:.1f}", ""))
    table(rows)


if __name__ == "__main__":
    main()
