"""Servers of index backends, one per run of tests."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from postgres_server import postgres_server

from siamkit.sdk.extras import is_installed


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server with pgvector."""
    if not is_installed("psycopg"):
        pytest.skip("psycopg is not installed")
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server())
        except (RuntimeError, OSError) as error:
            pytest.skip(f"no PostgreSQL server can be started here: {error}")
        yield server
