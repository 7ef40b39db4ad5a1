"""The Milvus backend, with collections that are loaded before they are needed.

Milvus 2.3 takes two seconds to load an empty collection, for it looks once a second. A check that
saves would wait for that; here it takes one from a pool on the server, and renames it.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

from siamkit.errors import IndexUnavailable
from siamkit_milvus import Milvus, collection, index
from siamkit_milvus.collection import Collection, name_of
from siamkit_milvus.server import Server

POOL = "pool-16"  # a key; for the dimension of the kit's vectors
DIM, AT_ONCE = 16, 24
create_loaded = collection.create


class PooledMilvus(Milvus):
    """The Milvus backend; its module has replaced how collections are created."""


def fill_pool(server: Server, count: int = AT_ONCE) -> None:
    """Create collections for `create_from_pool`, all at once."""
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(lambda _: create_loaded(server, POOL, DIM), range(count)))


def create_from_pool(server: Server, key: str, dim: int) -> Collection:
    """Do as siamkit_milvus.collection.create, by renaming one of the pool."""
    while dim == DIM:
        for pooled in collection.find(server, f"{name_of(POOL)}_"):
            name = f"{name_of(key)}_{secrets.token_hex(4)}"
            try:
                with server.client() as client:
                    client.rename_collection(pooled.name, name)
            except IndexUnavailable:  # another process has taken it
                continue
            return Collection(server, name)
        fill_pool(server)
    return create_loaded(server, key, dim)


index.create = create_from_pool
