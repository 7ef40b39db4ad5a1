"""The pgvector backend keeps every rule of the kit on a real server, with a graph and without."""

from __future__ import annotations

import pytest

from siamkit.testing import parametrize_with_checks
from siamkit_pgvector import PgVector, building, index

PROCESSES = ("import", "prints", "process_", "no_network", "kill_during_")


@pytest.fixture(autouse=True)
def server(postgres, monkeypatch):
    monkeypatch.setenv("SIAMKIT_PGVECTOR", postgres.address)


@parametrize_with_checks([PgVector()])
def test_a_table(plugin, check):
    if check.rule.name == "kill_during_build":
        pytest.skip("a small table has no graph")
    check(plugin)


@parametrize_with_checks([PgVector()])
def test_a_graph_and_a_spool(plugin, check, monkeypatch):
    if check.rule.name.startswith(PROCESSES):
        pytest.skip("the process of its own knows nothing of these limits")
    monkeypatch.setattr(building, "SCANNED_FLOATS", 2_000)
    monkeypatch.setattr(building, "PROBES", 8)
    monkeypatch.setattr(index, "SPOOL_FLOATS", 1_000)
    check(plugin)
