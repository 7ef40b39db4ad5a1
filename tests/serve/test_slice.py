"""The first routes: galleries, enrol, query, verify, and errors."""

from __future__ import annotations


def test_enrol_query_verify(letters):
    (gallery,) = letters.get("/v1/galleries").json()
    assert (gallery["name"], gallery["identities"], gallery["samples"]) == ("letters", 2, 4)
    reply = letters.post("/v1/galleries/letters/query", json={"texts": ["hello there"]})
    assert reply.json()["probes"][0]["regions"][0]["identity"] == "greeting"
    reply = letters.post("/v1/galleries/letters/verify", json={"texts": ["one", "one"]})
    assert reply.json()["decision"] == "same"


def test_errors(letters):
    for reply, status, code in (
        (letters.get("/v1/galleries/nobody"), 404, "unknown_name"),
        (letters.get("/nothing"), 404, "not_found"),
        (letters.put("/v1/galleries"), 405, "method_not_allowed"),
        (letters.post("/v1/galleries", json={"name": "letters"}), 409, "name_taken"),
        (letters.post("/v1/galleries", json={"nme": "letters"}), 422, "invalid_request"),
        (
            letters.post("/v1/galleries", content=b"x", headers={"Content-Type": "text/x"}),
            415,
            "unsupported_media_type",
        ),
    ):
        facts = reply.json()
        assert (reply.status_code, facts["code"]) == (status, code), facts
        assert facts["message"]
        assert facts["request_id"] == reply.headers["X-Request-ID"]
