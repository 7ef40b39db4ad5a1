"""A server in this process, on a store in a fresh folder."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from siamkit.serve.app import create_app
from siamkit.serve.settings import Settings

HERE = "http://localhost"  # as this machine is called


@pytest.fixture
def client(tmp_path):
    settings = Settings(store=tmp_path / "store", threads=2)
    with TestClient(create_app(settings), HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def letters(client):
    """A client with a gallery of texts."""
    texts = ["hello there", "hello here", "one and one", "one and two"]
    labels = ["greeting", "greeting", "sums", "sums"]
    reply = client.post("/v1/galleries/letters/enrol", json={"texts": texts, "labels": labels})
    assert reply.status_code == 200, reply.text
    return client
