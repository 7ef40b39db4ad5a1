"""What a deletion leaves in a database too large to be rewritten: nothing, wherever rows moved."""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from siamkit.flows.forget import delete_gallery, finish_erasing, forget
from siamkit.store import Store, erasures, free_space, galleries, labels, merges, samples, traces
from siamkit.store.galleries import GalleryEncoder
from siamkit.store.samples import NewSample

DIM = 64
CONTENT = (*free_space.TABLES, *free_space.INDEXES)


@pytest.fixture(autouse=True)
def _is_large(monkeypatch):
    monkeypatch.setattr(traces, "SMALL_BYTES", 0)


def vector_of(number: int) -> np.ndarray:
    row = np.random.default_rng(number).normal(size=DIM).astype("<f4")
    return row / np.linalg.norm(row)


class Model:
    """A store, what it must hold, and what it must not: texts and numbers of random samples."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.store = Store(root, create=True)
        encoder = GalleryEncoder(None, "toy/1:a", DIM)
        self.gallery = galleries.create(self.store, "g", "toy", encoder)
        self.owned: dict[str, list[int]] = {}  # numbers by label
        self.labels_gone: set[str] = set()
        self.number = 0

    def label(self) -> str:
        return f"{self.rng.randbytes(8).hex()}-label"[: self.rng.randrange(14, 22)]

    def enrol(self, count: int) -> None:
        new = []
        for _ in range(count):
            self.number += 1
            is_known = self.owned and self.rng.random() < 0.3
            label = self.rng.choice(sorted(self.owned)) if is_known else self.label()
            self.owned.setdefault(label, []).append(self.number)
            new.append(self.sample(label, self.number))
        vectors = np.stack([vector_of(n) for n in range(self.number - count + 1, self.number + 1)])
        samples.add(self.store, self.gallery, "toy/1:a", new, vectors)

    def sample(self, label: str, number: int) -> NewSample:
        digest = random.Random(number).randbytes(32)
        region = f'{{"score":1.0,"where":[{number},{number * 7},1,1]}}'
        return NewSample(label, f"source-{number:09}", digest, region, 0.5)

    def forget(self) -> None:
        label = self.rng.choice(sorted(self.owned))
        forget(self.store, [s.id for s in samples.of_label(self.store, label)])
        self.labels_gone.add(label)
        gone = self.owned.pop(label)
        words = [word for n in gone for word in self.words(n)]
        words += [name.encode() for name in self.labels_gone]
        self.require_no(words)

    def words(self, number: int) -> list[bytes]:
        sample = self.sample("", number)
        return [
            vector_of(number).tobytes(), sample.source.encode(), sample.digest,
            sample.region[13:].encode(),
        ]  # fmt: skip

    def require_no(self, words: list[bytes]) -> None:
        for path in self.store.root.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert [word for word in words if word in content] == [], path.name

    def rename(self) -> None:
        old, new = self.rng.choice(sorted(self.owned)), self.label() + "-longer-than-it-was"
        labels.rename(self.store, old, new)
        self.owned[new] = self.owned.pop(old)
        self.labels_gone.add(old)

    def merge_and_undo(self) -> None:
        old, new = self.rng.sample(sorted(self.owned), 2)
        merges.merge(self.store, old, new)
        if self.rng.random() < 0.5:
            merges.undo(self.store)
        else:
            self.owned[new] += self.owned.pop(old)


def non_zero_free_space(path: Path) -> Iterator[str]:
    """Yield the pages with anything in their free space, of all b-trees that hold content."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = db.execute("SELECT name, rootpage FROM sqlite_master").fetchall()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    file = path.read_bytes()
    for name, waiting in [(name, [root]) for name, root in rows if name in CONTENT]:
        while waiting:
            number = waiting.pop()
            page = file[(number - 1) * size : number * size]
            kind, block, count, start = struct.unpack(">BHHH", page[:7])
            is_interior = kind in (2, 5)
            cells = struct.unpack(f">{count}H", page[12 - 4 * (not is_interior) :][: 2 * count])
            if is_interior:
                waiting += [struct.unpack(">I", page[cell : cell + 4])[0] for cell in cells]
                waiting += struct.unpack(">I", page[8:12])
            free = page[(12 if is_interior else 8) + 2 * count : start]
            while block:
                following, length = struct.unpack(">HH", page[block : block + 4])
                free += page[block + 4 : block + length]
                block = following
            if any(free) and kind != 5:  # pages of kind 5 hold ids alone
                yield f"{name}: page {number}"


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.timeout(60)
def test_whatever_was_done_before_a_deletion_its_traces_are_gone(tmp_path, seed):
    model = Model(tmp_path, seed)
    model.enrol(400)
    assert list(non_zero_free_space(tmp_path / "store.db")), "or this tests nothing"
    for _ in range(5):
        model.enrol(model.rng.randrange(1, 150))
        for _ in range(model.rng.randrange(4)):
            model.rng.choice((model.rename, model.merge_and_undo))()
        model.forget()
        assert list(non_zero_free_space(model.store.path)) == []
    held = labels.holdings(model.store)
    assert {h.identity: h.samples for h in held} == {n: len(o) for n, o in model.owned.items()}
    assert model.store.fetch_one("PRAGMA integrity_check") == ("ok",)
    assert model.store.fetch_one("SELECT count(*) FROM disturbed") == (0,)


