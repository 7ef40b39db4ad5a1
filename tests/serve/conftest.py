"""A server in this process, on a store in a fresh folder, whose answers fit their schemas."""

from __future__ import annotations

import re
from io import BytesIO

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from jsonschema import Draft202012Validator
from PIL import Image
from starlette.testclient import TestClient

from siamkit.serve.app import create_app
from siamkit.serve.reference import document
from siamkit.serve.settings import Settings

HERE = "http://localhost"  # as this machine is called
COLOURS = {"red": (200, 20, 20), "blue": (20, 20, 200), "green": (20, 200, 20)}


class CheckedClient(TestClient):
    """A client that compares every answer in JSON with the schema of its route and status."""

    def send(self, request, **options):
        reply = super().send(request, **options)
        media_type = reply.headers.get("content-type", "")
        if media_type.startswith("application/json"):
            reply.read()
            check_answer(request.method.lower(), request.url.path, reply)
        return reply


def check_answer(method, path, reply):
    """Compare an answer with the OpenAPI document."""
    paths = document()["paths"]
    for template, operations in paths.items():
        names = template.replace("{label}", ".+")  # which may hold slashes
        names = re.sub(r"\{\w+\}", "[^/]+", names)
        if re.fullmatch(names, path) and method in operations:
            break
    else:
        assert reply.status_code in (404, 405)
        return
    responses = operations[method]["responses"]
    status = str(reply.status_code)
    response = responses[status if status in responses else f"{status[0]}XX"]
    if "$ref" in response:
        response = document()["components"]["responses"]["Failure"]
    schema = response["content"]["application/json"]["schema"]
    whole = {**schema, "components": document()["components"]}
    Draft202012Validator(whole).validate(reply.json())


@pytest.fixture
def settings(tmp_path):
    return Settings(store=tmp_path / "store", threads=2)


@pytest.fixture
def client(settings):
    app = create_app(settings)
    with CheckedClient(app, HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def letters(client):
    """A client with a gallery of texts."""
    texts = ["hello there", "hello here", "one and one", "one and two"]
    labels = ["greeting", "greeting", "sums", "sums"]
    reply = client.post("/v1/galleries/letters/enrol", json={"texts": texts, "labels": labels})
    assert reply.status_code == 200, reply.text
    return client


def square(*colours, side=16):
    """Return a PNG with a square of each colour."""
    picture = Image.new("RGB", (40 * len(colours), 40), "white")
    for number, colour in enumerate(colours):
        picture.paste(COLOURS[colour], (40 * number + 8, 8, 40 * number + 8 + side, 8 + side))
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def tiles(client):
    """A client with a gallery of pictures."""
    files = [("files", (f"{name}.png", square(name))) for name in ("red", "blue")]
    data = {"labels": ["red", "blue"]}
    reply = client.post("/v1/galleries/tiles/enrol", files=files, data=data)
    assert reply.status_code == 200, reply.text
    return client
