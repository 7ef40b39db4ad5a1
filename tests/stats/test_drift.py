"""Strangers are not drift, and recording scores never hinders a query."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from sqlite_utils import Database

from siamkit import BadInput, Uncalibrated
from siamkit.stats.drift import QUERIES, compare, reference_scores
from siamkit.stats.probe_scores import REST_SAMPLES, ProbeScores, scores_of_query
from siamkit.store import Store, galleries, migrations, observations
from siamkit.store.database import APPLICATION_ID, SCHEMA
from siamkit.store.galleries import GalleryEncoder
from siamkit.store.observations import MAX_QUERIES

DIM, PEOPLE, EACH = 48, 60, 4


class People:
    """A gallery of sixty people, and queries of them and of strangers, with noise."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.centres = self.rng.normal(size=(2 * PEOPLE, DIM))
        self.identities = np.repeat(np.arange(PEOPLE), EACH)
        self.gallery = self.embed(self.identities)

    def embed(self, people, noise=0.6):
        rows = self.centres[people] + noise * self.rng.normal(size=(len(people), DIM))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def queries(self, strangers=0.0, noise=0.6):
        stranger_count = int(strangers * QUERIES)
        people = self.rng.permutation(PEOPLE)[: QUERIES - stranger_count]
        others = PEOPLE + self.rng.permutation(PEOPLE)[:stranger_count]
        queries = []
        for row in self.embed(np.concatenate([people, others]), noise) @ self.gallery.T:
            nearest = np.argsort(-row)[:40]
            hits = zip(row[nearest].tolist(), self.identities[nearest].tolist(), strict=True)
            is_own = self.identities == self.identities[nearest[0]]
            queries.append(scores_of_query(float(row[is_own].mean()), list(hits)))
        return queries


@pytest.mark.parametrize("strangers", [0.0, 0.4, 1.0])
def test_many_strangers_raise_no_alarm(strangers):
    alarms = 0
    for seed in range(6):
        people = People(seed)
        drift = compare(
            reference_scores(people.gallery, people.identities),
            people.queries(strangers),
            draws=499,
        )
        alarms += drift.alarm
        assert drift.strangers == pytest.approx(strangers, abs=0.25)
    assert alarms == 0


@pytest.mark.parametrize("strangers", [0.0, 0.4])
def test_a_noisier_channel_raises_an_alarm(strangers):
    alarms = 0
    for seed in range(4):
        people = People(seed)
        recent = people.queries(strangers, noise=1.2)
        drift = compare(reference_scores(people.gallery, people.identities), recent, draws=499)
        alarms += drift.alarm
        if drift.alarm:
            assert drift.by
            assert drift.moves[0].statistic == "best"
    assert alarms == 4


def test_too_few_queries_report_how_many_are_missing():
    people = People(0)
    drift = compare(reference_scores(people.gallery, people.identities), people.queries()[:30])
    assert (drift.queries, drift.missing, drift.alarm) == (30, 20, False)


def test_a_reference_agrees_with_a_plain_loop():
    people = People(1)
    scores, own = people.gallery @ people.gallery.T, people.identities
    slow = []
    for i in range(len(own)):
        for kind in ("known", "stranger"):
            candidates = [
                j for j in range(len(own)) if j != i and (kind == "known" or own[j] != own[i])
            ]
            nearest = own[max(candidates, key=lambda j: scores[i, j])]
            best = np.mean([scores[i, j] for j in candidates if own[j] == nearest])
            rest = sorted(scores[i, j] for j in candidates if own[j] != nearest)[-REST_SAMPLES:]
            slow.append((kind, own[i], best, np.mean(rest)))
    fast = [
        (row.kind, row.person, row.best, row.rest) for row in reference_scores(people.gallery, own)
    ]
    for left, right in zip(sorted(fast), sorted(slow), strict=True):
        assert left[:2] == right[:2]
        np.testing.assert_allclose(left[2:], right[2:], atol=1e-6)


def test_a_gallery_too_small_for_a_reference_is_refused():
    people = People(0)
    with pytest.raises(BadInput, match="too few"):
        reference_scores(people.gallery[:8], people.identities[:8])
    with pytest.raises(BadInput, match="too few"):
        reference_scores(people.gallery[::EACH], people.identities[::EACH])


