"""Connect to a Milvus server, and turn its errors into one line with a cure."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from siamkit.errors import IndexUnavailable, MissingPackage
from siamkit.sdk.server_address import hide_password, variable_of

if TYPE_CHECKING:
    from pymilvus import MilvusClient

NAME = "milvus"  # of the backend
CONNECT_SECONDS = 5.0  # until a server that does not answer counts as away
CALL_SECONDS = 10.0  # of one call: 32 scans of a million rows without an index take 3 s
_clients: dict[tuple[int, str], MilvusClient] = {}  # by process, too: none survives a fork
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.Lock()))


class Server:
    """The server at an address, such as http://USER:PASSWORD@HOST:19530/DATABASE."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __str__(self) -> str:
        return hide_password(self._address)

    @contextmanager
    def client(self) -> Iterator[MilvusClient]:
        """Give a client of a server that has just answered. Raises IndexUnavailable.

        What the server refuses within the block is an IndexUnavailable, too.
        """
        with self._reporting():
            client = self._connect()
            client.get_server_version(timeout=CONNECT_SECONDS)
            yield client

    def _connect(self) -> MilvusClient:
        """Return the client of this process and address. pymilvus's may be shared by threads."""
        with _lock:
            key = (os.getpid(), self._address)
            if key not in _clients:
                _clients[key] = _open(self._address)
            return _clients[key]

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except (IndexUnavailable, MissingPackage, MemoryError):
            raise
        except Exception as error:  # of pymilvus, of gRPC, or ValueErrors of either
            if type(error).__module__.partition(".")[0] not in ("pymilvus", "grpc"):
                raise
            raise IndexUnavailable(
                f"the Milvus server at {self} {_reason(error)}",
                hint=f"start it, or give its address again, by {variable_of(NAME)} or"
                " --index-address; or do without it: `siamkit index rebuild GALLERY --index faiss`",
            ) from error


def _open(address: str) -> MilvusClient:
    """Connect to an address. Raises IndexUnavailable for what is none, or an error of pymilvus."""
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise MissingPackage(
            "the index milvus needs the package pymilvus", hint="pip install 'siamkit[milvus]'"
        ) from error
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints each error, too
    return MilvusClient(timeout=CONNECT_SECONDS, **_arguments(address))


def _arguments(address: str) -> dict[str, Any]:
    """Take an address apart: scheme://user:password@host:port/database?token=…"""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or 19530
    except ValueError:  # a port that is not a number
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme not in ("http", "https") or not host:
        raise IndexUnavailable(
            f"{hide_password(address)} is not the address of a Milvus server",
            hint="expected http://HOST:19530, or http://USER:PASSWORD@HOST:19530/DATABASE; files of"
            " milvus-lite are not supported: without a server, the index faiss is faster",
        )
    host = f"[{host}]" if ":" in host else host
    return {
        "uri": f"{parts.scheme}://{host}:{port}",
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "token": parse_qs(parts.query).get("token", [""])[0],
        "db_name": parts.path.strip("/"),
    }


def _reason(error: Exception) -> str:
    """Return what a server did, from an error: a message in one line, without pymilvus's frame."""
    text = " ".join(str(getattr(error, "message", "") or error).split())[:300]
    if not text or text.startswith("Fail connecting to server"):
        return "cannot be reached"
    return f"reports: {text}"
