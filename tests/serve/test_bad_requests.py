"""Bad requests: each gets its status and a line that says why, and the server lives on."""

from __future__ import annotations

import json
import shutil
import threading

import pytest
from starlette.testclient import TestClient

import siamkit as sk
from siamkit.serve.app import create_app
from siamkit.serve.forms import Form
from siamkit.serve.pool import Pool
from siamkit.serve.settings import Settings

from .conftest import HERE, square

ENROL, QUERY = "/v1/galleries/letters/enrol", "/v1/galleries/letters/query"
JSON, FORM = "application/json", "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="labels"\r\n\r\na\r\n'
FILE = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhello\r\n'
GOOD = PART + FILE + b"--x--\r\n"


def send(client, path, content, content_type=JSON, **headers):
    return client.post(path, content=content, headers={"Content-Type": content_type, **headers})


BODIES = {
    "not JSON": (b"{", JSON, 400, "malformed_body"),
    "JSON of another encoding": (b'{"texts": ["\xe9"]}', JSON, 400, "malformed_body"),
    "a key twice": (b'{"k": 1, "k": 2}', JSON, 400, "malformed_body"),
    "half a surrogate pair": (rb'{"texts": ["\ud800"]}', JSON, 400, "malformed_body"),
    "deep JSON": (b"[" * 9000 + b"]" * 9000, JSON, 400, "malformed_body"),
    "a list": (b"[]", JSON, 422, "invalid_request"),
    "an unknown field": (b'{"txts": ["a"]}', JSON, 422, "invalid_request"),
    "a wrong type": (b'{"texts": "a"}', JSON, 422, "invalid_request"),
    "a number as text": (b'{"texts": ["a"], "labels": [1]}', JSON, 422, "invalid_request"),
    "no samples": (b'{"labels": ["a"]}', JSON, 422, "invalid_request"),
    "no label": (b'{"texts": ["a"]}', JSON, 422, "invalid_request"),
    "labels for others": (b'{"texts": ["a"], "labels": ["b", "c"]}', JSON, 422, "invalid_request"),
    "an empty label": (b'{"texts": ["a"], "labels": [" "]}', JSON, 422, "bad_input"),
    "a line break in a label": (
        b'{"texts": ["a"], "labels": ["b\\nX: y"]}',
        JSON,
        422,
        "bad_input",
    ),
    "a long label": (b'{"texts": ["a"], "labels": ["%s"]}' % (b"a" * 300), JSON, 422, "bad_input"),
    "no base64": (b'{"files": ["?"], "labels": ["b"]}', JSON, 422, "invalid_request"),
    "a name that is none": (b'{"files": [{"base64": "", "name": {}}]}', JSON, 422, None),
    "a path": (b'{"files": [{"path": "/etc/passwd"}], "labels": ["b"]}', JSON, 422, None),
    "a URL": (b'{"files": [{"url": "http://x"}], "labels": ["b"]}', JSON, 422, None),
    "another content type": (b"a", "text/plain", 415, "unsupported_media_type"),
    "no content type": (b"a", "", 415, "unsupported_media_type"),
    "a form of no boundary": (GOOD, "multipart/form-data", 400, "malformed_body"),
    "a text for a file": (GOOD.replace(b'; filename="a.txt"', b""), FORM, 422, "invalid_request"),
    "a form that ends early": (PART + FILE, FORM, 400, "malformed_body"),
    "a form of no parts": (b"hello", FORM, 400, "malformed_body"),
    "a part without a name": (
        b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
        FORM,
        400,
        "malformed_body",
    ),
    "a label of Latin-1": (
        GOOD.replace(b"\r\na\r\n", b"\r\n\xe9\r\n"),
        FORM,
        400,
        "malformed_body",
    ),
    "a file name of Latin-1": (GOOD.replace(b"a.txt", b"\xe9.txt"), FORM, 400, "malformed_body"),
    "a header of a part without end": (PART[:50] + b"a" * 9000, FORM, 400, "malformed_body"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_bodies(client, kind):
    content, content_type, status, code = BODIES[kind]
    reply = send(client, ENROL, content, content_type)
    facts = reply.json()
    assert reply.status_code == status, facts
    assert facts["code"] == (code or "invalid_request")
    assert facts["request_id"] == reply.headers["X-Request-ID"]
    assert "Traceback" not in reply.text
    assert client.get("/v1/galleries").json() == [], "nothing was created"


def test_a_whole_form_is_taken(client):
    assert send(client, ENROL, GOOD, FORM).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("k", 0),
        ("k", 1.5),
        ("k", True),
        ("threshold", 2),
        ("threshold", "0.5"),
        ("fmr", 1),
        ("fmr", None),
        ("fpir", 0),
        ("fusion", "none"),
        ("largest", "maybe"),
        ("detector", "/etc"),
        ("detector", "facefindr"),
    ],
)
def test_fields_out_of_range(letters, field, value):
    reply = letters.post(QUERY, json={"texts": ["a"], field: value})
    expected = 200 if value is None else 422
    assert reply.status_code == expected, reply.text


