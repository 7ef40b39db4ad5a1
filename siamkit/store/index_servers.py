"""Servers that galleries' indexes are saved to: their addresses, and whether they answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from siamkit.errors import BadInput
from siamkit.protocols import IndexBackend, Shared
from siamkit.sdk.server_address import writing_address
from siamkit.store.database import Store

ANY_DIM = 2  # of an index that is opened only to see if its server answers


def has_server(backend: IndexBackend) -> bool:
    """Return True if a backend saves to a server."""
    return isinstance(backend, Shared) and backend.shared


def require_no_address(backend: IndexBackend, address: str | None) -> None:
    """Raise BadInput if an address is given for a backend that has no server."""
    if address is not None and not has_server(backend):
        raise BadInput(
            f"index {backend.name} is kept in the store's folder, and has no address",
            hint="leave --index-address out, or name an index with a server: --index pgvector",
        )


@contextmanager
def reaching_server(store: Store, backend: IndexBackend, address: str | None) -> Iterator[None]:
    """Write the address of a backend's server, if one is given, and require that it answers.

    If it does not, or the block raises, the store keeps the address that it had. A backend without
    a server is always there. Raises IndexUnavailable, BadInput.
    """
    require_no_address(backend, address)
    root = store.index_root
    with nullcontext() if address is None else writing_address(backend.name, root, address):
        if has_server(backend):
            backend.open("check", ANY_DIM, root=root, known=lambda _: True)[0].close()
        yield
