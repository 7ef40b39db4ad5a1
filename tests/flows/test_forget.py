"""Forgotten samples leave no trace, even if processes are killed or slow meanwhile."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import siamkit as sk
from siamkit.store import Store, erasures, galleries, samples, saved_indexes
from siamkit.store import traces as traces_of_deletions
from siamkit.store.labels import holdings
from siamkit.store.live_index import LiveIndex

TEXT, SECRET = "nobody should find this", "secret one"


@pytest.fixture
def filled(workspace):
    """A gallery with a saved index, one identity of which is to be forgotten."""
    rng = np.random.default_rng(0)
    workspace.enrol("letters", SECRET, TEXT)
    labels = [f"person {n}" for n in range(1500)]
    list(workspace.add_templates("letters", labels, rng.normal(size=(1500, 64))))
    workspace.query("letters", "x")
    return workspace


def traces(ws: sk.Workspace) -> list[Path]:
    """Files of the store that hold the forgotten vector, text or label."""
    (vector,) = ws.pipeline("letters").encoder.embed([TEXT])
    words = [vector.tobytes(), TEXT.encode(), SECRET.encode()]
    files = [path for path in ws.root.rglob("*") if path.is_file()]
    return [path for path in files if any(word in path.read_bytes() for word in words)]


def forget_and_die(ws: sk.Workspace) -> None:
    """As a process would that is killed right after its deletion has been committed."""
    with sk.Workspace(ws.root) as second:
        samples.delete(second.store, [s.id for s in samples.of_label(second.store, SECRET)])


def test_forgetting_clears_every_file(filled):
    assert len(traces(filled)) >= 2
    filled.forget(SECRET)
    assert traces(filled) == []


def test_the_next_process_finishes_the_work_of_a_killed_one(filled):
    forget_and_die(filled)
    assert traces(filled)
    filled.close()
    with sk.Workspace(filled.root) as later:
        assert later.query("letters", TEXT)[0].identity is None
        assert traces(later) == []
        assert erasures.pending(later.store) == []


def test_a_slow_reader_does_not_bring_it_back(filled):
    target = galleries.get(filled.store, "letters")
    store = Store(filled.root)
    saved_indexes.drop(store, target.id, target.index)
    live = LiveIndex(store, target, save=False)  # it holds what the store holds in memory
    with sk.Workspace(filled.root) as second:
        second.forget(SECRET)
    live.index.save(live.applied)  # what it had read before
    assert traces(filled)
    LiveIndex(store, target)
    assert traces(filled) == []
    store.close()


def test_samples_forgotten_while_an_index_is_saved_leave_no_trace(filled, monkeypatch):
    from siamkit_faiss.index import FaissIndex

    saving = FaissIndex.save

    def slow_save(index, cursor):
        monkeypatch.setattr(FaissIndex, "save", saving)
        with sk.Workspace(filled.root) as second:
            second.forget(SECRET)
        saving(index, cursor)

    rows = np.random.default_rng(2).normal(size=(1200, 64))
    monkeypatch.setattr(FaissIndex, "save", slow_save)
    list(filled.add_templates("letters", [f"new {n}" for n in range(1200)], rows))
    assert traces(filled) == []
    assert filled.query("letters", TEXT)[0].identity is None


def test_a_note_written_meanwhile_is_not_taken_back(filled):
    forget_and_die(filled)
    (before,) = erasures.pending(filled.store)
    samples.delete(filled.store, [s.id for s in samples.of_label(filled.store, "person 7")])
    traces_of_deletions.remove(filled.store, [before], wait_seconds=0)
    (after,) = erasures.pending(filled.store)
    assert after.gallery_id == before.gallery_id
    assert after.seq > before.seq


def test_a_reader_in_the_way_delays_nothing_but_the_clearing(filled):
    filled.close()
    reader = Store(filled.root)
    with reader.read() as db:
        db.execute("SELECT count(*) FROM samples").fetchone()
        store = Store(filled.root)
        samples.delete(store, [s.id for s in samples.of_label(store, SECRET)])
        store.close()
        started = time.monotonic()
        with sk.Workspace(filled.root) as second:
            assert second.query("letters", TEXT)[0].identity is None
            assert erasures.pending(second.store)
        assert time.monotonic() - started < 5
    reader.close()
    with sk.Workspace(filled.root) as later:
        assert later.query("letters", "x")
        assert traces(later) == []


def test_half_written_files_of_killed_writers_go_too(filled):
    (vector,) = filled.pipeline("letters").encoder.embed([TEXT])
    target = galleries.get(filled.store, "letters")
    left = filled.root / "index" / "faiss" / f".{target.index_key}-9-{'a' * 16}.faiss.4194999"
    left.write_bytes(vector.tobytes())
    filled.forget(SECRET)
    assert traces(filled) == []
    assert not left.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_forget_waits_for_an_index_that_another_process_writes(filled, monkeypatch, caplog):
    import fcntl

    (vector,) = filled.pipeline("letters").encoder.embed([TEXT])
    target = galleries.get(filled.store, "letters")
    path = filled.root / "index" / "faiss" / f".{target.index_key}-9-{'a' * 16}.faiss.4194999"
    path.write_bytes(vector.tobytes())
    with path.open("rb") as written, ThreadPoolExecutor(1) as pool:
        fcntl.flock(written, fcntl.LOCK_EX)
        forgotten = pool.submit(filled.forget, SECRET)
        with pytest.raises(TimeoutError):
            forgotten.result(timeout=1.0)
        path.unlink()
        forgotten.result(timeout=5.0)
    assert traces(filled) == []
    assert not caplog.records

    filled.enrol("letters", SECRET, TEXT)
    monkeypatch.setattr("siamkit.flows.forget.WAIT_SECONDS", 0.2)
    path.write_bytes(vector.tobytes())
    with path.open("rb") as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        filled.forget(SECRET)
        assert "another process is writing an index" in caplog.text
        assert erasures.pending(filled.store)
    with sk.Workspace(filled.root) as later:
        later.query("letters", "x")
        assert erasures.pending(later.store) == []
    assert traces(filled) == []


def test_labels_leave_the_free_space_between_rows(workspace):
    """SQLite moves rows between pages as a table shrinks; secure_delete misses the copies."""
    rng = np.random.default_rng(1)
    labels = [f"label-{n:04}-{os.urandom(8).hex()}" for n in range(1200)]
    workspace.create_gallery("letters", "letters")
    list(workspace.add_templates("letters", labels, rng.normal(size=(1200, 64))))
    doomed = [str(label) for label in rng.permutation(labels)[:600]]
    for label in doomed[:-1]:
        owned = samples.of_label(workspace.store, label)
        samples.delete(workspace.store, [s.id for s in owned])
    workspace.forget(doomed[-1])
    content = (workspace.root / "store.db").read_bytes()
    assert [label for label in doomed if label.encode() in content] == []
    assert len(holdings(workspace.store)) == 600


def test_a_deleted_gallery_leaves_nothing(filled):
    from siamkit.flows.forget import delete_gallery

    delete_gallery(filled.store, galleries.get(filled.store, "letters"))
    assert traces(filled) == []
    assert list((filled.root / "index" / "faiss").iterdir()) == []
