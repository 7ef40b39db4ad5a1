"""A PostgreSQL server with pgvector for tests, from the package `pgserver`, in a folder of its own.

Its programs are run directly: the package itself would start one server for all runs, and create a
user where tests run as root.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

SECONDS = 30.0  # until a server that does not answer counts as failed
SETTINGS = ("fsync=off", "listen_addresses=", "autovacuum=off", "max_connections=40")


class PostgresServer:
    """A server on a socket in its folder. It ends with this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.settings = list(SETTINGS)
        spec = find_spec("pgserver")
        if spec is None or spec.origin is None:
            raise RuntimeError("the package pgserver is not installed")
        self.programs = Path(spec.origin).parent / "pginstall" / "bin"
        # PostgreSQL refuses to run as root.
        self.user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(folder, **self.user)
        self.run("initdb", "-D", "data", "--auth=trust", "-E", "utf8", "-U", "postgres", "-N")

    @property
    def address(self) -> str:
        return f"postgresql://postgres:hush@/postgres?host={self.folder}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs. Raises RuntimeError with its last words."""
        command = [self.programs / program, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, **self.user)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')[-300:]}")

    def start(self) -> None:
        """Start it, and wait until it answers. Raises RuntimeError."""
        options = [word for setting in self.settings for word in ("-c", setting)]
        command = [self.programs / "postgres", "-D", "data", "-k", str(self.folder), *options]
        with (self.folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
                **self.user,
            )
        deadline = time.monotonic() + SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                words = (self.folder / "output.txt").read_text(errors="replace")
                raise RuntimeError(f"the server does not answer: {words[-300:]}")
            time.sleep(0.02)

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.address).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: SIGINT breaks all connections, SIGQUIT stops at once, as a crash does."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(SECONDS)
            self.process = None


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG


@contextmanager
def postgres_server(parent: Path | None = None) -> Iterator[PostgresServer]:
    """Yield a running server, and delete it afterwards. Raises RuntimeError or OSError."""
    # Not a folder of pytest's: the path of a socket has 107 bytes at most, and nobody may enter it.
    folder = Path(tempfile.mkdtemp(prefix="siamkit-pg-", dir=parent))
    try:
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
