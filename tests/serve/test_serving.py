"""A whole server: tokens and scopes on every route, signing in, TLS, slow clients, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import psutil
import uvicorn
from starlette.testclient import TestClient

from siamkit.serve.app import create_app
from siamkit.serve.routes import ROUTES
from siamkit.serve.run import is_loopback
from siamkit.serve.settings import Settings
from siamkit.serve.slow_clients import PatientProtocol
from siamkit.serve.tokens import COOKIE, SCOPES, add_token

HERE = "http://localhost"


@pytest.fixture
def guarded(tmp_path):
    """A client of a server that demands tokens, and one token per scope."""
    path = tmp_path / "tokens"
    secrets = {scope: add_token(path, scope) for scope in SCOPES}
    settings = Settings(store=tmp_path / "store", threads=2, token_file=path)
    app = create_app(settings)
    with TestClient(app, HERE, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client, secrets


def test_every_route_demands_a_token_of_its_scope(guarded):
    client, secrets = guarded
    for route in ROUTES:
        path = re.sub(r"\{\w+(:\w+)?\}", "1", route.path)
        statuses = {
            scope: client.request(
                route.method, path, headers={"Authorization": f"Bearer {secret}"}
            ).json()
            if route.media_type == "application/json"
            else {}
            for scope, secret in secrets.items()
        }
        refused = {
            scope
            for scope, facts in statuses.items()
            if isinstance(facts, dict) and facts.get("code") == "wrong_scope"
        }
        if route.scope == "open":
            assert client.request(route.method, path).status_code not in (401, 403)
        else:
            assert client.request(route.method, path).json()["code"] == "no_token"
            assert refused == {s for s, implied in SCOPES.items() if route.scope not in implied}


def sign_in(secret, target=""):
    """Return the fields of the form, as a browser sends them."""
    return {"token": (None, secret), "next": (None, target)}


def test_a_browser_signs_in_once(guarded):
    client, secrets = guarded
    browser = {"Accept": "text/html,*/*", "Sec-Fetch-Site": "same-origin"}
    sent = client.get("/v1/galleries", headers=browser)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/login?next=/v1/galleries")
    assert "password" in client.get(sent.headers["Location"]).text
    query = client.get("/galleries/a%20%3F/identity?label=Ann+%26+Bob&k=1", headers=browser)
    page = client.get(query.headers["Location"]).text
    assert 'value="/galleries/a%20%3F/identity?label=Ann+%26+Bob&amp;k=1"' in page
    wrong = client.post("/login", files=sign_in("sk_no"), headers=browser)
    assert wrong.status_code == 403
    right = client.post("/login", files=sign_in(secrets["read"], "/v1/galleries"), headers=browser)
    assert (right.status_code, right.headers["Location"]) == (303, "/v1/galleries")
    cookie = right.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/v1/galleries").status_code == 200  # by the cookie
    assert client.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    client.post("/logout", headers=browser)
    assert COOKIE not in client.cookies
    assert client.get("/v1/galleries").status_code == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil", "/a\r\nb"])
def test_signing_in_leads_nowhere_else(guarded, target):
    client, secrets = guarded
    answer = client.post("/login", files=sign_in(secrets["read"], target))
    assert answer.headers["Location"] == "/ask"


def test_what_was_asked_and_changed_is_in_the_audit_log(guarded, tmp_path):
    client, secrets = guarded
    bearer = {"Authorization": f"Bearer {secrets['admin']}"}
    body = {"texts": ["hello there", "one"], "labels": ["ann", "bob\x7f"]}
    client.post("/v1/galleries/letters/enrol", json=body, headers=bearer)
    client.post("/v1/galleries/letters/query", json={"texts": ["secret"]}, headers=bearer)
    client.get("/v1/galleries", headers=bearer)
    client.delete("/v1/galleries/letters", headers=bearer)
    stolen = {"Authorization": f"Bearer {secrets['read']}"}
    client.post("/v1/galleries/letters/enrol", json=body, headers=stolen)
    text = (tmp_path / "store" / "serve" / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["route"] for line in lines] == ["enrol", "query", "delete_gallery", "enrol"]
    assert [line["status"] for line in lines] == [207, 200, 200, 403]
    assert lines[0]["labels"] == ["ann", "bob\x7f"]
    assert [line["client"] for line in lines] == ["admin-1"] * 3 + ["read-1"]
    assert "secret" not in text
    assert "hello" not in text


@pytest.mark.timeout(30)
def test_a_job_is_its_tokens_and_the_admins(guarded, tmp_path):
    client, _ = guarded

    def ask(method, name, path, **options):
        bearer = {"Authorization": f"Bearer {secrets[name]}"}
        return client.request(method, f"/v1/{path}", headers=bearer, **options)

    secrets = {name: add_token(tmp_path / "tokens", "read", name) for name in ("ann", "bob")}
    secrets["boss"] = add_token(tmp_path / "tokens", "admin", "boss")
    body = {"modality": "letters", "texts": ["hello", "hello "]}
    job = ask("POST", "ann", "dedupe", json=body).json()
    assert job["owner"] == "ann"
    path = f"jobs/{job['id']}"
    for rest in ("", "/result", "/events", "/files/report.html"):
        assert ask("GET", "bob", path + rest).json()["code"] == "unknown_job"
    assert ask("DELETE", "bob", path).json()["code"] == "unknown_job"
    assert ask("GET", "bob", "jobs").json() == []
    assert "event: end" in ask("GET", "ann", f"{path}/events").text
    assert ask("GET", "ann", f"{path}/result").json()["groups"]
    assert [each["id"] for each in ask("GET", "boss", "jobs").json()] == [job["id"]]
    assert ask("DELETE", "boss", path).json()["state"] == "done"
    assert ask("GET", "ann", path).status_code == 404


# --- processes ---

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start(shell, *options):
    """Start a server in a process of its own; return it and its address, once it answers."""
    process = shell.start("serve", "--port", "0", *options)
    said = process.stderr.readline().decode()
    assert "serves" in said, said + process.stderr.read().decode()
    url = said.split()[0]
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            connect(url).close()
            return process, url
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


@pytest.fixture
def started():
    """Processes to end when the test is over."""
    processes = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def ask(url, data=None):
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with OPENER.open(request, timeout=20) as answer:
        return json.loads(answer.read())


def connect(url):
    host, port = url.partition("//")[2].split(":")
    return socket.create_connection((host, int(port)), timeout=20)


@pytest.mark.timeout(120)
def test_two_workers_share_a_store_and_lose_nothing_that_was_acknowledged(shell, started):
    process, url = start(shell, "--workers", "2")
    started.append(process)
    workers, acknowledged = children(process.pid), 0
    for number in range(12):
        text = json.dumps({"texts": [f"text number {number}"], "labels": [f"n{number}"]})
        try:
            ask(f"{url}/v1/galleries/letters/enrol", text.encode())
            acknowledged += 1
        except OSError:  # the connection of the killed worker
            pass
        if number == 5:
            os.kill(workers[-1], signal.SIGSTOP)
            time.sleep(0.7)  # until it owes an answer to the parent's question whether it lives
            os.kill(workers[-1], signal.SIGKILL)
    assert acknowledged >= 10
    assert ask(f"{url}/v1/galleries/letters")["samples"] >= acknowledged
    end = time.monotonic() + 30
    while len(children(process.pid)) < len(workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert len(children(process.pid)) >= len(workers)  # another took its place
    process.terminate()
    assert process.wait(timeout=40) == 0


def children(pid):
    """Return the workers of a server: not multiprocessing's own tracker, nor what has ended."""
    pids = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if "spawn_main" in str(child.cmdline()):
                pids.append(child.pid)
    return pids


