"""The entry point of group `siamkit.indexes`: open, purge and drop tables by key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.sdk.server_address import read_address
from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Ids
    from siamkit_pgvector.index import PgVectorIndex
    from siamkit_pgvector.server import Server


class PgVector:
    """The pgvector backend. Each key has a table on the server, `siamkit."KEY-…"`."""

    name = "pgvector"
    shared = True
    unreachable = "postgresql://127.0.0.1:1/none?connect_timeout=2"  # for the conformance kit

    def open(
        self, key: str, dim: int, *, root: Path, known: Callable[[Cursor], bool]
    ) -> tuple[PgVectorIndex, list[str]]:
        """Open the table of a key if it is of the store's history, else an empty index.

        Raises IndexUnavailable if the server does not answer, or another copy of the store uses it.
        """
        from siamkit_pgvector.index import PgVectorIndex

        index = PgVectorIndex.open(key, dim, root, known)
        return index, [index.refused] if index.refused else []

    def purge(self, prefix: str, ids: Ids, *, root: Path, seq: int) -> None:
        """Delete the rows of ids, see siamkit.protocols.Purges. Raises IndexUnavailable."""
        from siamkit_pgvector import removal

        with _connected(root) as server:
            removal.purge(server, prefix, ids, seq)

    def remains(self, prefix: str, *, root: Path) -> str:
        """Return where the server still has purged vectors, and until when."""
        from siamkit_pgvector import removal

        with _connected(root) as server:
            return removal.remains(server, prefix)

    def drop(self, prefix: str, *, root: Path, below: int | None = None) -> None:
        """Drop the tables of all keys that begin with a prefix, see IndexBackend."""
        from siamkit_pgvector import removal

        with _connected(root) as server:
            removal.drop(server, prefix, below)


@contextmanager
def _connected(root: Path) -> Iterator[Server]:
    from siamkit_pgvector.server import Server

    server = Server(read_address(PgVector.name, root))
    try:
        yield server
    finally:
        server.close()