@pytest.fixture
def model(tmp_path):
    model = Model(tmp_path, 7)
    model.enrol(200)
    return model


@pytest.mark.timeout(60)
def test_without_a_program_the_database_is_rewritten(model, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    model.forget()


@pytest.mark.timeout(60)
def test_many_samples_at_once_and_a_whole_gallery_leave_nothing(model):
    model.enrol(samples.MANY)
    sample_ids = [s.id for s in samples.of_gallery(model.store, model.gallery)][50:]
    (pages,) = model.store.fetch_one("PRAGMA page_count")
    forget(model.store, sample_ids)
    words = [model.words(number) for number in range(1, model.number + 1)]
    model.require_no([word for gone in words[50:] for word in gone])
    delete_gallery(model.store, model.gallery)
    model.require_no([word for gone in words for word in gone])
    assert model.store.path.stat().st_size < pages / 2 * 4096, "its room is given back"


@pytest.mark.timeout(60)
def test_the_next_process_finishes_what_another_has_begun(model):
    label = next(label for label, numbers in model.owned.items() if len(numbers) == 1)
    samples.delete(model.store, [s.id for s in samples.of_label(model.store, label)])
    other = Store(model.store.root)
    finish_erasing(other)
    model.require_no([label.encode(), *model.words(*model.owned[label])])
    assert erasures.pending(model.store) == []
    other.close()


@pytest.mark.timeout(60)
def test_a_reader_keeps_the_note_until_it_is_done(model, caplog):
    with model.store.read() as db:
        db.execute("SELECT count(*) FROM samples").fetchone()
        other = Store(model.store.root)
        label = min(model.owned)
        samples.delete(other, [s.id for s in samples.of_label(other, label)])
        (noted,) = erasures.pending(other)
        with pytest.raises(sqlite3.OperationalError, match="another process"):
            traces.remove(other, [noted], wait_seconds=0)
        assert erasures.pending(other) == [noted]
    traces.remove(other, [noted], wait_seconds=0)
    assert erasures.pending(other) == []
    model.require_no([label.encode()])
    other.close()


def test_a_note_says_between_which_changes_templates_were_removed(model):
    store, query = model.store, "SELECT template_id FROM changes WHERE op = 'remove' AND seq"
    first, second = samples.of_gallery(store, model.gallery), []
    before = store.fetch_one("SELECT max(seq) FROM changes")[0]
    ids = [sample.id for _, sample in zip(range(7), first, strict=False)]
    for sample_id in ids:
        samples.delete(store, [sample_id])
        second += erasures.pending(store)
    note = second[-1]
    assert note.first == before
    removed = store.fetch_all(f"{query} > ? AND seq <= ?", note.first, note.seq)
    assert [i for (i,) in removed] == ids, "here, a template has the id of its sample"


@pytest.mark.parametrize("fault", ["kind", "cells", "free block", "no such page"])
def test_a_damaged_page_is_left_as_it_is(tmp_path, fault):
    """Its free space may be what was stored."""
    path = tmp_path / "any.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t (x)")
        db.executemany("INSERT INTO t VALUES (?)", [(bytes([n]) * 100,) for n in range(9)])
        db.execute("DELETE FROM t WHERE rowid = 5")
        (root,) = db.execute("SELECT rootpage FROM sqlite_master").fetchone()
    content = bytearray(path.read_bytes())
    page = (root - 1) * 4096
    if fault == "kind":
        content[page] = 7
    elif fault == "cells":
        content[page + 5 : page + 7] = (4000).to_bytes(2, "big")  # the first byte of their content
    elif fault == "free block":
        content[page + 1 : page + 3] = content[page + 8 : page + 10]  # where the first cell is
    database = free_space.Database(content)
    with pytest.raises(free_space.Damaged):
        database.clear_tree(9 if fault == "no such page" else root)
    assert database.overwritten == 0