def test_the_scores_of_a_query_are_those_of_its_best_identity_and_the_mean_of_others():
    few = [(0.9, 1), (0.8, 1), (0.7, 2)]
    assert scores_of_query(0.85, few) == ProbeScores("query", 0.85, None)
    many = [(0.9, 1), *((0.5, i) for i in range(2, 2 + REST_SAMPLES)), (0.1, 99)]
    assert scores_of_query(0.9, many).rest == pytest.approx(0.5)


# --- the store ---


@pytest.fixture
def stored_gallery(tmp_path):
    store = Store(tmp_path, create=True)
    gallery = galleries.create(store, "g", "toy", GalleryEncoder(None, "toy/1:a", 4))
    yield store, gallery
    store.close()


REFERENCE = [ProbeScores("known", 0.8, 0.3, 0), ProbeScores("stranger", 0.4, None, 0)]


def replace_reference(store, gallery):
    with store.write():
        observations.replace_reference(store, gallery, REFERENCE)


def test_queries_are_recorded_only_with_a_reference_and_the_oldest_are_dropped(stored_gallery):
    assert not observations.record(*stored_gallery, [ProbeScores("query", 0.5, 0.1)])
    replace_reference(*stored_gallery)
    assert observations.reference(*stored_gallery) == REFERENCE
    for start in range(0, MAX_QUERIES + 50, 50):
        rows = [ProbeScores("query", (start + i) / 10_000, None) for i in range(50)]
        assert observations.record(*stored_gallery, rows)
    recent = observations.recent(*stored_gallery, 2 * MAX_QUERIES)
    assert len(recent) == MAX_QUERIES
    assert recent[0].best == pytest.approx((MAX_QUERIES + 49) / 10_000)
    replace_reference(*stored_gallery)
    assert observations.recent(*stored_gallery, 10) == []


def test_a_reference_is_written_in_the_transaction_of_the_caller(stored_gallery):
    store, gallery = stored_gallery

    def fail() -> None:
        with store.write():
            observations.replace_reference(store, gallery, REFERENCE)
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError):
        fail()
    assert observations.reference(store, gallery) == []


def test_observations_are_deleted_with_their_gallery(stored_gallery):
    replace_reference(*stored_gallery)
    galleries.delete(*stored_gallery)
    assert stored_gallery[0].connection.execute("SELECT count(*) FROM observations").fetchone() == (
        0,
    )


def test_a_query_does_not_wait_for_a_locked_store(stored_gallery, tmp_path):
    store, gallery = stored_gallery
    replace_reference(store, gallery)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not observations.record(store, gallery, [ProbeScores("query", 0.5, None)])
    other.execute("ROLLBACK")
    other.close()
    assert observations.record(store, gallery, [ProbeScores("query", 0.5, None)])
    assert store.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.connection.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_a_read_only_store_records_nothing(stored_gallery):
    store, gallery = stored_gallery
    replace_reference(store, gallery)
    store.connection.execute("PRAGMA query_only = ON")
    assert not observations.record(store, gallery, [ProbeScores("query", 0.5, None)])


def test_a_store_of_the_first_schema_is_migrated(tmp_path):
    db = sqlite3.connect(tmp_path / "store.db")
    migrations.migrations.apply(Database(db), stop_before="m002_calibrations")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    store = Store(tmp_path)
    assert store.connection.execute("SELECT count(*) FROM observations").fetchone() == (0,)
    assert len(migrations.migrations._migrations) == SCHEMA
    store.close()


# --- the whole ---


def test_queries_record_scores_and_an_uncalibrated_gallery_names_the_command(workspace):
    for label, text in [("a", "hello there"), ("b", "good evening"), ("c", "one and one")]:
        workspace.enrol("letters", label, text)
    with pytest.raises(Uncalibrated) as caught:
        workspace.drift("letters")
    assert caught.value.hint == "run `siamkit calibrate letters`"
    gallery = workspace.gallery("letters")
    replace_reference(workspace.store, gallery)
    answer = workspace.query("letters", "hello where", k=1)[0]
    (recorded,) = observations.recent(workspace.store, gallery, 5)
    assert recorded.best == pytest.approx(answer.matches[0].score)
    assert recorded.rest is None
    assert workspace.drift("letters").missing == QUERIES - 1
