"""A relay to a local server, which a test can cut and mend: the server goes and returns."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes bytes between its own port and a server's."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._connections: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.cut_after: int | None = None  # bytes to the server; then the relay is cut
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Accept connections, on the same port each time."""
        self.cut_after = None
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self) -> None:
        """Refuse connections, and end those that there are."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._connections += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=[source, sink], daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        is_request = sink.getpeername() == self._target
        with suppress(OSError):
            while content := source.recv(1 << 16):
                if is_request and self.cut_after is not None:
                    self.cut_after -= len(content)
                    if self.cut_after < 0:
                        self.cut()
                        return
                sink.sendall(content)


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """Give a relay to a port; it is cut at the end."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.cut()
