"""Addresses of servers: where they are read, who may read them, and how they are shown."""

from __future__ import annotations

import pytest

from siamkit.errors import BadInput, IndexUnavailable
from siamkit.sdk.server_address import hide_password, read_address, writing_address

NAME = "pgvector"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("SIAMKIT_PGVECTOR", raising=False)
    return tmp_path / "index"


def test_an_address_is_written_once_for_its_owner_alone(root):
    with writing_address(NAME, root, " postgresql://db/faces\n"):
        pass
    assert read_address(NAME, root) == "postgresql://db/faces"
    assert (root.parent / "pgvector.address").stat().st_mode & 0o777 == 0o600


def test_the_environment_wins_and_may_not_be_contradicted(root, monkeypatch):
    monkeypatch.setenv("SIAMKIT_PGVECTOR", "postgresql://db/one")
    assert read_address(NAME, root) == "postgresql://db/one"
    with (
        pytest.raises(BadInput, match="SIAMKIT_PGVECTOR is set"),
        writing_address(NAME, root, "postgresql://db/two"),
    ):
        pass
    with writing_address(NAME, root, "postgresql://db/one"):
        pass


@pytest.mark.parametrize("before", ["", "postgresql://db/one"])
def test_an_address_that_proves_wrong_is_taken_back(root, before):
    if before:
        with writing_address(NAME, root, before):
            pass

    def fail():
        with writing_address(NAME, root, "postgresql://db/two"):
            assert read_address(NAME, root) == "postgresql://db/two"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    if before:
        assert read_address(NAME, root) == before
    assert (root.parent / "pgvector.address").exists() == bool(before)


def test_without_an_address_the_error_says_how_to_give_one(root):
    with pytest.raises(IndexUnavailable, match="pgvector server is not known") as caught:
        read_address(NAME, root)
    assert "set SIAMKIT_PGVECTOR" in caught.value.hint
    assert "--index-address" in caught.value.hint


@pytest.mark.parametrize("address", ["", "  ", "a\nb", "x" * 5000])
def test_what_cannot_be_an_address_is_refused(root, address):
    with pytest.raises(BadInput, match="one line"), writing_address(NAME, root, address):
        pass
    assert not (root.parent / "pgvector.address").exists()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://anna:hush@db.example.org:5432/faces?sslmode=require",
        "postgresql://anna:hush@hush/hush@db.example.org/faces",
        "postgresql://:hush@db/faces",
        "postgresql://db/faces?user=anna&password=hush&sslmode=require",
        "host=db dbname=faces password=hush user=anna",
        r"host=db password = 'hush \' hush' user=anna",
        "host=db password='hush hush",
        "http://root:hush@milvus:19530",
        "https://milvus.example.org:19530?token=hush",
    ],
)
def test_a_password_is_never_shown(address):
    shown = hide_password(address)
    assert "hush" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "address", ["postgresql://db:5432/faces", "host=db dbname=faces", "http://milvus:19530"]
)
def test_an_address_without_a_password_is_shown_as_it_is(address):
    assert hide_password(address) == address
