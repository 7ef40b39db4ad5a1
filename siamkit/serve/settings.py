"""Settings of a server: the store, the address, and its limits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20  # bytes


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """The store that a server serves, its address, and its limits."""

    store: Path
    host: str = "127.0.0.1"
    port: int = 8800
    workers: int = 1  # processes on the one store
    threads: int = 0  # that do the blocking work of a process; 0: two per core
    waiting: int = 64  # requests that may wait for a thread; the next one is answered with 429
    max_body_bytes: int = 64 * MIB  # of a request, all its files together
    per_minute: int = 0  # requests of one client; 0: any number
    allowed_hosts: tuple[str, ...] = ()  # names of this server, beside the machine's own
    token_file: Path | None = None  # see siamkit.serve.tokens; None: everybody may do everything
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_files: int = 64  # in a request

    @property
    def private(self) -> Path:
        """The folder in the store for jobs, the audit log and counts, its owner's alone."""
        return self.store / "serve"

    @property
    def thread_count(self) -> int:
        """Threads of a process: models and SQLite release the lock while they work."""
        return self.threads or 2 * _count_cores()
