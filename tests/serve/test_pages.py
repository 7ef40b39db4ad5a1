"""The pages without a browser: forms, redirects, errors in place, sign-in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.testclient import TestClient

from siamkit import BadInput
from siamkit.serve.app import create_app
from siamkit.serve.pages import measure
from siamkit.serve.settings import Settings
from siamkit.serve.tokens import COOKIE, add_token
from siamkit.store import reviews
from siamkit_faces.examples import examples

HTML = {"Accept": "text/html"}


def photos(name: str) -> list[bytes]:
    return [content for label, content in examples() if label == name]


def enrol(client: TestClient, label: str, *contents: bytes):
    files = [("files", (f"{label}.png", content)) for content in contents]
    return client.post("/galleries/faces/enrol", data={"label": label}, files=files)


@pytest.fixture
def faces(client):
    client.post("/galleries", files={"modality": (None, "faces")})
    page = enrol(client, "Eileen <b>", photos("collins")[0])
    assert "Eileen &lt;b&gt;: 1 enrolled." in page.text
    return client


def test_an_empty_store_leads_to_the_first_enrolment(client):
    page = client.get("/")
    assert page.url.path == "/galleries"
    assert "Recognise people in photographs." in page.text
    page = client.post("/galleries", files={"modality": (None, "faces")})
    assert page.url.path == "/galleries/faces"
    assert "One example is enough" in page.text


def test_a_picture_is_answered_and_the_verdict_comes_first(faces):
    page = faces.post(
        "/ask", data={"gallery": "faces"}, files={"files": ("who.png", photos("collins")[1])}
    )
    assert page.status_code == 200
    assert "Eileen &lt;b&gt;</h3>" in page.text
    assert "searches for a stranger would find somebody" in page.text
    assert page.text.index("probability") < page.text.index("same from")
    assert "<script>" not in page.text
    assert "style=" not in page.text


def test_what_cannot_be_used_is_said_in_place(faces):
    page = faces.post("/ask", data={"gallery": "faces"}, files={"files": ("who.png", b"no")})
    assert 'role="alert"><strong>who.png: not a picture' in page.text
    assert "Choose another file." in page.text
    page = enrol(faces, "nobody", b"no picture")
    assert "nobody: 1 not enrolled" in page.text
    page = faces.get("/galleries/fases")
    assert (page.status_code, "did you mean" in page.text) == (404, True)


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/review/decide", 405)])
def test_an_address_without_a_page_leads_back(client, path, status):
    page = client.get(path, headers=HTML)
    assert page.status_code == status
    assert f"{path}" in page.text
    assert "<h1>No page here</h1>" in page.text
    assert '<a href="/galleries">' in page.text
    assert client.get(path).json()["code"] in ("not_found", "method_not_allowed")
    assert client.get("/v1/nowhere", headers=HTML).json()["code"] == "not_found"


def test_the_quality_is_told_before_anything_is_stored(faces):
    page = faces.post("/galleries/faces/check", files={"files": ("a.png", photos("cameraman")[0])})
    assert "<strong>good</strong>" in page.text
    assert "cameraman" not in faces.get("/galleries/faces").text


def test_identities_are_renamed_merged_moved_and_forgotten(faces):
    enrol(faces, "stranger", photos("cameraman")[0])
    here = "/galleries/faces"
    page = faces.post(f"{here}/rename", files={"label": (None, "stranger"), "new": (None, "bob")})
    assert "Renamed to bob." in page.text
    faces.post(f"{here}/merge", files={"label": (None, "bob"), "into": (None, "Eileen <b>")})
    assert "1 person, 2 samples" in faces.get(here).text
    page = faces.post(f"{here}/undo-merge", files={"x": (None, "")})
    assert "bob is as it was before." in page.text
    page = faces.post(f"{here}/move", files={"sample": (None, "2"), "into": (None, "carl")})
    assert "Moved to carl." in page.text
    assert faces.get("/thumbnails/2").headers["content-type"] == "image/jpeg"
    page = faces.post(f"{here}/forget", files={"label": (None, "carl")})
    assert "carl is forgotten: 1 sample deleted." in page.text
    assert faces.get("/thumbnails/2").status_code == 404


def test_two_are_compared(faces):
    one, other = photos("collins")[:2]
    page = faces.post(
        "/ask", data={"mode": "compare"}, files={"a": ("a.png", one), "b": ("b.png", other)}
    )
    assert "<h2>same person (probability" in page.text


def test_a_server_with_tokens_asks_for_one_and_minds_its_scope(tmp_path):
    path = tmp_path / "tokens"
    secret = add_token(path, "read")
    settings = Settings(store=tmp_path / "store", token_file=path)
    with TestClient(create_app(settings), "http://localhost", headers=HTML) as client:
        page = client.get("/ask")
        assert page.url.path == "/login"
        page = client.post("/login", files={"token": (None, "sk_wrong"), "next": (None, "//evil")})
        assert (page.status_code, "this token is unknown" in page.text) == (403, True)
        page = client.post(
            "/login",
            files={"token": (None, secret), "next": (None, "/galleries")},
            follow_redirects=False,
        )
        cookie = page.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=sk_")
        assert all(part in cookie for part in ("HttpOnly", "SameSite=strict"))
        assert client.get("/galleries").status_code == 200
        page = client.post("/galleries", files={"modality": (None, "faces")})
        assert (page.status_code, "scope admin" in page.text) == (403, True)


def fields(**values: str) -> dict[str, tuple[None, str]]:
    return {name: (None, value) for name, value in values.items()}


def subject_in(page) -> str:
    return page.text.partition('name="subject" value="')[2].partition('"')[0]


def test_duplicates_are_decided_one_by_one_and_undone(faces):
    enrol(faces, "Ms Collins", photos("collins")[0])
    page = faces.get("/review")
    assert "One content, two names: is it one person?" in page.text
    about = {"gallery": "faces", "queue": "duplicates", "subject": subject_in(page)}
    page = faces.post("/review/decide", files=fields(**about, decision="same"))
    assert "1 decided, 0 to go" in page.text
    assert "1 person, 1 sample" in faces.get("/galleries/faces").text
    page = faces.post("/review/undo", files=fields(**about))
    assert "0 decided, 1 to go" in page.text
    assert "2 people, 2 samples" in faces.get("/galleries/faces").text
    about["subject"] = subject_in(page)
    page = faces.post("/review/decide", files=fields(**about, decision="different"))
    assert "1 decided, 0 to go. In all: 0 same, 1 different" in page.text
    page = faces.post("/review/decide", files=fields(**about, decision="perhaps"))
    assert page.status_code == 422


def test_who_is_unknown_waits_and_is_enrolled_by_a_decision(faces):
    files = [
        ("files", ("man.png", photos("cameraman")[0])),
        ("files", ("e.png", photos("collins")[1])),
    ]
    page = faces.post("/review/unknown", data={"gallery": "faces"}, files=files)
    assert "1 waits for a decision." in page.text
    about = {"gallery": "faces", "queue": "unknown", "subject": subject_in(page)}
    page = faces.post("/review/decide", files=fields(**about, decision="different", label="Max"))
    assert "1 decided, 0 to go" in page.text
    assert "Max" in faces.get("/galleries/faces").text
    page = faces.post("/review/undo", files=fields(**about))
    assert "0 decided, 1 to go" in page.text
    assert "Max" not in faces.get("/galleries/faces").text
    faces.post("/review/decide", files=fields(**about, decision="different", label="Max"))
    faces.post("/galleries/faces/forget", files=fields(label="Max"))
    store = faces.app.state.server.settings.store
    names = {path.name for path in (store / "uploads").rglob("*") if path.is_file()}
    assert names == {"Eileen-b-.png"}, "a forgotten stranger leaves no picture"


def test_who_is_unknown_can_be_forgotten_undecided(faces):
    store = faces.app.state.server.settings.store

    def add_man():
        files = [("files", ("man.png", photos("cameraman")[0]))]
        return faces.post("/review/unknown", data={"gallery": "faces"}, files=files)

    page = add_man()
    about = {"gallery": "faces", "queue": "unknown", "subject": subject_in(page)}
    assert 'action="/review/drop" enctype="multipart/form-data" data-confirm=' in page.text
    page = faces.post("/review/drop", files=fields(**about))
    assert "1 unknown forgotten" in page.text
    assert "Nobody unknown waits." in page.text
    assert not list(store.rglob("man.png"))
    about["subject"] = subject_in(add_man())
    page = faces.post("/review/decide", files=fields(**about, decision="skip"))
    assert "Forget 1 unknown person</button>" in page.text, "what was skipped is in the store"
    page = faces.post("/review/drop", files=fields(gallery="faces", queue="unknown"))
    assert "unknown person</button>" not in page.text
    assert not list(store.rglob("man.png"))
    assert faces.post("/review/drop", files=fields(**about)).status_code == 404


def test_error_rates_are_measured_and_a_gallery_is_calibrated(client):
    rng = np.random.default_rng(0)
    client.post("/galleries", files=fields(modality="faces"))
    ws = client.app.state.server.workspace
    page = client.get("/measure")
    assert page.url.path == "/galleries", "nothing to measure"
    centres = rng.normal(size=(30, ws.gallery("faces").space.dim)).repeat(3, axis=0)
    vectors = (centres + 0.9 * rng.normal(size=centres.shape)).astype(np.float32)
    labels = [f"p{n // 3}" for n in range(90)]
    assert list(ws.add_templates("faces", labels[:1], vectors[:1])) == [1]
    assert 'role="alert"' in client.get("/measure").text, "one identity is too few"
    assert list(ws.add_templates("faces", labels[1:], vectors[1:])) == [89]
    page = client.get("/measure?threshold=0.2")
    assert "over 30 people: 90 pairs of the same, 3,915 of different ones" in page.text
    assert page.text.count("<rect class=") == 96
    page = client.post("/measure/calibrate", files=fields(gallery="faces", fmr="0.01"))
    assert "faces is calibrated: same from 0." in page.text


PAGE_FAULTS = {
    "move": ({"sample": "²", "into": "x"}, 422),
    "forget-sample": ({"sample": "9" * 5000}, 422),
    "enrol": ({"label": "x", "box": "a,b"}, 422),
}


@pytest.mark.parametrize("path", PAGE_FAULTS)
def test_a_field_that_no_form_of_the_page_sends_is_refused(faces, path):
    fields, status = PAGE_FAULTS[path]
    files = {"files": ("who.png", photos("collins")[1])}
    reply = faces.post(f"/galleries/faces/{path}", data=fields, files=files)
    assert reply.status_code == status


def test_numbers_of_any_length_are_answered(faces):
    assert faces.get(f"/thumbnails/{'9' * 5000}").status_code == 404
    assert faces.get("/thumbnails/1", params={"side": "²"}).status_code == 200


def test_a_form_of_another_type_is_refused(client):
    for path in ("/ask", "/login", "/galleries"):
        assert client.post(path).status_code == 415
        assert client.post(path, data={"a": "b"}).status_code == 415


def test_signing_in_takes_a_small_form_and_a_token_in_ascii(client):
    big = client.post("/login", files={"token": (None, "a" * 100_000)})
    assert big.status_code == 413
    assert client.post("/login", files={"token": (None, "Łódź")}).status_code == 403
    file = client.post("/login", files={"token": ("a.txt", b"sk_a")})
    assert file.status_code == 413


def test_looking_creates_no_gallery(faces):
    assert (
        faces.get("/galleries/voices/identity", params={"label": "Eileen <b>"}).status_code == 404
    )
    files = {"files": ("a.png", b"no")}
    assert faces.post("/galleries/signatures/check", files=files).status_code == 404
    assert faces.post("/galleries", files={"modality": (None, "nope")}).status_code == 422
    assert [each["name"] for each in faces.get("/v1/galleries").json()] == ["faces"]


def test_nothing_to_undo_is_not_a_fault_of_the_store(faces):
    reply = faces.post("/review/undo", files={"gallery": (None, "faces")})
    assert reply.status_code == 404


def test_what_the_scope_of_a_token_refuses_is_logged(tmp_path):
    file, store = tmp_path / "tokens", tmp_path / "store"
    headers = {"Authorization": f"Bearer {add_token(file, 'read', 'desk')}"}
    app = create_app(Settings(store=store, token_file=file, threads=2))
    with TestClient(app, "http://localhost") as client:
        fields = {"label": (None, "Ann")}
        reply = client.post("/galleries/faces/forget", files=fields, headers=headers)
    assert reply.status_code == 403
    (line,) = (store / "serve" / "audit.jsonl").read_text().splitlines()
    assert '"client": "desk", "status": 403' in line
    assert '"route": "forget", "gallery": "faces"' in line


def test_a_warning_of_a_mixup_suggests_no_commands(faces):
    page = enrol(faces, "Ms. Collins", photos("collins")[0])
    assert "is the same as a sample of Eileen &lt;b&gt;. See Review." in page.text
    assert "siamkit merge" not in page.text


def test_the_name_with_more_samples_stays(faces):
    for picture in photos("collins")[1:]:
        enrol(faces, "Eileen <b>", picture)
    enrol(faces, "Ms Collins", photos("collins")[0])
    about = {"gallery": "faces", "subject": subject_in(faces.get("/review"))}
    faces.post("/review/decide", files=fields(**about, decision="same"))
    page = faces.get("/v1/galleries/faces/identities").json()
    assert [each["identity"] for each in page["identities"]] == ["Eileen <b>"]


def test_a_file_that_cannot_be_read_shows_nobody(faces):
    files = {"files": ("man.png", b"no picture")}
    page = faces.post("/review/unknown", data={"gallery": "faces"}, files=files)
    assert page.status_code == 422
    assert "not a picture" in page.text


def test_a_page_of_one_gallery_changes_no_other(faces):
    faces.post("/galleries", files=fields(modality="faces", name="guests"))
    there = "/galleries/guests"
    about = {"label": "Eileen <b>", "sample": "1", "new": "x", "into": "x", "everywhere": "1"}
    for action in ("rename", "merge", "move", "forget", "forget-sample"):
        reply = faces.post(f"{there}/{action}", files=fields(**about))
        assert (reply.status_code, action) == (404, action)
    page = faces.post("/galleries/faces/merge", files=fields(label="Eileen <b>", into="Eilen <b>"))
    assert "did you mean" in page.text
    assert faces.post("/galleries/none/undo-merge", files=fields(x="")).status_code == 404
    assert faces.get("/v1/galleries/faces/samples/1").json()["identity"] == "Eileen <b>"


def test_a_browser_asks_before_it_shows_a_picture_again(faces):
    picture = faces.get("/thumbnails/1")
    assert picture.headers["Cache-Control"] == "private, no-cache"
    tag = {"If-None-Match": picture.headers["ETag"]}
    again = faces.get("/thumbnails/1", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert faces.get("/thumbnails/1?side=96", headers=tag).status_code == 200
    faces.post("/galleries/faces/forget", files=fields(label="Eileen <b>"))
    assert faces.get("/thumbnails/1", headers=tag).status_code == 404


JUNK = ("twins 1", "twins 1 2 3", "twins 1 1", "quality 1 2", "twins 01 2", "twins 1  2", "x 1 2")


def test_what_is_no_finding_of_a_gallery_is_not_decided(faces):
    enrol(faces, "stranger", photos("cameraman")[0])
    faces.post("/galleries", files=fields(modality="faces", name="guests"))
    ws = faces.app.state.server.workspace

    def decide(gallery, subject):
        asked = fields(gallery=gallery, subject=subject, decision="different")
        return faces.post("/review/decide", files=asked).status_code

    assert {subject: decide("faces", subject) for subject in JUNK} == dict.fromkeys(JUNK, 422)
    assert decide("faces", "twins 1 " + "9" * 5000) == 422
    assert decide("faces", "twins 1 3") == 404
    assert decide("guests", "twins 1 2") == 404
    assert ws.reviews("faces") == ws.reviews("guests") == []
    assert decide("faces", "twins 1 2") == 200
    with pytest.raises(BadInput, match="no finding"):
        ws.decide("faces", "unknown 1", "skip")


def test_an_unknown_of_another_gallery_stays(faces):
    files = {"files": ("man.png", photos("cameraman")[0])}
    faces.post("/review/unknown", data={"gallery": "faces"}, files=files)
    faces.post("/galleries", files=fields(modality="faces", name="guests"))
    about = fields(gallery="guests", subject="unknown 1", decision="different", label="Max")
    assert faces.post("/review/decide", files=about).status_code == 404
    assert faces.post("/review/drop", files=about).status_code == 404
    finding = fields(gallery="faces", subject="outlier 1")
    assert faces.post("/review/drop", files=finding).status_code == 422
    assert len(faces.app.state.server.workspace.unknowns("faces")) == 1


def test_a_junk_decision_of_an_older_store_is_passed_over(faces):
    ws = faces.app.state.server.workspace
    for subject in ("twins 1", "burst 1 2", "junk"):
        reviews.add(ws.store, ws.gallery("faces"), subject, "different")
    assert faces.get("/review?gallery=faces").status_code == 200
    assert ws.doomed("faces") == []


@pytest.mark.timeout(30)
def test_a_slow_measurement_holds_up_no_other_gallery(faces, monkeypatch):
    faces.post("/galleries", files=fields(modality="faces", name="guests"))
    server = faces.app.state.server
    slow, quick = (server.workspace.gallery(name) for name in ("faces", "guests"))
    has_begun, is_over = threading.Event(), threading.Event()

    def take_long(_, gallery):
        if gallery == slow:
            has_begun.set()
            assert is_over.wait(10)
        return gallery.name

    monkeypatch.setattr(measure, "_measure", take_long)
    measurements = measure.Measurements()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(measurements.of, server, slow)
        assert has_begun.wait(10)
        assert measurements.of(server, quick) == "guests"
        is_over.set()
        assert waiting.result(10) == "faces"