def test_two_rules_exclude_each_other(letters):
    reply = letters.post(QUERY, json={"texts": ["a"], "fmr": 0.1, "threshold": 0.5})
    assert (reply.status_code, reply.json()["code"]) == (422, "bad_input")
    assert letters.post(QUERY, json={"texts": ["a"], "fmr": 1e-9}).status_code == 409


@pytest.mark.parametrize(
    "path",
    [
        "/v1/galleries/nobody",
        "/v1/galleries/..%2F..%2Fetc%2Fpasswd",
        "/v1/galleries/%2e%2e/samples",
        "/v1/galleries/letters/samples/../../x",
        "/v1/galleries/letters/samples/99999999999999999999999",
        "/v1/galleries/letters/samples/-1",
        "/v1/nothing",
    ],
)
def test_paths_that_lead_nowhere(letters, path):
    reply = letters.get(path)
    assert (reply.status_code, reply.json()["code"][:3]) in ((404, "not"), (404, "unk"))


def test_paths_that_are_not_text(letters):
    for path in ("/v1/galleries/%ff", "/v1/galleries/letters/identities?search=%ff"):
        assert letters.get(path).status_code == 400
    path = "/v1/galleries/letters/identities"
    assert letters.get(path, params={"cursor": "é"}).status_code == 422
    assert letters.get(path, params={"limit": "many"}).status_code == 422
    assert letters.get(path, params={"limit": 100_000}).status_code == 422
    assert letters.delete(f"{path}/%00").status_code == 422
    assert letters.get(path, params={"search": "\0"}).json()["identities"] == []
    assert letters.put(path).status_code == 405


def test_models_are_named_never_located(client, tmp_path):
    for model in (str(tmp_path), "timm:resnet50", "../x"):
        reply = client.post("/v1/galleries", json={"name": "letters", "encoder": model})
        assert (reply.status_code, reply.json()["code"]) == (422, "unknown_encoder")
        reply = client.post("/v1/galleries", json={"name": "letters", "detector": model})
        assert (reply.status_code, reply.json()["code"]) == (422, "unknown_detector")
        files = {"files": ("a.png", square("red"))}
        assert client.post("/v1/detect", files=files, data={"detector": model}).status_code == 422
        body = {"modality": model, "texts": ["a", "b"]}
        assert client.post("/v1/verify", json=body).json()["code"] == "unknown_modality"


def test_a_text_is_not_taken_for_a_path(tiles, tmp_path):
    (tmp_path / "red.png").write_bytes(square("red"))
    body = {"texts": [str(tmp_path / "red.png")]}
    reply = tiles.post("/v1/galleries/tiles/query", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "bad_input")


def test_names_become_no_headers_and_no_paths(letters):
    reply = letters.get("/v1/galleries", headers={"X-Request-ID": "a b"})
    assert reply.headers["X-Request-ID"] != "a b"
    reply = letters.post("/v1/galleries", json={"name": "a\r\nX-Evil: 1", "modality": "letters"})
    assert reply.status_code == 422
    assert "X-Evil" not in reply.headers