def make_certificate():
    """Return a certificate of 127.0.0.1 that signs itself, and its key, in PEM."""
    pytest.importorskip("cryptography", reason="makes certificates")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(encoding), private


@pytest.mark.timeout(60)
def test_over_tls_a_request_is_answered_before_the_server_ends(shell, started):
    certificate, key = make_certificate()
    (shell.folder / "both.pem").write_bytes(certificate + key)
    shell.environment["TOYKIT_SLEEP"] = "0.4"
    process, url = start(shell, "--tls-cert", "both.pem", "--tls-key", "both.pem")
    started.append(process)
    context = ssl.create_default_context(cadata=certificate.decode())
    body = json.dumps({"texts": ["slow"], "labels": ["a"]}).encode()
    head = "POST /v1/galleries/letters/enrol HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
    with context.wrap_socket(connect(url), server_hostname="127.0.0.1") as asking:
        asking.sendall(head.encode() + body)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        answer = asking.recv(65536)
    assert b" 200 OK" in answer
    assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("0:0:0:0:0:0:0:1", True)]
    + [(name, False) for name in ("127.evil.example", "localhost.evil.example", "::1234", "::")],
)
def test_only_this_machine_is_served_without_tokens(host, is_own):
    assert is_loopback(host) == is_own


def test_an_address_that_others_reach_needs_tokens(shell):
    done = shell("serve", "--host", "0.0.0.0")
    assert done.code == 2
    assert "the server needs tokens there" in done.err
    assert "--new-token" in done.err
    assert shell("serve", "--new-token", "read").code == 2
    made = shell("serve", "--new-token", "read", "--token-file", "tokens")
    assert re.fullmatch(r"sk_[\w-]{43}\n", made.out)


