"""A local server that answers like the Hugging Face hub, for tests without a network.

It serves folders by name: `/api/models/OWNER/MODEL…` and `/OWNER/MODEL/resolve/REVISION/FILE`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _handler(models: Mapping[str, Path], asked: list[str]) -> type[BaseHTTPRequestHandler]:
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            asked.append(path := self.path.partition("?")[0])
            words = path.strip("/").split("/")
            if words[:2] == ["api", "models"] and (folder := models.get("/".join(words[2:4]))):
                files = [(f, f.relative_to(folder).as_posix()) for f in folder.rglob("*.*")]
                siblings = [{"rfilename": name} for _, name in files]
                answer: object = {"id": "/".join(words[2:4]), "sha": COMMIT, "siblings": siblings}
                if words[4:5] == ["tree"]:
                    answer = [
                        {
                            "type": "file",
                            "path": name,
                            "size": f.stat().st_size,
                            "oid": _sha1(f.read_bytes()),
                        }
                        for f, name in files
                    ]
                return self.send(json.dumps(answer).encode(), "application/json")
            folder = models.get("/".join(words[:2]), Path("nowhere"))
            if words[2:3] == ["resolve"] and (file := folder.joinpath(*words[4:])).is_file():
                return self.send(file.read_bytes(), "application/octet-stream")
            is_known = "/".join(words[2:4] if words[0] == "api" else words[:2]) in models
            return self.send(b"", "text/plain", "EntryNotFound" if is_known else "RepoNotFound")

        def send(self, body: bytes, kind: str, error: str = "") -> None:
            self.send_response(404 if error else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{_sha1(body)}"')
            if error:
                self.send_header("X-Error-Code", error)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Hub


@contextmanager
def hub(models: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Yield its address, and the list of paths that it was asked for."""
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(models, asked)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