def test_a_body_above_the_limit_is_refused(tmp_path):
    settings = Settings(store=tmp_path / "store", threads=1, max_body_bytes=1000, max_files=2)
    with TestClient(create_app(settings), HERE) as client:
        for content in (b"x" * 2000, iter([b"x" * 400] * 5)):  # the second without its length
            reply = send(client, ENROL, content)
            assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
        reply = send(client, ENROL, PART + FILE * 3 + b"--x--\r\n", FORM)
        assert reply.status_code == 413


def test_a_large_body_is_parsed_where_nobody_waits_for_it(letters, monkeypatch):
    threads = []

    def parse(text):
        threads.append(threading.current_thread().name)
        return json.loads(text)

    monkeypatch.setattr("siamkit.serve.bodies.parse_json", parse)
    large = {"texts": ["hello there"], "region": "x" * 300_000}
    assert send(letters, QUERY, json.dumps(large)).json()["code"] == "invalid_request"
    assert send(letters, QUERY, " " * 300_000 + "{").json()["code"] == "malformed_body"
    assert len(threads) == 2
    assert all(name.startswith("siamkit-serve") for name in threads)


def test_form_parts_may_arrive_byte_by_byte():
    form = Form(FORM, max_files=1)
    for byte in GOOD:
        form.add(bytes([byte]))
    values = form.finish()
    assert (values["labels"], [bytes(file) for file in values["files"]]) == (["a"], [b"hello"])


# --- what others do meanwhile ---


def test_another_encoder(letters, settings, monkeypatch):
    monkeypatch.setenv("TOYKIT_SALT", "other")
    with TestClient(create_app(settings), HERE) as other:
        reply = other.post(QUERY, json={"texts": ["a"]})
    assert (reply.status_code, reply.json()["code"]) == (409, "encoder_mismatch")


def test_a_gallery_deleted_by_another_process(letters, settings):
    assert letters.post(QUERY, json={"texts": ["a"]}).status_code == 200
    with sk.Workspace(settings.store) as other:
        other.delete_gallery("letters")
    reply = letters.post(QUERY, json={"texts": ["a"]})
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_name")


def test_a_store_removed_and_restored_under_a_running_server(letters, settings, tmp_path):
    shutil.copytree(settings.store, tmp_path / "copy")
    shutil.rmtree(settings.store)
    for path in (ENROL, QUERY):
        reply = letters.post(path, json={"texts": ["a"]})
        assert (reply.status_code, reply.json()["code"]) == (503, "store_error")
        assert str(settings.store) not in reply.text
    assert letters.get("/readyz").status_code == 503
    assert letters.get("/healthz").status_code == 200
    assert not settings.store.exists(), "the audit log creates no store"
    shutil.copytree(tmp_path / "copy", settings.store)
    assert letters.post(QUERY, json={"texts": ["a"]}).status_code == 200


def test_a_bug_is_reported_without_a_traceback(letters, caplog):
    reply = letters.post(QUERY, json={"texts": ["crash"]})
    assert (reply.status_code, reply.json()["code"]) == (500, "plugin_error"), reply.text


@pytest.mark.timeout(20)
def test_too_many_requests_at_once_are_turned_away():
    import asyncio
    import threading

    from siamkit.serve.failures import Busy

    async def ask():
        pool, go = Pool(1, 1), threading.Event()
        asked = [asyncio.ensure_future(pool.run(go.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    *answered, refused = asyncio.run(ask())
    assert answered == [True, True]
    assert isinstance(refused, Busy)
    assert refused.headers["Retry-After"]


def test_the_document_is_valid_and_names_every_route(client):
    from openapi_spec_validator import validate

    document = client.get("/openapi.json").json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    page = client.get("/reference").text
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["operationId"] in page
            assert operation["summary"]
        assert path in page
    assert "http://" not in page + json.dumps(document)
