"""A store that an earlier siamkit has written keeps all that it holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import stored_templates
from sqlite_utils import Database

from siamkit.errors import StoreError
from siamkit.flows.forget import forget
from siamkit.store import Store, galleries, health, labels, merges, samples
from siamkit.store.database import APPLICATION_ID
from siamkit.store.migrations import migrations
from siamkit.store.samples import NewSample

DIM = 6
VECTOR = np.eye(DIM, dtype="<f4")[0]


@pytest.fixture
def old(tmp_path):
    """A store of schema 10: anna with samples 1 and 2, bob with 4, who was carl once; 5 is gone."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as db, db:
        migrations.apply(Database(db), stop_before="m005_checksums")
        db.execute("INSERT INTO spaces VALUES (1, 'toy', 'toy/1:a', ?, '')", (DIM,))
        db.execute(
            "INSERT INTO galleries (id, name, space_id, created) VALUES (1, 'g', 1, '2026-01-01')"
        )
        db.execute("INSERT INTO identities VALUES (1, 'anna', ''), (2, 'bob', '')")
        for number, owner in ((1, 1), (2, 1), (4, 2), (5, 2)):
            db.execute(
                "INSERT INTO samples (id, gallery_id, identity_id, source, inline, digest, region,"
                " quality, created) VALUES (?, 1, ?, ?, 0, ?, '{\"score\":1.0}', 0.5, '')",
                (number, owner, f"{number}.x", number.to_bytes(32, "big")),
            )
            db.execute(
                "INSERT INTO templates (sample_id, gallery_id, vector) VALUES (?, 1, ?)",
                (number, VECTOR.tobytes()),
            )
        migrations.apply(Database(db), stop_before="m011_own_id")
        db.execute("INSERT INTO merged (merger, sample_id, label) VALUES (1, 4, 'carl')")
        db.execute("DELETE FROM samples WHERE id = 5")
        db.execute("DELETE FROM templates WHERE sample_id = 5")  # no foreign keys here
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 10")
    return tmp_path


def new(label: str, number: int) -> NewSample:
    return NewSample(label, f"{number}.x", number.to_bytes(32, "big"), '{"score":1.0}', 0.5)


def test_samples_templates_and_mergers_are_as_they_were(old):
    store = Store(old)
    gallery = galleries.get(store, "g")
    assert [(s.id, s.identity, s.source) for s in samples.of_gallery(store, gallery)] == [
        (1, "anna", "1.x"), (2, "anna", "2.x"), (4, "bob", "4.x"),
    ]  # fmt: skip
    assert len(stored_templates.load_all(store, gallery)[0]) == 3
    assert all(not health.faults(store, check) for check in health.CHECKS)
    assert store.fetch_one("PRAGMA foreign_keys") == (1,)
    assert merges.undo(store).new == "carl"
    store.close()


def test_rows_from_before_checksums_have_got_them(old):
    store = Store(old)
    flipped = (-VECTOR).tobytes()  # its norm stays 1
    store.connection.execute("DROP TRIGGER templates_immutable")
    store.connection.execute("UPDATE templates SET vector = ? WHERE sample_id = 1", (flipped,))
    store.connection.execute("UPDATE samples SET identity_id = 1 WHERE id = 4")
    damage = health.damage(store, galleries.get(store, "g"))
    assert (damage.templates, damage.rows) == ([1], [4])
    store.close()


def test_what_is_enrolled_is_found_again_and_ids_are_not_used_again(old):
    store = Store(old)
    gallery = galleries.get(store, "g")
    again = [new("anna", 1), new("anna", 4), new("bob", 4), new("anna", 4)]
    ids = samples.add(store, gallery, "toy/1:a", again, np.stack([VECTOR] * 4))
    assert ids == [None, 6, None, None]
    assert samples.is_enrolled(store, gallery, "anna", (2).to_bytes(32, "big"))
    assert not samples.is_enrolled(store, gallery, "bob", (2).to_bytes(32, "big"))
    store.close()


def test_all_its_pages_are_gone_through_at_the_next_deletion(old):
    store = Store(old)
    assert store.fetch_all("SELECT number FROM disturbed") == [(0,)]
    forget(store, [i for i, _ in labels.sample_ids(store, "anna")])
    assert store.fetch_all("SELECT number FROM disturbed") == []
    store.close()
    assert b"anna" not in Path(old / "store.db").read_bytes()


def test_a_migration_that_fails_leaves_the_store_as_it_was(old, monkeypatch):
    def fail(digest: bytes) -> int:
        raise ValueError

    monkeypatch.setattr("siamkit.store.migrations.digest_key", fail)
    before = (old / "store.db").read_bytes()
    with pytest.raises(StoreError):
        Store(old)
    monkeypatch.undo()
    assert (old / "store.db").read_bytes()[100:] == before[100:]
    store = Store(old)
    assert galleries.count(store, galleries.get(store, "g")) == (2, 3)
    store.close()
