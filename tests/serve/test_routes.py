"""What each route does: galleries, enrolment, answers, corrections, measurements and jobs."""

from __future__ import annotations

import base64
import json
import time

import pytest

from .conftest import square

TEXTS = {"texts": ["hello there"]}


def post(client, path, **body):
    return client.post(f"/v1/galleries/{path}", json=body)


def wait_for(client, reply):
    """Wait for a job; return its description."""
    assert reply.status_code == 202, reply.text
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        job = client.get(reply.headers["Location"]).json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.02)
    raise AssertionError(job)


# --- galleries and enrolment ---


def test_galleries_are_created_listed_and_deleted(client):
    assert client.get("/v1/galleries").json() == []
    reply = client.post("/v1/galleries", json={"name": "notes", "modality": "letters"})
    assert reply.status_code == 201
    assert reply.headers["Location"] == "/v1/galleries/notes"
    assert client.get("/v1/galleries/notes").json() == reply.json()
    assert client.get("/v1/galleries").json() == [reply.json()]
    reply = client.delete("/v1/galleries/notes")
    assert reply.json() == {"deleted": "notes", "identities": 0, "samples": 0}
    assert client.get("/v1/galleries/notes").status_code == 404


def test_a_form_and_json_enrol_the_same(client):
    content = square("red")
    form = client.post(
        "/v1/galleries/tiles/enrol",
        files={"files": ("../../red.png", content)},
        data={"labels": "red"},
    )
    (result,) = form.json()["results"]
    assert (result["status"], result["source"]) == ("enrolled", "red.png")
    file = {"name": "red.png", "base64": base64.b64encode(content).decode()}
    reply = post(client, "tiles/enrol", files=[file], labels=["red"])
    assert reply.json()["results"][0]["status"] == "already"


def test_a_batch_keeps_what_can_be_enrolled_and_says_why_the_rest_cannot(tiles):
    files = [
        ("files", ("green.png", square("green"))),
        ("files", ("two.png", square("red", "blue"))),
        ("files", ("text.png", b"not a picture")),
        ("files", ("white.png", square("red", side=0))),
        ("files", ("empty.png", b"")),
    ]
    reply = tiles.post("/v1/galleries/tiles/enrol", files=files, data={"labels": "green"})
    assert reply.status_code == 207
    results = reply.json()["results"]
    assert [result["status"] for result in results] == ["enrolled"] + ["failed"] * 4
    codes = ["several_found", "unreadable_sample", "nothing_found", "unreadable_sample"]
    assert [result["code"] for result in results[1:]] == codes
    assert all(result["error"].startswith(result["source"]) for result in results[1:])
    everything = tiles.post(
        "/v1/galleries/tiles/enrol",
        files=files[1:2],
        data={"labels": "both", "regions": "all"},
    )
    assert len(everything.json()["results"][0]["sample_ids"]) == 2


def test_a_box_marks_the_region_to_enrol(tiles):
    files = {"files": ("two.png", square("green", "blue"))}
    data = {"labels": "green", "box": "4,4,30,30", "detector": "none"}
    reply = tiles.post("/v1/galleries/tiles/enrol", files=files, data=data)
    assert reply.status_code == 200, reply.text
    (sample_id,) = reply.json()["results"][0]["sample_ids"]
    sample = tiles.get(f"/v1/galleries/tiles/samples/{sample_id}").json()
    assert sample["region"]["where"] == [4.0, 4.0, 30.0, 30.0]


# --- answers: those of the command line ---


