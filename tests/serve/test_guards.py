"""What stands before the routes: hosts, origins, tokens, sizes, rates, headers and logs."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from types import SimpleNamespace

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from siamkit import BadInput
from siamkit.serve.audit_log import Audited, AuditLog, describe_request
from siamkit.serve.failures import RequestError
from siamkit.serve.limits import BodyLimits, RateLimit
from siamkit.serve.metrics import Measured, Metrics
from siamkit.serve.refusals import RequestIds
from siamkit.serve.security import SameSite, SecureHeaders, is_own_host
from siamkit.serve.tokens import COOKIE, TokenFile, Tokens, add_token, require_scope


async def echo(request: Request) -> JSONResponse:
    request.state.route = "/echo"
    if "audit" in request.query_params:
        request.state.audit = {"route": "/echo", "labels": ["ann\nx"]}
    if needed := request.query_params.get("scope"):
        try:
            require_scope(request.scope["state"], needed)
        except RequestError as error:
            return JSONResponse({"code": error.code}, error.status)
    body = await request.body()
    return JSONResponse({"bytes": len(body), "client": getattr(request.state, "client", "")})


def client(*guards, **headers):
    """Return a client of an application behind guards: (class, options), the outermost first."""
    app = Starlette(routes=[Route("/echo", echo, methods=["GET", "POST"])])
    guarded = app
    for kind, options in reversed([(RequestIds, {}), *guards]):
        guarded = kind(guarded, **options)
    return TestClient(guarded, base_url="http://localhost", headers=headers)


# --- hosts and origins ---


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8800", "[::1]:8800", "10.1.2.3", "faces"])
def test_own_hosts(host):
    assert is_own_host(host, {"faces"})


@pytest.mark.parametrize("host", ["evil.example", "", "127.0.0.1.evil.example", "[::1", "a b", "@"])
def test_hosts_of_others_are_refused_against_dns_rebinding(host):
    assert not is_own_host(host)
    answer = client((SameSite, {})).get("/echo", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["code"] == "unknown_host"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a program
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://localhost"}, 200),  # behind a proxy that ends TLS
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_page_of_another_site_changes_nothing(headers, status):
    asked = client((SameSite, {}))
    assert asked.post("/echo", headers=headers).status_code == status
    assert asked.get("/echo", headers=headers).status_code == 200


def test_answers_have_a_strict_policy_and_an_id():
    answer = client((SecureHeaders, {}), **{"X-Request-ID": "mine-1"}).get("/echo")
    assert answer.headers["X-Request-ID"] == "mine-1"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("stated", ["a b", "x" * 65, "é", "<script>"])
def test_an_id_that_is_not_fit_for_a_log_is_replaced(stated):
    answer = client().get("/echo", headers={"X-Request-ID": stated.encode()})
    assert len(answer.headers["X-Request-ID"]) == 16


# --- tokens ---


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "tokens"
    secrets = {scope: add_token(path, scope) for scope in ("read", "enrol", "admin")}
    return path, secrets


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_a_token_opens_what_its_scope_allows(token_file):
    path, secrets = token_file
    asked = client((Tokens, {"tokens": TokenFile(path), "open_paths": ("/healthz",)}))
    assert asked.get("/healthz").status_code == 404  # open: it reached the application
    assert asked.get("/echo").json()["code"] == "no_token"
    assert asked.get("/echo", headers=bearer("sk_wrong")).json()["code"] == "bad_token"
    assert asked.get("/echo").headers["WWW-Authenticate"].startswith("Bearer")
    allowed = {
        (scope, needed): asked.get(f"/echo?scope={needed}", headers=bearer(secret)).status_code
        for scope, secret in secrets.items()
        for needed in secrets
    }
    assert list(allowed.values()) == [200, 403, 403, 200, 200, 403, 200, 200, 200]
    answer = asked.get("/echo", headers={"Cookie": f"{COOKIE}={secrets['read']}"})
    assert answer.json()["client"] == "read-1"


def test_a_token_file_holds_hashes_and_is_private(token_file):
    path, secrets = token_file
    text = path.read_text()
    assert all(secret not in text for secret in secrets.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(BadInput, match="has a token 'read-1' already"):
        add_token(path, "read", "read-1")
    with pytest.raises(BadInput, match="no scope 'root'"):
        add_token(path, "root")
    with pytest.raises(BadInput, match="bad name"):
        add_token(path, "read", "a b")


def test_a_deleted_line_is_void_at_once(token_file):
    path, secrets = token_file
    tokens = TokenFile(path)
    assert tokens.find(secrets["read"]).scope == "read"
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
    assert tokens.find(secrets["read"]) is None
    assert tokens.find(secrets["admin"]).scope == "admin"
    path.unlink()
    assert tokens.find(secrets["admin"]) is None


@pytest.mark.parametrize(
    ("text", "message"), [("", "no token"), ("admin sk_plain ann", "line 1"), ("\0\xff", "line 1")]
)
def test_a_file_without_usable_tokens_is_refused(tmp_path, text, message):
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        TokenFile(path)


# --- sizes, times and rates ---


def test_a_body_is_refused_before_it_is_read():
    asked = client((BodyLimits, {"most": 1 << 20}))
    assert asked.post("/echo", content=b"x" * 1000).json()["bytes"] == 1000
    stated = asked.post("/echo", headers={"Content-Length": str(2 << 30)}, content=b"x")
    assert stated.status_code == 413


def converse(app, messages):
    return asyncio.run(exchange(app, messages))


async def exchange(app, messages):
    """Return what an application sends, and how many messages it took."""
    sent, taken = [], iter(messages)
    count = 0

    async def receive():
        nonlocal count
        count += 1
        message = next(taken)
        if message is None:
            await asyncio.sleep(60)
        return message

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": headers}
    scope |= {"query_string": b"", "client": ("127.0.0.1", 1)}
    await app(scope, receive, send)
    return sent, count


def part(size, more=True):
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


async def reads(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await JSONResponse({})(scope, receive, send)


def test_a_body_without_a_length_is_cut_off_as_it_streams():
    sent, count = converse(BodyLimits(reads, 1000), [part(400)] * 100)
    assert sent[0]["status"] == 413
    assert count == 3


def test_all_bodies_together_have_a_limit_and_the_large_ones_give_way():
    proceed = asyncio.Event()

    async def hold(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await proceed.wait()
        await JSONResponse({})(scope, receive, send)

    async def post_many():
        limits = BodyLimits(hold, 400, held=1000)
        large, small = [part(200), part(200, more=False)], [part(100, more=False)]
        clients = [asyncio.create_task(exchange(limits, body)) for body in (large, large, small)]
        await asyncio.sleep(0)  # they send, in this order
        proceed.set()
        return [sent[0] for sent, _ in await asyncio.gather(*clients)], limits.free

    answers, free = asyncio.run(post_many())
    assert [answer["status"] for answer in answers] == [200, 429, 200]
    assert (b"retry-after", b"10") in answers[1]["headers"]
    assert free == 1000


@pytest.mark.timeout(20)
def test_a_body_that_trickles_in_is_given_up():
    sent, _ = converse(BodyLimits(reads, 1000, grace=0.05), [part(1), None])
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "too_slow"


def test_a_client_that_asks_too_often_waits_and_others_do_not():
    now = 0.0
    asked = client((RateLimit, {"per_minute": 12, "clock": lambda: now}))
    statuses = [asked.get("/echo").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = asked.get("/echo")
    assert int(refused.headers["Retry-After"]) in (5, 6)
    assert refused.json()["code"] == "busy"
    now = 6.0
    assert asked.get("/echo").status_code == 200


# --- logs and metrics ---


def test_the_audit_log_is_private_rotated_and_one_line_a_request(tmp_path):
    log = AuditLog(tmp_path / "private" / "audit.jsonl", most=1000, files=3)
    asked = client((Audited, {"log": log}))
    asked.get("/echo")  # which leaves no audit
    assert not log.path.exists()
    for _ in range(30):
        asked.post("/echo?audit=1")
    names = sorted(path.name for path in log.path.parent.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    facts = json.loads(log.path.read_text().splitlines()[-1])
    assert facts["labels"] == ["ann\nx"]
    assert facts["status"] == 200
    assert facts["client"] == "testclient"
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700
    assert all(path.stat().st_size <= 1000 for path in log.path.parent.iterdir())


def test_a_full_disk_leaves_no_half_line_and_fails_no_request(tmp_path, monkeypatch, caplog):
    log = AuditLog(tmp_path / "audit.jsonl")
    asked = client((Audited, {"log": log}))
    asked.post("/echo?audit=1")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda handle, line: write(handle, line[:9]))
        assert asked.post("/echo?audit=2").status_code == 200
    assert "audit.jsonl: a request is not logged: No space left on device" in caplog.text
    asked.post("/echo?audit=3")
    assert len([json.loads(line) for line in log.path.read_text().splitlines()]) == 2


def test_metrics_are_prometheus_text_and_add_up_over_workers(tmp_path):
    metrics = Metrics(tmp_path)
    asked = client((Measured, {"metrics": metrics}))
    with asked:
        asked.get("/echo")
        asked.post("/echo")
        asked.get("/no/such/path")
    other = {"requests": [[["GET", "/echo", "200"], 5]], "buckets": [[["/echo", "1"], 5]]}
    (tmp_path / f"{os.getpid() + 1}.json").write_text(
        json.dumps({**other, "seconds": [["/echo", 2.5]]})
    )
    (tmp_path / "half.json").write_text('{"requests": [')
    text = metrics.render({"siamkit_queue": ("Requests that wait", 3)})
    assert 'siamkit_requests_total{method="GET",route="/echo",status="200"} 6' in text
    assert 'siamkit_requests_total{method="other",route="other",status="404"} 1' in text
    assert 'siamkit_request_seconds_count{route="/echo"} 7' in text
    assert 'siamkit_request_seconds_bucket{route="/echo",le="+Inf"} 7' in text
    assert "siamkit_queue 3" in text
    assert text.endswith("\n")


def test_a_client_cannot_fill_the_audit_log(tmp_path):
    facts = describe_request("verify", {"gallery": "a" * 1000}, SimpleNamespace(label="b" * 1000))
    assert facts == {
        "route": "verify",
        "gallery": "a" * 200,
        "labels": ["b" * 200],
        "label_count": 1,
    }
