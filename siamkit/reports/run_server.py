"""Serve the page of a run to a browser on this computer, while the run goes on.

The page holds samples, such as faces, so only who knows its address sees it: the server listens on
the loopback interface, the address holds a secret, and requests that name another host are refused
(a page of another site could reach the port through DNS rebinding).
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from siamkit.errors import BadInput
from siamkit.reports.run_page import RunPage

HOST = "127.0.0.1"
HOSTS = (HOST, "localhost")
HTML, SCRIPT = "text/html; charset=utf-8", "text/javascript; charset=utf-8"
POLICY = (
    "default-src 'none'; img-src 'self' data:; media-src 'self' data:; connect-src 'self';"
    " script-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
HEAD = (
    '<script src="watch.js" defer></script>'
    '<noscript><meta http-equiv="refresh" content="10"></noscript>'
    '<p id="lost" role="status" hidden>`siamkit train watch` has ended: this page stands still</p>'
)
log = logging.getLogger("siamkit")
PATH = re.compile(r"(?:([^/]+/[^/]+)/)??(|live|watch\.js|sample/(\d{1,18}))", re.ASCII)
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RunServer(ThreadingHTTPServer):
    """Answers for one run. Raises BadInput if the port is taken. port: 0 takes a free one."""

    daemon_threads = True

    def __init__(self, run: Path, port: int) -> None:
        self.page = RunPage(run)
        self.lock = threading.Lock()  # of the page
        self.secret = secrets.token_urlsafe(12)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadInput(
                f"port {port} cannot be used: {reason}",
                hint="give another `--port`, or `--port 0` for any that is free",
            ) from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what broke, unless the browser has turned away, as from a sound that is stopped."""
        if not isinstance(error := sys.exception(), ConnectionError):
            log.warning(f"the page could not be served: {error!r}")

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_address[1]}/{self.secret}/"


class _Handler(BaseHTTPRequestHandler):
    server: RunServer
    server_version, sys_version = "siamkit", ""

    def do_GET(self) -> None:
        if self.headers.get("Host", "").partition(":")[0] not in HOSTS:
            self._answer(HTTPStatus.FORBIDDEN, b"another host was asked for")
            return
        root, _, name = urlsplit(self.path).path.removeprefix("/").partition("/")
        if not secrets.compare_digest(root.encode(), self.server.secret.encode()):
            text = "open the address that `siamkit train watch` has printed"
            self._answer(HTTPStatus.NOT_FOUND, text.encode())
            return
        content = self._find(name)
        if content is None:
            self._answer(HTTPStatus.NOT_FOUND, b"there is nothing here")
        else:
            self._send(*content)

    do_HEAD = do_GET

    def _find(self, path: str) -> tuple[str, bytes] | None:
        """Return what is at a path below the secret: of the run, or of one in its folder."""
        match = PATH.fullmatch(unquote(path))
        if not match:
            return None
        folder, name, row = match.groups()
        with self.server.lock:
            page = self.server.page.trials().get(folder) if folder else self.server.page
            if page is None:
                return None
            if row is not None:
                is_shown = int(row) in page.triplets.rows
                return page.triplets.samples.file(int(row)) if is_shown else None
            if name == "watch.js":
                return SCRIPT, Path(__file__).with_name("run_page.js").read_bytes()
            return HTML, (page.body() if name == "live" else page.whole(HEAD)).encode()

    def _send(self, kind: str, content: bytes) -> None:
        """Send the content, or the range of it that was asked for (RFC 9110, section 14)."""
        match = RANGE.fullmatch(self.headers.get("Range", ""))
        if not match or match[0] == "bytes=-":
            self._answer(HTTPStatus.OK, content, kind)
            return
        size = len(content)
        if match[1]:
            start, stop = int(match[1]), min(int(match[2] or size) + 1, size)
        else:  # the last bytes
            start, stop = max(0, size - int(match[2])), size
        if start >= stop:
            self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", span=f"bytes */{size}")
            return
        span = f"bytes {start}-{stop - 1}/{size}"
        self._answer(HTTPStatus.PARTIAL_CONTENT, content[start:stop], kind, span=span)

    def _answer(
        self, status: HTTPStatus, content: bytes, kind: str = "text/plain", *, span: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: the page asks every two seconds."""