@pytest.mark.parametrize(
    ("path", "body", "command"),
    [
        ("letters/query", {**TEXTS, "k": 1}, "query letters -k 1"),
        ("letters/query", {**TEXTS, "threshold": 0.99}, "query letters --threshold 0.99"),
        ("letters/classify", TEXTS, "classify letters"),
        ("letters/classify", {**TEXTS, "by": "prototypes"}, "classify letters --by prototypes"),
        ("letters/verify", {**TEXTS, "label": "sums"}, "verify letters --as sums"),
    ],
)
def test_answers_about_texts_are_those_of_the_command_line(letters, shell, path, body, command):
    store = str(letters.app.state.server.settings.store)
    reply = post(letters, path, **body)
    printed = shell(*command.split(), "--text", "hello there", "--json", "--store", store)
    assert reply.json() == json.loads(printed.out), printed.err
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "command"),
    [
        ("/v1/galleries/tiles/query", {}, "query tiles"),
        ("/v1/galleries/tiles/query", {"largest": "true"}, "query tiles --largest"),
        ("/v1/galleries/tiles/find", {"threshold": "0.9"}, "find tiles --threshold 0.9"),
        ("/v1/galleries/tiles/verify", {"label": "red"}, "verify tiles --as red"),
        ("/v1/detect", {"detector": "inks", "labels": "red"}, "detect -d inks --label red"),
    ],
)
def test_answers_about_pictures_are_those_of_the_command_line(tiles, shell, path, body, command):
    store = tiles.app.state.server.settings.store
    (shell.folder / "two.png").write_bytes(square("red", "green"))
    files = {"files": ("two.png", square("red", "green"))}
    reply = tiles.post(path, data=body, files=files)
    printed = shell(*command.split(), "two.png", "--json", "--store", str(store))
    expected = json.loads(printed.out.replace(f"{store}/", ""))
    assert reply.json() == expected, printed.err


def test_pairs_are_compared_without_a_gallery(letters, shell):
    texts = ["hello there", "hello here"]
    ask = ["-m", "letters", "--text", texts[0], "--text", texts[1], "--json"]
    body = {"modality": "letters", "texts": texts}
    assert letters.post("/v1/verify", json=body).json() == json.loads(shell("verify", *ask).out)
    assert letters.post("/v1/explain", json=body).json() == json.loads(shell("explain", *ask).out)
    by_gallery = letters.post("/v1/explain", json={"gallery": "letters", "texts": texts}).json()
    assert by_gallery["decision"] == "same"


def test_samples_are_embedded(letters, tiles):
    reply = letters.post("/v1/embed", json={"modality": "letters", "texts": ["a", "crash"]})
    assert reply.status_code == 207
    assert len(reply.json()["vectors"]) == 1
    files = {"files": ("two.png", square("red", "green"))}
    reply = tiles.post("/v1/embed", data={"modality": "tiles"}, files=files)
    assert [row["item"] for row in reply.json()["regions"]] == [0, 0]


def test_several_probes_some_bad(tiles):
    files = [("files", ("red.png", square("red"))), ("files", ("bad.png", b"x"))]
    reply = tiles.post("/v1/galleries/tiles/query", files=files)
    good, bad = reply.json()["probes"]
    assert reply.status_code == 207
    assert good["regions"][0]["identity"] == "red"
    assert bad["error"].startswith("bad.png")
    assert tiles.post("/v1/galleries/tiles/query", files=files[1:]).status_code == 422


# --- lists and corrections ---


def test_identities_are_listed_by_page_searched_renamed_merged_and_forgotten(letters):
    path = "/v1/galleries/letters/identities"
    page = letters.get(path, params={"limit": 1}).json()
    assert [row["identity"] for row in page["identities"]] == ["greeting"]
    page = letters.get(path, params={"limit": 1, "cursor": page["next"]}).json()
    assert ([row["identity"] for row in page["identities"]], page["next"]) == (["sums"], None)
    assert len(letters.get(path, params={"search": "GREET"}).json()["identities"]) == 1

    reply = letters.patch(f"{path}/sums", json={"label": "a/b c?"})
    assert reply.json() == {"old": "sums", "new": "a/b c?"}
    merger = letters.post(f"{path}/merge", json={"old": "a/b c?", "new": "greeting"}).json()
    assert (merger["samples"], merger["copies"]) == (2, 0)
    assert letters.post(f"{path}/undo-merge", json={}).json()["new"] == "a/b c?"
    assert letters.delete(f"{path}/a%2Fb%20c%3F").json() == {"forgot": "a/b c?", "samples": 2}
    assert letters.delete(f"{path}/a%2Fb%20c%3F").status_code == 404


