"""The store: samples come back as enrolled, once each, and the log keeps every index correct."""

from __future__ import annotations

import re
import sqlite3

import numpy as np
import pytest
import stored_templates

from siamkit import BadInput, EncoderMismatch, StoreError
from siamkit.store import Store, galleries, labels, samples, templates
from siamkit.store.backup import copy_database
from siamkit.store.galleries import GalleryEncoder
from siamkit.store.migrations import migrations
from siamkit.store.samples import NewSample
from siamkit.types import Threshold

DIM = 6


def gallery(store: Store, name: str = "g", fingerprint: str = "toy/1:a"):
    encoder = GalleryEncoder(None, fingerprint, DIM, Threshold(0.5, 0.01, "test"))
    return galleries.create(store, name, "toy", encoder)


def unit(*seeds: int) -> np.ndarray:
    rows = np.stack([np.random.default_rng(s).normal(size=DIM) for s in seeds]).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def add(store, target, pairs):
    """Enrol (label, number) pairs; the number determines content and vector."""
    new = [
        NewSample(label, f"{n}.x", n.to_bytes(32, "big"), '{"score":1.0}', 0.5)
        for label, n in pairs
    ]
    vectors = unit(*(n for _, n in pairs))
    return samples.add(store, target, target.space.fingerprint, new, vectors)


def test_an_enrolment_comes_back_as_it_went_in(tmp_path):
    store = Store(tmp_path, create=True)
    target = gallery(store)
    ids = add(store, target, [("anna", 1), ("bob", 2)])
    store.close()
    store = Store(tmp_path)
    enrolled = samples.of_label(store, "anna")
    assert [(s.id, s.gallery, s.source, s.quality) for s in enrolled] == [(ids[0], "g", "1.x", 0.5)]
    _, vectors = stored_templates.load_all(store, target)
    np.testing.assert_array_equal(vectors, unit(1, 2))
    assert galleries.get(store, "g") == target


def test_enrolling_twice_is_enrolling_once(tmp_path):
    store = Store(tmp_path, create=True)
    target = gallery(store)
    add(store, target, [("anna", 1)])
    assert add(store, target, [("anna", 1), ("anna", 3)])[0] is None
    assert galleries.count(store, target) == (1, 2)
    first, again, other = add(store, target, [("bob", 1), ("bob", 1), ("carl", 1)])
    assert again is None, "nor in one batch, under a new label"
    assert first is not None
    assert other is not None
    assert galleries.count(store, target) == (3, 4)


def test_one_identity_owns_samples_of_several_galleries(tmp_path):
    store = Store(tmp_path, create=True)
    faces, voices = gallery(store, "faces"), gallery(store, "voices", "toy/1:b")
    add(store, faces, [("anna", 1)])
    add(store, voices, [("anna", 2)])
    assert [s.gallery for s in samples.of_label(store, "anna")] == ["faces", "voices"]
    assert store.connection.execute("SELECT count(*) FROM identities").fetchone() == (1,)


def test_templates_of_samples_are_of_those_and_of_this_gallery(tmp_path):
    store = Store(tmp_path, create=True)
    faces, voices = gallery(store, "faces"), gallery(store, "voices", "toy/1:b")
    face_ids = add(store, faces, [("anna", 1), ("bob", 2)])
    (voice_id,) = add(store, voices, [("anna", 3)])
    assert list(templates.of_samples(store, faces, [face_ids[1], voice_id])) == [face_ids[1]]


def test_vectors_of_another_encoder_are_refused(tmp_path):
    store = Store(tmp_path, create=True)
    target = gallery(store)
    new = [NewSample("anna", "x", bytes(32), "{}", None)]
    with pytest.raises(EncoderMismatch, match="toy/1:other") as error:
        samples.add(store, target, "toy/1:other", new, unit(1))
    assert "siamkit reembed g" in error.value.hint
    assert galleries.count(store, target) == (0, 0)


def test_a_vector_of_the_wrong_length_never_gets_in(tmp_path):
    store = Store(tmp_path, create=True)
    target = gallery(store)
    new = [NewSample("anna", "x", bytes(32), "{}", None)]
    with pytest.raises(StoreError, match="4 x dim"):
        samples.add(store, target, "toy/1:a", new, unit(1)[:, :5])
    assert labels.holdings(store) == []


def test_a_failed_batch_leaves_nothing_behind(tmp_path):
    store = Store(tmp_path, create=True)
    target = gallery(store)
    new = [NewSample(w, "x", bytes(32), "{}", q) for w, q in [("anna", 0.5), ("bob", 7.0)]]
    with pytest.raises(StoreError, match="CHECK"):  # quality 7 is not in [0, 1]
        samples.add(store, target, "toy/1:a", new, unit(1, 2))
    assert labels.holdings(store) == []
    assert store.connection.execute("SELECT count(*) FROM identities").fetchone() == (0,)


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a\nb", "line break"),
        ("a\x00", "control"),
        ("x" * 200_000, "200,000 characters"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_labels_that_cannot_be_shown_are_refused(label, why):
    with pytest.raises(BadInput, match=why) as error:
        labels.normalise_label(label)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("label", ["a/b/../c", "😀", "Ünïcödé", "李雷", "O'Brien; DROP TABLE x"])
def test_labels_of_any_script_are_kept(tmp_path, label):
    store = Store(tmp_path, create=True)
    add(store, gallery(store), [(labels.normalise_label(label), 1)])
    assert samples.of_label(store, label)[0].identity == label


def test_rename_refuses_a_label_that_is_taken(tmp_path):
    store = Store(tmp_path, create=True)
    add(store, gallery(store), [("anna", 1), ("bob", 2)])
    with pytest.raises(StoreError, match="already"):
        labels.rename(store, "anna", "bob")
    labels.rename(store, "anna", "Anna Smith")
    assert samples.of_label(store, "Anna Smith")


def test_an_id_of_its_own_stays_with_a_store_and_its_backups(tmp_path):
    store, other = Store(tmp_path / "a", create=True), Store(tmp_path / "b", create=True)
    assert re.fullmatch("[0-9a-f]{16}", store.own_id)
    assert store.own_id not in (other.own_id, "0" * 16)
    copy_database(store, other.root / "backup.db")
    other.close()
    (other.root / "backup.db").replace(other.path)
    assert Store(other.root).own_id == Store(store.root).own_id == store.own_id


def test_a_damaged_id_is_refused(tmp_path):
    store = Store(tmp_path, create=True)
    store.connection.execute("UPDATE store SET own_id = 'g0'")
    with pytest.raises(StoreError, match="no id of its own"):
        _ = store.own_id


def test_a_newer_schema_is_refused(tmp_path):
    Store(tmp_path, create=True).close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="schema 99, newer") as error:
        Store(tmp_path)
    assert "upgrade" in error.value.hint


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b""])
def test_a_file_that_is_not_a_store_is_refused_unless_empty(tmp_path, content):
    (tmp_path / "store.db").write_bytes(content)
    if content:
        with pytest.raises(StoreError, match="not a siamkit store"):
            Store(tmp_path)
    else:  # SQLite's own idea of a new database
        Store(tmp_path).close()


def test_the_database_of_another_program_is_refused(tmp_path):
    db = sqlite3.connect(tmp_path / "store.db")
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(StoreError, match="not a siamkit store"):
        Store(tmp_path)


def test_migrations_are_numbered_without_a_gap():
    names = [m.name for m in migrations._migrations]
    assert [int(name[1:4]) for name in names] == list(range(1, len(names) + 1))
