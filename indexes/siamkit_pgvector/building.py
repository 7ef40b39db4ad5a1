"""Build the graph of a table (HNSW), and choose by measured recall how it is searched."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit_pgvector import records
from siamkit_pgvector.records import Graph, Record
from siamkit_pgvector.server import READING, Server, set_defaults
from siamkit_pgvector.tables import Table

if TYPE_CHECKING:
    from psycopg import Connection

    from siamkit.types import Ids, Progress

SCANNED_FLOATS = 2_560_000  # numbers outside the graph that a search compares: 20 000 × 128, 5 ms
OUTSIDE = 0.1  # share of the rows that may be outside, where that is more
MOST_DIM = 2_000  # that pgvector's HNSW takes
RECALL, K = 0.994, 10  # to reach, at: 0.99 is promised, and the measurement has an error of 0.003
PROBES = 128  # rows that stay outside, the newest, whose neighbours in the graph are compared
EFS = (40, 64, 100, 160, 250, 400, 640, 1_000)  # candidates, of which the first that reach it serve
# Memory for building, beside the numbers: links of a row, in bytes. Without enough, a build takes
# ten times as long; with more than a server has, it ends.
LINKS, MEMORY = 400, 4 << 30
POLL_SECONDS = 0.2


def wants_graph(record: Record) -> bool:
    """Return True if a search would compare too many rows one by one."""
    outside = max(0, record.rows - record.graph.rows)
    allowed = max(SCANNED_FLOATS, int(OUTSIDE * record.rows * record.dim))
    return record.dim <= MOST_DIM and outside * record.dim > allowed


def build(server: Server, record: Record, progress: Progress) -> Record:
    """Build a graph of the rows that are saved, but the newest; return the record with it.

    Other processes search and save meanwhile. If one of them builds already, nothing is done.
    """
    with server.translating(), _alone(server.connection(), record.name) as is_alone:
        if not is_alone:
            return record
        connection = server.connection()
        table = Table(connection, record.name, record.dim)
        _drop_graphs(table, keep=record.graph.name)
        built_to = table.last_but(PROBES)
        rows = table.count() - PROBES
        graph = Graph(f"{record.name}-{secrets.token_hex(2)}", built_to, rows)
        _create(server, table, graph, progress)
        graph = _measured(server, record, graph, progress)
        with server.transaction():
            current = records.read(connection, record.key, lock=True)
            if current is None or current.name != record.name:
                return record  # another process has replaced the table
            current = replace(current, graph=graph)
            records.write(connection, current)
        _drop_graphs(table, keep=graph.name)
        return current


@contextmanager
def _alone(connection: Connection[Any], name: str) -> Iterator[bool]:
    """Yield True if no other process is in this block for the same table."""
    query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
    (is_alone,) = connection.execute(query, (name,)).fetchone() or (False,)
    try:
        yield bool(is_alone)
    finally:
        if is_alone and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


def _drop_graphs(table: Table, *, keep: str) -> None:
    """Drop all graphs of a table but one, those that a killed process has left unfinished too."""
    for name in table.graphs():
        if name != keep:
            _drop_graph(table.connection, name)


def _drop_graph(connection: Connection[Any], name: str) -> None:
    connection.execute(f'DROP INDEX CONCURRENTLY IF EXISTS siamkit."{name}"'.encode())


def _create(server: Server, table: Table, graph: Graph, progress: Progress) -> None:
    """Create the index of a graph in a thread, and report how far it is."""
    from psycopg import errors

    connection = table.connection
    memory = min(MEMORY, max(64 << 20, graph.rows * (5 * table.dim + LINKS)))
    for setting in (
        "statement_timeout = 0",
        "lock_timeout = 0",
        f"maintenance_work_mem = {memory >> 10}",
    ):
        connection.execute(f"SET {setting}".encode())
    statement = (
        f'CREATE INDEX CONCURRENTLY "{graph.name}" ON {table.sql}'
        f" USING hnsw (vector vector_ip_ops) WHERE id <= {graph.built_to}"
    )
    progress("build the graph", 0, graph.rows)
    try:
        _run(server, connection, statement, graph.rows, progress)
    except errors.DiskFull as error:  # of memory shared by parallel workers: 64 MB in a container
        if "shared memory" not in str(error):
            raise
        _drop_graph(connection, graph.name)  # the one in use goes on serving
        connection.execute("SET max_parallel_maintenance_workers = 0")
        _run(server, connection, statement, graph.rows, progress)
    progress("build the graph", graph.rows, graph.rows)
    set_defaults(connection)


def _run(
    server: Server, connection: Connection[Any], statement: str, rows: int, progress: Progress
) -> None:
    query = "SELECT tuples_done FROM pg_stat_progress_create_index WHERE pid = %s"
    pid, last = connection.info.backend_pid, 0
    watch = server.another()
    try:
        with ThreadPoolExecutor(1) as pool:
            building = pool.submit(connection.execute, statement.encode())
            try:
                while not wait([building], POLL_SECONDS).done:
                    row = watch.connection().execute(query, (pid,)).fetchone()
                    last = max(last, min(rows, int(row[0] or 0) if row else 0))
                    progress("build the graph", last, rows)
            except BaseException:
                connection.cancel()
                raise
            building.result()
    finally:
        watch.close()


def _measured(server: Server, record: Record, graph: Graph, progress: Progress) -> Graph:
    """Return a graph with the fewest candidates that reach RECALL on rows that are not in it.

    A graph finds its own rows, and what they are linked to, better than the neighbours of new ones.
    """
    nobody, last = np.empty(0, np.int64), graph.built_to
    with server.transaction(READING) as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        table = Table(connection, record.name, record.dim)
        probes = table.newest(PROBES)
        nearest = []
        for done, probe in enumerate(probes):
            progress("measure recall", done, len(probes))
            nearest.append(table.search(probe[None], K, last=last, masked=nobody, graph=None).ids)
        progress("measure recall", len(probes), len(probes))
        for ef in EFS:
            graph = replace(graph, ef=ef)
            hits = table.search(probes, K, last=last, masked=nobody, graph=graph)
            graph = replace(graph, recall=_recall(hits.ids, np.concatenate(nearest)))
            if graph.recall >= RECALL:
                break
    return graph


def _recall(hits: Ids, nearest: Ids) -> float:
    """Return the share of the true neighbours (n, k) that were found."""
    pairs = zip(hits.tolist(), nearest.tolist(), strict=True)
    found = sum(len({*hit} & {*near} - {-1}) for hit, near in pairs)
    return found / max(1, int((nearest >= 0).sum()))
