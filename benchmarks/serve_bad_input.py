"""Send `siamkit serve` what it should refuse, and see whether it answers as it should and lives.

    python benchmarks/serve_bad_input.py

A row per kind: what came back, and the statuses that are right.
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import tempfile
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

from PIL import Image
from serve_load import BOUNDARY, FORM, JSON, PHOTO, Client, Server, form
from timing import table

import siamkit as sk
from siamkit.serve.tokens import add_token

QUERY, ENROL = "/v1/galleries/faces/query", "/v1/galleries/faces/enrol"
HOST = b"Host: localhost\r\n"


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def send_raw(server: Server, *parts: bytes) -> int:
    """Send bytes; return the status of the answer, 0 if the connection was closed without one."""
    with connect(server) as client:
        try:
            for part in parts:
                client.sendall(part)
        except OSError:  # refused while it streams
            pass
        try:
            return status_of(client.recv(65536))
        except OSError:
            return 0


def post(path: str, body: bytes, headers: bytes = b"") -> bytes:
    length = b"" if b"ontent-Length" in headers else b"Content-Length: %d\r\n" % len(body)
    return b"POST %s HTTP/1.1\r\n%s%s%s\r\n%s" % (path.encode(), HOST, length, headers, body)


MULTIPART = b"Content-Type: multipart/form-data; boundary=siamkit-benchmark\r\n"


def truncated(server: Server) -> int:
    body = form(PHOTO.read_bytes())[:-40]
    return send_raw(server, post(QUERY, body, MULTIPART))


def huge(server: Server) -> int:
    """2 GB without a length, in chunks of 1 MiB: it has to be cut off early."""
    head = b"POST %s HTTP/1.1\r\n%s%sTransfer-Encoding: chunked\r\n\r\n" % (
        QUERY.encode(),
        HOST,
        MULTIPART,
    )
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    sent = 0

    with connect(server) as client:
        start = form(b"")[
            : -len(f"\r\n--{BOUNDARY}--\r\n")
        ]  # of a form with one file, which goes on and on
        client.sendall(head + b"%x\r\n%s\r\n" % (len(start), start))
        try:
            while sent < 2048:
                client.sendall(chunk)
                sent += 1
        except OSError:
            pass
        assert sent < 200, f"{sent} MiB were taken"
        try:
            return status_of(client.recv(65536))
        except ConnectionError:  # the answer was lost with the connection
            return 413


def bomb() -> bytes:
    """Return a PNG of 60 000 x 60 000 px in a few kB: 10.8 GB once it is decoded."""
    small = io.BytesIO()
    Image.new("RGB", (1, 1)).save(small, "PNG")
    data = bytearray(small.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def ask(server: Server, path: str, body: bytes, headers: dict[str, str]) -> int:
    return Client(server).send("POST", path, body, headers.items())[0]


def parallel(server: Server, count: int = 500) -> Counter[int]:
    statuses: Counter[int] = Counter()
    body = form(PHOTO.read_bytes(), k="1")
    threads = [
        threading.Thread(target=lambda: statuses.update([ask(server, QUERY, body, FORM)]))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def disconnect(server: Server) -> int:
    """Hang up in mid-query, twenty times; then ask."""
    body = form(PHOTO.read_bytes(), k="1")
    for _ in range(20):
        with connect(server) as client:
            client.sendall(post(QUERY, body, MULTIPART))
    return ask(server, QUERY, body, FORM)


def enrol_twice(server: Server) -> tuple[int, ...]:
    body, statuses = form(PHOTO.read_bytes(), labels="twin"), []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(server, ENROL, body, FORM)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    samples = json.loads(Client(server).send("GET", "/v1/galleries/faces")[1])["samples"]
    return (*statuses, samples)


def never_read(server: Server) -> int:
    """Follow a job and take nothing; meanwhile others are answered."""
    texts = {"modality": "questions", "texts": [f"How do I open {n}?" for n in range(40)]}
    _, job = Client(server).send("POST", "/v1/dedupe", json.dumps(texts).encode(), JSON.items())
    path = f"/v1/jobs/{json.loads(job)['id']}/events".encode()
    clients = [connect(server) for _ in range(20)]
    for client in clients:
        client.sendall(b"GET %s HTTP/1.1\r\n%s\r\n" % (path, HOST))
    status = Client(server).send("GET", "/v1/galleries")[0]
    for client in clients:
        client.close()
    return status


def delete_elsewhere(server: Server, store: str) -> int:
    with sk.Workspace(store) as ws:
        ws.delete_gallery("faces")
    return ask(server, QUERY, form(PHOTO.read_bytes()), FORM)


def main() -> None:
    rows: list[tuple[str, str, str]] = [("kind", "answer", "right")]
    store = tempfile.mkdtemp()
    with sk.Workspace(store) as ws:
        ws.enrol("faces", "Grace Hopper", PHOTO)
    server = Server(store)

    def row(kind: str, answer: object, right: str) -> None:
        shown = dict(answer) if isinstance(answer, Counter) else answer
        alive = Client(server).send("GET", "/healthz")[0] == 200
        rows.append((kind, f"{shown}{'' if alive else ', and the server died'}", right))

    row("wrong content type", ask(server, QUERY, b"x", {"Content-Type": "text/x"}), "415")
    row("truncated multipart", truncated(server), "400")
    row(
        "2 GB that states its size",
        send_raw(server, post(QUERY, b"x", MULTIPART + b"Content-Length: 2147483648\r\n")),
        "413",
    )
    row("2 GB in chunks", huge(server), "413 while it streams")
    row("decompression bomb", ask(server, QUERY, form(bomb()), FORM), "422")
    row("500 requests at once", parallel(server), "200 and 429")
    row("hang up in mid-query, then ask", disconnect(server), "200")
    row("two enrolments of one identity at once", enrol_twice(server), "200, 200, 2 samples in all")
    label = b'{"texts":["a"],"labels":["\xff\xfe"]}'
    row("label that is not UTF-8", ask(server, "/v1/galleries/questions/enrol", label, JSON), "400")
    row(
        "header injection",
        send_raw(server, b"GET /healthz HTTP/1.1\r\n%sX-Request-ID: a\x0bb\r\n\r\n" % HOST),
        "400",
    )
    for path in (
        "/v1/galleries/..%2f..%2fetc",
        "/v1/jobs/..%2f..%2fstore.db",
        "/static/..%2f..%2fapp.py",
    ):
        row(f"path trick {path}", Client(server).send("GET", path)[0], "404")
    row(
        "WebSocket",
        send_raw(
            server,
            b"GET /v1/galleries HTTP/1.1\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            % HOST,
        ),
        "200, no upgrade",
    )
    row("20 clients that never read events", never_read(server), "200 for others")
    row("gallery deleted in another process", delete_elsewhere(server, store), "404")
    shutil.rmtree(store)
    row("store removed under it", Client(server).send("GET", "/v1/galleries")[0], "503")
    server.stop()
    tokens = Path(tempfile.mkdtemp()) / "tokens"
    secret = add_token(tokens, "read")
    server = Server(tempfile.mkdtemp(), "--token-file", str(tokens))
    stolen = {**JSON, "Authorization": f"Bearer {secret}"}
    row(
        "stolen token of the wrong scope",
        ask(server, "/v1/galleries", b'{"name":"x"}', stolen),
        "403",
    )
    began = time.monotonic()
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost:")
        closed = client.recv(10)
    row(
        "a request that never ends",
        f"closed after {time.monotonic() - began:.0f} s {closed!r}",
        "15 s",
    )
    server.stop()
    table(rows)


if __name__ == "__main__":
    main()
