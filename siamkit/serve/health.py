"""Handlers that say whether the server lives, and whether it can answer."""

from __future__ import annotations

from siamkit.serve.route import Nothing
from siamkit.serve.server import Server


def healthz(server: Server, body: Nothing) -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


def readyz(server: Server, body: Nothing) -> dict[str, str]:
    """Say that the store can be read. Raises StoreError if not."""
    server.workspace.galleries()
    return {"status": "ready"}
