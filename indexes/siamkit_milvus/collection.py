"""One gallery's collection on a server: its rows, and the records of what they hold."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import IndexUnavailable
from siamkit.types import Hits
from siamkit_milvus.records import Record, State, read_record
from siamkit_milvus.server import CALL_SECONDS, Server

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from siamkit.types import Ids, Progress, Vectors

ID, VECTOR = "id", "vector"  # fields
# A graph of 16 links from lists of 200 is Milvus's usual one. EF is the smallest power of 2 with a
# recall@10 of 0.99 on half of 200 probes, of 99,000 × 384: 0.997, and 0.995 on the other half.
INDEX = {"index_type": "HNSW", "metric_type": "IP", "params": {"M": 16, "efConstruction": 200}}
EF = 512  # candidates of a search, at least
MOST_HITS = 16_384  # that Milvus returns for a query
QUERIES = 32  # of one call
ROWS_BYTES = 1 << 23  # of one call: Milvus takes messages of up to 64 MB
IDS, ROWS = 5_000, 1_000  # in one filter, that asks for ids or for rows
# Milvus compares up to 4 992 rows one by one; above, until its index is built, it looks at an
# eighth of them: recall 0.92 was measured.
SCANNED_ROWS = 4_992
POLL_SECONDS = 0.1  # from one look at the progress of a load or build to the next
LOAD_SECONDS = 600.0


class Collection:
    """Rows (id, vector) under a name on a server. Every method raises IndexUnavailable."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name

    def __str__(self) -> str:
        return f"collection {self.name} at {self.server}"

    def state(self, dim: int | None = None) -> State | None:
        """Read what stands on the server; None if it is not there. dim: that it should have."""
        with self.server.client() as client:
            if not client.has_collection(self.name, timeout=CALL_SECONDS):
                return None
            description = client.describe_collection(self.name, timeout=CALL_SECONDS)
        records = (read_record(alias) for alias in description["aliases"])
        return State(_fault(description, dim), frozenset(r for r in records if r))

    def damage(self, state: State, dim: int) -> str:
        """Return what became of its rows since `state` was read, "holds 5 rows, not …"; '' if none.

        Other programs delete rows, and a server that is killed may lose what it had acknowledged.
        """
        latest = state.latest
        if latest is None:
            return ""
        count = self.count(latest.last, latest.time)
        if count == latest.count or self.state(dim) != state:
            return ""
        return f"holds {count:,} rows, not the {latest.count:,} that were saved"

    def drop(self) -> None:
        """Drop it, if it is there. Its aliases go first, as Milvus demands."""
        with self.server.client() as client:
            if client.has_collection(self.name, timeout=CALL_SECONDS):
                description = client.describe_collection(self.name, timeout=CALL_SECONDS)
                for alias in description["aliases"]:
                    client.drop_alias(alias, timeout=CALL_SECONDS)
                client.drop_collection(self.name, timeout=CALL_SECONDS)

    def add(self, record: Record) -> None:
        """Add a record."""
        with self.server.client() as client:
            client.create_alias(self.name, record.alias(self.name), timeout=CALL_SECONDS)

    def withdraw(self, records: Iterable[Record]) -> None:
        """Remove records; those that are not there are ignored."""
        with self.server.client() as client:
            for record in records:
                client.drop_alias(record.alias(self.name), timeout=CALL_SECONDS)

    def upsert(self, ids: Ids, vectors: Vectors) -> None:
        """Write (n, dim) vectors under (n,) ids, in place of what they had."""
        rows = max(1, ROWS_BYTES // vectors[:1].nbytes) if len(ids) else 1
        with self.server.client() as client:
            for start in range(0, len(ids), rows):
                part = slice(start, start + rows)
                pairs = zip(ids[part].tolist(), vectors[part], strict=True)
                data = [{ID: number, VECTOR: vector} for number, vector in pairs]
                client.upsert(self.name, data, timeout=CALL_SECONDS)

    def delete(self, ids: Ids) -> None:
        """Delete the rows of (n,) ids; absent ones are ignored."""
        with self.server.client() as client:
            for part in _parts(ids):
                client.delete(self.name, filter=_in(part), timeout=CALL_SECONDS)

    def now(self) -> int:
        """Return the server's time. `MilvusClient` has no method for it, what it wraps does."""
        with self.server.client() as client:
            return int(client._get_connection().alloc_timestamp(timeout=CALL_SECONDS))

    def count(self, last: int, at: int, without: Ids | None = None) -> int:
        """Return the number of rows up to an id, at a time of the server or later.

        without: ids that do not count. One query leaves them out if they fit into a filter: rows of
        another save may become visible between two.
        """
        up_to = f"{ID} <= {last}"
        if without is None or not len(without):
            return self._count(up_to, at)
        if len(without) <= IDS:
            return self._count(f"{up_to} and {ID} not in {without.tolist()}", at)
        return self._count(up_to, at) - sum(self._count(_in(p), at) for p in _parts(without))

    def _count(self, where: str, at: int) -> int:
        return int(self._query(where, ["count(*)"], at)[0]["count(*)"])

    def rows(self, ids: Ids, at: int) -> tuple[Ids, Vectors]:
        """Return the rows of (n,) ids that are there: (m,) ids, (m, dim) vectors; (0,) for none."""
        parts = [self._query(_in(part), [ID, VECTOR], at) for part in _parts(ids, ROWS)]
        rows = [row for part in parts for row in part]
        vectors = np.array([row[VECTOR] for row in rows], np.float32)
        return np.array([row[ID] for row in rows], np.int64), vectors

    def search(self, vectors: Vectors, k: int, last: int, at: int) -> Hits:
        """Find the (n, k) nearest up to an id; ids are -1 at the end."""
        k = min(k, MOST_HITS)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        ids = np.full((len(vectors), k), -1, np.int64)
        for start in range(0, len(vectors), QUERIES):
            for row, hits in enumerate(self._search(vectors[start : start + QUERIES], k, last, at)):
                ids[start + row, : len(hits)] = [hit[ID] for hit in hits]
                scores[start + row, : len(hits)] = [hit["distance"] for hit in hits]
        return Hits(ids, scores)

    def indexed(self) -> int:
        """Return the number of rows that the server's index holds, deleted ones included."""
        with self.server.client() as client:
            return int(
                client.describe_index(self.name, VECTOR, timeout=CALL_SECONDS)["indexed_rows"]
            )

    def build(self, progress: Progress) -> None:
        """Have the server index all rows, and wait for it."""
        with self.server.client() as client:
            client.flush(self.name, timeout=LOAD_SECONDS)
            done = 0
            while True:
                facts = client.describe_index(self.name, VECTOR, timeout=CALL_SECONDS)
                done, total = max(done, int(facts["indexed_rows"])), int(facts["total_rows"])
                progress("index", min(done, total), total)
                if facts["state"] == "Failed":
                    reason = facts.get("index_state_fail_reason") or "no reason given"
                    raise IndexUnavailable(f"{self.server} cannot build the index: {reason}")
                if facts["state"] == "Finished" and not int(facts["pending_index_rows"]):
                    return
                time.sleep(POLL_SECONDS)

    def _search(self, vectors: Vectors, k: int, last: int, at: int) -> Any:
        with self.server.client() as client:
            return _once_loaded(
                client,
                self.name,
                lambda: client.search(
                    self.name,
                    data=list(vectors),
                    anns_field=VECTOR,
                    filter=f"{ID} <= {last}" if last else "",
                    limit=k,
                    search_params={"metric_type": "IP", "params": {"ef": max(EF, k)}},
                    timeout=CALL_SECONDS,
                    **_seeing(at),
                ),
            )

    def _query(self, where: str, fields: list[str], at: int) -> Any:
        with self.server.client() as client:
            return _once_loaded(
                client,
                self.name,
                lambda: client.query(
                    self.name,
                    filter=where,
                    output_fields=fields,
                    timeout=CALL_SECONDS,
                    **_seeing(at),
                ),
            )


def name_of(key: str) -> str:
    """Return how the names of a key's collections begin, or those of keys that begin with it."""
    return f"siamkit_{key.replace('-', '_')}"


def find(server: Server, prefix: str) -> list[Collection]:
    """Return the collections whose names begin with a prefix."""
    with server.client() as client:
        names = client.list_collections(timeout=CALL_SECONDS)
    return [Collection(server, name) for name in sorted(names) if name.startswith(prefix)]


def create(server: Server, key: str, dim: int) -> Collection:
    """Create a collection for a key, empty, with its index, loaded, under a name of its own."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(
        auto_id=False, enable_dynamic_field=False, description="an index of siamkit"
    )
    schema.add_field(ID, DataType.INT64, is_primary=True)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    name = f"{name_of(key)}_{secrets.token_hex(4)}"
    with server.client() as client:
        client.create_collection(name, schema=schema, timeout=CALL_SECONDS)
        _load(client, name)
    return Collection(server, name)


def _parts(ids: Ids, size: int = IDS) -> Iterator[Ids]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _in(ids: Ids) -> str:
    return f"{ID} in {ids.tolist()}"


def _seeing(at: int) -> dict[str, Any]:
    """Return the options of a search that sees all that was written before a time of the server.

    If that time has passed on the node that answers, as it has 0.2 s after a save, this costs
    nothing; "Strong" would ask for the present each time, and wait 0.2 s for it.
    """
    return {"consistency_level": "Customized", "guarantee_timestamp": at}


def _once_loaded(client: MilvusClient, name: str, ask: Any) -> Any:
    """Ask a collection; one that somebody has released, or taken the index from, is loaded."""
    from pymilvus.client.types import LoadState

    if client.get_load_state(name, timeout=CALL_SECONDS)["state"] != LoadState.Loaded:
        _load(client, name)
    return ask()


def _load(client: MilvusClient, name: str) -> None:
    """Create the index if it is not there, and have the collection loaded."""
    from pymilvus.client.types import LoadState

    if not client.list_indexes(name, timeout=CALL_SECONDS):
        params = client.prepare_index_params()
        params.add_index(VECTOR, **INDEX)
        client.create_index(name, params, timeout=CALL_SECONDS)
    client.load_collection(name, _async=True, timeout=CALL_SECONDS)
    deadline = time.monotonic() + LOAD_SECONDS
    while client.get_load_state(name, timeout=CALL_SECONDS)["state"] != LoadState.Loaded:
        if time.monotonic() > deadline:
            raise IndexUnavailable(f"{name} was not loaded within {LOAD_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _fault(description: dict[str, Any], dim: int | None) -> str:
    """Return what is wrong with the fields of a collection; '' if nothing is."""
    fields = {field["name"]: field for field in description["fields"]}
    types = {name: getattr(field["type"], "name", "") for name, field in fields.items()}
    if types != {ID: "INT64", VECTOR: "FLOAT_VECTOR"} or not fields[ID].get("is_primary"):
        return f"has other fields than siamkit gave it: {', '.join(sorted(fields))}"
    held = int(fields[VECTOR]["params"]["dim"])
    return "" if dim in (None, held) else f"holds {held}-d vectors, not {dim}-d"
