"""Tables of rows: (id bigint PRIMARY KEY, vector vector(dim)), in the schema siamkit."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.sdk.nearest import merge_hits
from siamkit.types import Hits

if TYPE_CHECKING:
    from psycopg import Connection

    from siamkit.types import Ids, Vectors
    from siamkit_pgvector.records import Graph

MOST_EF = 1_000  # candidates of a search of the graph, as pgvector allows
IN_PAGE = 1_900  # numbers of the longest vector of which a page of 8 KB holds a row
COPY_BYTES = 1 << 22  # sent at once
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # of the binary format: no flags, no extension
TRAILER = b"\xff\xff"


def new_name(key: str) -> str:
    """Return a name for a new table of a key: another one may still be in use."""
    return f"{key}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, on a connection."""

    connection: Connection[Any]
    name: str
    dim: int

    @property
    def sql(self) -> str:
        """The name, as it is written in a statement."""
        return f'siamkit."{self.name}"'

    def create(self) -> None:
        """Create it, empty. Vectors lie in its pages, not beside them, where one fits into one.

        A VACUUM clears graphs too: PostgreSQL would leave them as they are, with what was deleted,
        where less than 2 % of the pages have dead rows.
        """
        storage = "STORAGE PLAIN" if self.dim <= IN_PAGE else ""
        self._run(
            f"CREATE TABLE {self.sql}"
            f" (id bigint PRIMARY KEY, vector vector({self.dim}) {storage} NOT NULL)"
            " WITH (vacuum_index_cleanup = on)"
        )

    def drop(self) -> None:
        """Drop it, if it is there."""
        self._run(f"DROP TABLE IF EXISTS {self.sql}")

    def is_there(self) -> bool:
        """Return True if the server has a table of this name."""
        return bool(self._one("SELECT to_regclass(%s) IS NOT NULL", self.sql))

    def fault(self) -> str:
        """Return what is wrong with its columns, to follow its name; '' if nothing is."""
        rows = self._run(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            self.sql,
        ).fetchall()
        columns = dict(rows)
        if not columns:
            return "is gone"
        if columns == {"id": "bigint", "vector": f"vector({self.dim})"}:
            return ""
        kind = columns.get("vector", "no vectors")
        return f"has {', '.join(sorted(columns))} with {kind}, not id and vector({self.dim})"

    def count(self) -> int:
        """Count the rows."""
        return int(self._one(f"SELECT count(*) FROM {self.sql}"))

    def count_of(self, ids: Ids) -> int:
        """Count the rows of (n,) ids."""
        return int(self._one(f"SELECT count(*) FROM {self.sql} WHERE id = ANY(%s)", ids.tolist()))

    def last_but(self, count: int) -> int:
        """Return the largest id below the `count` largest ones; 0 if there is none."""
        query = f"SELECT id FROM {self.sql} ORDER BY id DESC OFFSET {count} LIMIT 1"
        row = self._run(query).fetchone()
        return int(row[0]) if row else 0

    def newest(self, count: int) -> Vectors:
        """Return the vectors of the largest ids, (n, dim)."""
        query = f"SELECT vector::real[] FROM {self.sql} ORDER BY id DESC LIMIT {count}"
        rows = [row for (row,) in self._run(query)]
        return np.array(rows, np.float32).reshape(-1, self.dim)

    def graphs(self) -> list[str]:
        """Return the names of its graphs, unfinished ones too."""
        query = (
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_am a ON a.oid = c.relam"
            " WHERE i.indrelid = to_regclass(%s) AND a.amname = 'hnsw'"
        )
        return [name for (name,) in self._run(query, self.sql)]

    def bytes(self) -> int:
        """Return its size with all its indexes."""
        return int(
            self._one("SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0)", self.sql)
        )

    def delete(self, ids: Ids) -> int:
        """Delete the rows of (n,) ids, and return how many there were."""
        if not len(ids):
            return 0
        query = f"DELETE FROM {self.sql} WHERE id = ANY(%s)"
        return int(self._run(query, ids.tolist()).rowcount)

    def copy(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n, dim) vectors under (n,) ids that are not there."""
        row = np.dtype(
            [
                *(("fields", ">i2"), ("id_bytes", ">i4"), ("id", ">i8")),
                *(("vector_bytes", ">i4"), ("dim", ">i2"), ("unused", ">i2")),
                ("vector", ">f4", (self.dim,)),
            ]
        )
        step = max(1, COPY_BYTES // row.itemsize)
        with self.connection.cursor().copy(
            f"COPY {self.sql} (id, vector) FROM STDIN (FORMAT BINARY)".encode()
        ) as copy:
            copy.write(HEADER)
            for start in range(0, len(ids), step):
                part = slice(start, start + step)
                block = np.zeros(len(ids[part]), row)
                block["fields"], block["id_bytes"], block["id"] = 2, 8, ids[part]
                block["vector_bytes"], block["dim"] = 4 + 4 * self.dim, self.dim
                block["vector"] = vectors[part]
                copy.write(block.tobytes())
            copy.write(TRAILER)

    def search(
        self, vectors: Vectors, k: int, *, last: int, masked: Ids, graph: Graph | None
    ) -> Hits:
        """Find the k best of each of (n, dim) vectors, as (n, k), among ids up to `last`.

        masked: (m,) ids that do not count. graph: None to compare all rows.
        """
        where = "id <= %s AND id <> ALL(%s)"
        values = (last, masked.tolist())
        ef = max(graph.ef, k + min(len(masked), MOST_EF)) if graph else 0
        if graph is None or ef > MOST_EF:
            return self._scan(vectors, k, where, *values)
        count = ef if len(masked) or last < graph.built_to else k
        self._run("SELECT set_config('hnsw.ef_search', %s, true)", str(ef))
        near = self._nearest(vectors, f"id <= {graph.built_to}", count)
        outside = self._ordered(vectors, k, f"id > {graph.built_to} AND {where}", *values)
        hits = _padded(near, count)
        is_out = (hits.ids > last) | np.isin(hits.ids, masked)
        hits.ids[is_out], hits.scores[is_out] = -1, -np.inf
        if ((hits.ids >= 0).sum(axis=1) < min(k, graph.rows)).any():  # dead or masked rows between
            return self._scan(vectors, k, where, *values)
        rest = _padded(outside, k)
        return merge_hits([hits, rest], k)

    def search_within(self, vectors: Vectors, k: int, within: Ids) -> Hits:
        """Find the k best among (m,) ids."""
        return self._scan(vectors, k, "id = ANY(%s)", within.tolist())

    def _scan(self, vectors: Vectors, k: int, where: str, *values: Any) -> Hits:
        """Compare all rows for which a condition holds; equal scores by id."""
        return _padded(self._ordered(vectors, k, where, *values), k)

    def _ordered(self, vectors: Vectors, k: int, where: str, *values: Any) -> list[Any]:
        """Ask for the best of all rows for which a condition holds, without a graph."""
        query = (
            f"SELECT id, vector <#> %s::vector AS distance FROM {self.sql} WHERE {where}"
            f" ORDER BY distance, id LIMIT {k}"
        )
        return [self._run(query, _text(row), *values) for row in vectors]

    def _nearest(self, vectors: Vectors, where: str, count: int) -> list[Any]:
        """Ask for the best as a graph finds them, which was built with the same condition."""
        query = (
            f"SELECT id, vector <#> %s::vector FROM {self.sql} WHERE {where}"
            f" ORDER BY vector <#> %s::vector LIMIT {count}"
        )
        return [self._run(query, text, text) for text in map(_text, vectors)]

    def _run(self, query: str, *values: Any) -> Any:
        return self.connection.execute(query.encode(), values or None)

    def _one(self, query: str, *values: Any) -> Any:
        return self._run(query, *values).fetchone()[0]


def _text(vector: Vectors) -> str:
    """Return a vector as pgvector reads it, each number with all its digits."""
    return f"[{','.join(map(repr, vector.tolist()))}]"


def _padded(cursors: list[Any], k: int) -> Hits:
    """Fetch the rows of n queries as (n, k) hits."""
    hits = Hits(
        np.full((len(cursors), k), -1, np.int64), np.full((len(cursors), k), -np.inf, np.float32)
    )
    for place, cursor in enumerate(cursors):
        if rows := cursor.fetchall():
            ids, distances = zip(*rows, strict=True)
            hits.ids[place, : len(ids)] = ids
            hits.scores[place, : len(ids)] = -np.array(distances)
    return hits
