"""Measure two clients that enrol and query through one `siamkit serve`, its index on a server.

    python benchmarks/two_machines.py [--index pgvector] [--rows 10000] [--rounds 100]

Two processes stand for two machines: they know the service's address alone. Each enrols a text,
asks for it at once, asks for the text that the other has enrolled last, and forgets every fifth. A
text that was acknowledged and is not found, or was forgotten and is, counts as lost. Beside it, the
time of one commit of an identity, a sample and a template in SQLite, as the store writes it, and in
PostgreSQL through a socket, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import numpy as np
from serve_load import JSON, Client, Server
from timing import elapsed, table

import siamkit as sk

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
GALLERY, COMMITS, DIM = "questions", 200, 384


def text_of(name: str, number: int) -> str:
    return f"What does {name} say about item {number} of list {number * 7919 % 1000}?"


def client(port: int, name: str, folder: Path, rounds: int) -> None:
    """Enrol, query and forget; print what it took."""
    service = Client(argparse.Namespace(port=port))
    paths = f"/v1/galleries/{GALLERY}"
    times: dict[str, list[float]] = {"enrol": [], "query": [], "forget": []}
    lost = 0

    def best(text: str) -> str:
        body = json.dumps({"texts": [text], "k": 1}).encode()

        def query() -> None:
            nonlocal status, answer
            status, answer = service.send("POST", f"{paths}/query", body, JSON.items())

        status, answer = 0, b""
        times["query"].append(elapsed(query))
        assert status == 200, answer
        (match, *_) = json.loads(answer)["probes"][0]["regions"][0]["matches"]
        return str(match["identity"])

    for number in range(rounds):
        text = text_of(name, number)
        label = f"{name} {number}"
        body = json.dumps({"texts": [text], "labels": [label]}).encode()
        status = 0

        def enrol(body: bytes = body) -> None:
            nonlocal status
            status, _ = service.send("POST", f"{paths}/enrol", body, JSON.items())

        times["enrol"].append(elapsed(enrol))
        assert status == 200, status
        lost += best(text) != label
        (folder / f".{name}").write_text(json.dumps([label, text]))
        os.replace(folder / f".{name}", folder / name)
        for other in set(folder.iterdir()) - {folder / name}:
            if not other.name.startswith("."):
                seen, asked = json.loads(other.read_text())
                lost += best(asked) != seen
        if number % 5 == 4:
            gone = f"{name} {number - 1}"
            path = f"{paths}/identities/{quote(gone)}"
            times["forget"].append(elapsed(lambda path=path: service.send("DELETE", path)))
            lost += best(text_of(name, number - 1)) == gone
    print(json.dumps({"times": times, "lost": lost}))


def commits(address: str, folder: Path) -> tuple[float, float]:
    """Return the median milliseconds of a commit in SQLite and in PostgreSQL, in turn."""
    import psycopg

    vector = np.random.default_rng(0).standard_normal(DIM).astype("<f4").tobytes()
    lite = sqlite3.connect(folder / "store.db", isolation_level=None)
    post = psycopg.connect(address)
    lite.execute("PRAGMA journal_mode = WAL")
    lite.execute("PRAGMA synchronous = FULL")
    tables = (
        "CREATE TABLE identities (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
        "CREATE TABLE samples (id INTEGER PRIMARY KEY, identity_id INTEGER, source TEXT)",
        "CREATE TABLE templates (id INTEGER PRIMARY KEY, vector BLOB)",
    )
    for statement in tables:
        lite.execute(statement)
        post.execute(statement.replace("BLOB", "BYTEA").encode())
    post.commit()

    def write(database, mark: str, number: int) -> None:
        for statement, values in (
            ("INSERT INTO identities VALUES (?, ?)", (number, f"name {number}")),
            ("INSERT INTO samples VALUES (?, ?, ?)", (number, number, f"file {number}")),
            ("INSERT INTO templates VALUES (?, ?)", (number, vector)),
        ):
            database.execute(statement.replace("?", mark), values)

    def in_sqlite(number: int) -> None:
        lite.execute("BEGIN IMMEDIATE")
        write(lite, "?", number)
        lite.execute("COMMIT")

    def in_postgres(number: int) -> None:
        write(post, "%s", number)
        post.commit()

    pairs = [
        (elapsed(lambda n=n: in_sqlite(n)), elapsed(lambda n=n: in_postgres(n)))
        for n in range(COMMITS)
    ]
    post.close()
    return tuple(statistics.median(side) * 1000 for side in zip(*pairs, strict=True))


def measure(given: argparse.Namespace, folder: Path, address: str) -> list[tuple[str, str]]:
    """Run both clients on one service; return rows of a table."""
    with sk.Workspace(folder / "store") as ws:
        ws.create_gallery(GALLERY, index=given.index)
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((given.rows, DIM)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        labels = [f"row {number}" for number in range(given.rows)]
        list(ws.add_templates(GALLERY, labels, rows))
    server = Server(str(folder / "store"), "--workers", "2")
    shared = folder / "acknowledged"
    shared.mkdir()
    command = [sys.executable, __file__, "--port", str(server.port), "--folder", str(shared)]
    command += ["--rounds", str(given.rounds), "--client"]
    processes = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True)
        for name in ("Ada", "Grace")
    ]
    try:
        answers = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    finally:
        server.stop()
    with sk.Workspace(folder / "store") as ws:
        samples = ws.count(GALLERY)[1]
        stats = ws.index_stats(GALLERY)
    kept = given.rows + 2 * given.rounds - sum(len(a["times"]["forget"]) for a in answers)
    result = [("index", f"{given.index}, {stats['structure']}, {stats['templates']:,} templates")]
    for name in ("enrol", "query", "forget"):
        times = [1000 * value for answer in answers for value in answer["times"][name]]
        slow = statistics.quantiles(times, n=20)[-1]
        result.append((name, f"{statistics.median(times):.0f} ms, 95 % within {slow:.0f} ms"))
    result.append(("lost or still found", str(sum(answer["lost"] for answer in answers))))
    result.append(("samples in the store", f"{samples:,}, {kept:,} expected"))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--index", default="pgvector")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        client(given.port, given.client, given.folder, given.rounds)
        return
    from postgres_server import PostgresServer

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "pg").mkdir()
        server = PostgresServer(folder / "pg")
        server.settings.remove("fsync=off")
        server.start()
        try:
            os.environ["SIAMKIT_PGVECTOR"] = server.address
            rows = measure(given, folder, server.address)
            lite, post = commits(server.address, folder)
            rows.append(("a commit", f"SQLite {lite:.1f} ms, PostgreSQL {post:.1f} ms"))
            table([("figure", "measured", "goal"), *((*row, "") for row in rows)])
        finally:
            server.stop()


if __name__ == "__main__":
    main()