def test_samples_are_listed_by_page_moved_and_forgotten(letters):
    path = "/v1/galleries/letters/samples"
    page = letters.get(path, params={"limit": 3}).json()
    rest = letters.get(path, params={"limit": 3, "cursor": page["next"]}).json()
    ids = [sample["id"] for sample in page["samples"] + rest["samples"]]
    assert (len(ids), rest["next"]) == (4, None)
    own = letters.get(path, params={"identity": "sums"}).json()["samples"]
    assert [sample["id"] for sample in own] == ids[2:]
    assert letters.patch(f"{path}/{ids[0]}", json={"label": "sums"}).json()["new"] == "sums"
    assert letters.get(f"{path}/{ids[0]}").json()["identity"] == "sums"
    assert letters.delete(f"{path}/{ids[0]}").json() == {"forgot": ids[0], "samples": 1}
    assert letters.get(f"{path}/{ids[0]}").status_code == 404


def test_one_gallery_does_not_reach_into_another(letters):
    letters.post("/v1/galleries", json={"name": "notes", "modality": "letters"})
    sample = letters.get("/v1/galleries/letters/samples").json()["samples"][0]["id"]
    assert letters.delete(f"/v1/galleries/notes/samples/{sample}").status_code == 404
    for method, path, body in (
        ("PATCH", "identities/sums", {"label": "x"}),
        ("DELETE", "identities/sums", None),
        ("POST", "identities/merge", {"old": "sums", "new": "greeting"}),
    ):
        assert letters.request(method, f"/v1/galleries/notes/{path}", json=body).status_code == 404


# --- measurements and jobs ---


def test_a_gallery_is_audited_and_calibrated(letters, shell):
    store = str(letters.app.state.server.settings.store)
    audited = letters.get("/v1/galleries/letters/audit").json()
    assert audited == json.loads(shell("audit", "letters", "--json", "--store", store).out)
    assert letters.get("/v1/galleries/letters/calibration").json()["code"] == "not_calibrated"
    job = wait_for(letters, post(letters, "letters/calibration", fmr=0.001))
    assert (job["state"], job["error"]["code"]) == ("failed", "uncalibrated")

    words = [f"{first} {second}" for first in "abcdefgh" for second in ("xy", "xz")]
    labels = [word[0] for word in words]
    assert post(letters, "letters/enrol", texts=words, labels=labels).status_code == 200
    job = wait_for(letters, post(letters, "letters/calibration"))
    assert job["state"] == "done", job
    calibrated = letters.get(f"/v1/jobs/{job['id']}/result").json()
    assert letters.get("/v1/galleries/letters/calibration").json() == calibrated


def test_duplicates_are_found_in_a_job(client, shell):
    texts = ["hello there", "hello there!", "one and two"]
    reply = client.post("/v1/dedupe", json={"modality": "letters", "texts": texts})
    job = wait_for(client, reply)
    assert job["state"] == "done", job
    result = client.get(f"/v1/jobs/{job['id']}/result").json()
    (shell.folder / "texts.csv").write_text("\n".join(["text", *texts]))
    command = ("dedupe", "texts.csv", "-m", "letters", "--column", "text", "--json")
    printed = json.loads(shell(*command).out)
    assert printed.pop("source") == "texts.csv"
    for document in (printed, result):  # the lines of a file begin with its heading
        for group in document["groups"]:
            for member in group["members"]:
                del member["line"], member["id"]
    assert result == printed
    events = client.get(f"/v1/jobs/{job['id']}/events").text
    assert json.loads(events.partition("data: ")[2])["state"] == "done"
    assert client.get("/v1/jobs").json()[0]["id"] == job["id"]
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 200
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
