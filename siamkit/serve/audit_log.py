"""The audit log: who enrolled, queried, changed or forgot what, one line of JSON per request.

It holds the client, the route, the gallery and the labels of a request, and how it ended. It never
holds a sample, a text, a vector or a score. Reading lists is not logged, changing and asking is.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from siamkit.io.atomic import PRIVATE_FILE
from siamkit.io.sources import to_text
from siamkit.io.unfinished import PRIVATE_FOLDER, lock_folder
from siamkit.serve.limits import client_of
from siamkit.serve.refusals import request_id_of

MAX_BYTES = 10 << 20  # of a file: some 40,000 requests
FILES = 10  # audit.jsonl, audit.jsonl.1, …; older ones are deleted
LABELS = 20  # of a request; their count is logged, too
LABEL_CHARS = 200  # of a label: no longer one is stored, but it may be asked for

log = logging.getLogger("siamkit.serve")


class AuditLog:
    """A file to append to, and older ones beside it. Several processes may share it."""

    def __init__(self, path: Path, *, most: int = MAX_BYTES, files: int = FILES) -> None:
        """Log to a file, which the first line creates. most: bytes, then it is rotated."""
        self.path, self.most, self.files = path, most, files
        self._lock = threading.Lock()

    def write(self, **facts: Any) -> None:
        """Append a line: a whole one or none, whatever other processes write.

        A request whose line cannot be written was answered all the same; the server's own log says
        so. A store that was removed is not created again.
        """
        line = json.dumps(facts, ensure_ascii=True).encode() + b"\n"
        try:
            self._append(line)
        except OSError as error:
            log.error("%s: a request is not logged: %s", to_text(self.path), error.strerror)

    def _append(self, line: bytes) -> None:
        with self._lock:
            with suppress(FileExistsError):
                self.path.parent.mkdir(PRIVATE_FOLDER)
            lock = lock_folder(self.path.parent, wait=True)  # against another worker's rotation
            try:
                self._rotate(len(line))
                handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
                try:
                    size = os.fstat(handle).st_size
                    if os.write(handle, line) < len(line):
                        os.ftruncate(handle, size)
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                finally:
                    os.close(handle)
            finally:
                if lock is not None:
                    os.close(lock)

    def _rotate(self, size: int) -> None:
        if not self.path.exists() or self.path.stat().st_size + size <= self.most:
            return
        for number in reversed(range(1, self.files)):
            older = self._numbered(number)
            with suppress(FileNotFoundError):
                self._numbered(number - 1).rename(older)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path


class Audited:
    """Log the requests whose handlers left an `audit` in the state of the request."""

    def __init__(self, app: ASGIApp, log: AuditLog) -> None:
        self.app, self.log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, began = 500, time.perf_counter()

        async def send_audited(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_audited)
        finally:
            audit = scope.get("state", {}).get("audit")
            if audit is not None:
                self.log.write(
                    at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                    request_id=request_id_of(scope),
                    client=client_of(scope),
                    status=status,
                    ms=round((time.perf_counter() - began) * 1000),
                    **audit,
                )


def describe_request(route: str, path: dict[str, Any], body: Any) -> dict[str, Any]:
    """Return what is logged of a request: its route, what its path names, and its labels."""
    labels = getattr(body, "labels", None) or getattr(body, "label", None) or ()
    if hasattr(body, "old"):  # identities that are merged, or no longer
        labels = [label for label in (body.old, getattr(body, "new", None)) if label]
    labels = [labels] if isinstance(labels, str) else [str(label) for label in labels]
    return describe(route, path, labels, len(getattr(body, "files", None) or ()))


def describe(route: str, path: dict[str, Any], labels: Sequence[str], files: int) -> dict[str, Any]:
    """Return what is logged of a request. A client cannot fill the log: labels are cut."""
    facts: dict[str, Any] = {"route": route}
    facts |= {name: str(value)[:LABEL_CHARS] for name, value in path.items()}
    if labels:
        distinct = list(dict.fromkeys(label[:LABEL_CHARS] for label in labels))
        facts |= {"labels": distinct[:LABELS], "label_count": len(distinct)}
    if files:
        facts["files"] = files
    return facts
