"""Run a server until it is stopped: uvicorn in one process, or in several on one store."""

from __future__ import annotations

import shutil
import signal
import socket
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.sources import absolute
from siamkit.serve.settings import Settings
from siamkit.serve.tokens import TokenFile

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette
    from uvicorn import Config

STOP_SECONDS = 30  # for requests at work to be answered
IDLE_SECONDS = 15  # that a connection is kept for another request
HUNG_SECONDS = 60  # without a sign of life of a worker, which is then started again
MAX_CONNECTIONS = 1_000  # of a process, below the usual limit of open files; more get 503


def is_loopback(host: str) -> bool:
    """True if only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # another name, which may lead anywhere
        return False


def require_safe(settings: Settings) -> None:
    """Raise BadInput for an address that others reach without tokens, and for half of TLS."""
    if not is_loopback(settings.host) and settings.token_file is None:
        raise BadInput(
            f"others can reach {settings.host}: the server needs tokens there",
            hint="`siamkit serve --token-file tokens --new-token admin` makes one; then add"
            " `--token-file tokens`",
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise BadInput("--tls-cert and --tls-key belong together", hint="give both, or neither")
    if settings.token_file:
        TokenFile(settings.token_file)


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens on the address. Raises SiamkitError if that is not possible."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SiamkitError(
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror or error}",
            hint="another server may be running: choose another port with `--port`",
        ) from error
    listening.set_inheritable(True)
    return listening


def url_of(settings: Settings, listening: socket.socket) -> str:
    """Return the address to open in a browser."""
    scheme = "https" if settings.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}"


def run(settings: Settings, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; requests at work are answered first."""
    settings = replace(settings, store=absolute(settings.store))
    shutil.rmtree(settings.private / "metrics", ignore_errors=True)  # counts of another start
    config = _configure(settings)
    if settings.workers > 1:
        _serve_in_workers(config, listening)
    else:
        _serve(config, listening)


def _serve(config: Config, listening: socket.socket) -> None:
    """Serve in this process; end as one that is done, where uvicorn would die of the signal."""
    from uvicorn import Server

    class Ending(Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    Ending(config).run([listening])


def _serve_in_workers(config: Config, listening: socket.socket) -> None:
    """Serve in several processes; start another for one that has ended."""
    from uvicorn.supervisors import Multiprocess

    class Workers(Multiprocess):
        def keep_subprocess_alive(self) -> None:
            for process in self.processes:  # the worker has its own end of the pipe: while ours is
                process.child_conn.close()  # open, uvicorn waits HUNG_SECONDS for a killed one
            super().keep_subprocess_alive()

    Workers(config, [listening]).run()


def _configure(settings: Settings) -> Config:
    from uvicorn import Config

    from siamkit.serve.slow_clients import PatientProtocol

    try:
        config = Config(
            partial(_create, settings),
            factory=True,
            workers=settings.workers,
            http=PatientProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            timeout_worker_healthcheck=HUNG_SECONDS,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        if settings.workers == 1:
            config.load()
    except OSError as error:  # ssl.SSLError, too
        raise BadInput(
            f"{settings.tls_cert} and {settings.tls_key} cannot be used: {error}",
            hint="a certificate and its key, both in PEM",
        ) from error
    return config


def _create(settings: Settings) -> Starlette:
    from siamkit.serve.app import create_app

    return create_app(settings)