def test_files_of_tls_that_are_none_are_named(shell):
    (shell.folder / "cert.pem").write_text("nothing")
    only = shell("serve", "--tls-cert", "cert.pem", "--port", "0")
    assert "belong together" in only.err
    done = shell("serve", "--tls-cert", "cert.pem", "--tls-key", "none.pem", "--port", "0")
    assert done.code == 2
    assert "cannot be used" in done.err


def test_a_port_that_is_taken_is_named(shell):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = shell("serve", "--port", str(port))
    assert done.code == 1
    assert f"port {port}" in done.err


# --- slow clients ---


class Impatient(PatientProtocol):
    head_seconds = send_seconds = 0.2


@contextlib.contextmanager
def serving(app, protocol):
    """Serve an application in a thread; yield its address."""
    config = uvicorn.Config(app, port=0, http=protocol, log_config=None, timeout_keep_alive=30)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def impatient():
    """The address of a server, in a thread, that gives a client up after 0.2 s."""

    async def answer(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError  # no lifespan
        headers = [(b"content-length", b"50000000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(50):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})

    with serving(answer, Impatient) as url:
        yield url


@pytest.mark.timeout(30)
@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_client_that_sends_no_request_is_given_up(impatient, head):
    with connect(impatient) as client:
        client.sendall(head)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""


@pytest.mark.timeout(30)
def test_a_client_that_sends_on_gets_its_answer_and_is_cut_off(tmp_path):
    """2 GB in chunks to a server that refuses the first: it takes a few of them."""
    app = create_app(Settings(store=tmp_path / "store", max_body_bytes=1 << 20))
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    with serving(app, PatientProtocol) as url, connect(url) as client:
        head = "POST /v1/galleries/letters/enrol HTTP/1.1\r\nHost: localhost\r\n"
        head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head.encode() + chunk * 2)
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
        sent = 0
        with contextlib.suppress(OSError):  # reset, or a broken pipe
            while sent < 2048:
                client.sendall(chunk)
                sent += 1
        assert sent < 100


@pytest.mark.timeout(30)
def test_a_client_that_reads_nothing_is_given_up(impatient):
    with connect(impatient) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.6)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(1 << 20):
                received += len(part)
    assert received < 50_000_000
