"""Any history of enrolments, deletions, restarts, restored files and a second connection.

Answers are those of the store, the store holds what the model holds, and what was forgotten is in
no file from the moment that the deletion is reported, or that a command has opened the store.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import stored_templates
import toyindex
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import siamkit_faiss.index
from siamkit.flows.forget import delete_gallery, finish_erasing, forget
from siamkit.store import Store, erasures, galleries, samples, saved_indexes
from siamkit.store.backup import copy_database
from siamkit.store.galleries import GalleryEncoder
from siamkit.store.live_index import LiveIndex
from siamkit.store.samples import NewSample
from siamkit.types import Threshold

DIM = 6
PEOPLE, NUMBERS = st.integers(0, 4), st.integers(1, 30)
WHO = st.integers(0, 1)  # one of two connections, as of two processes


def unit(number: int) -> np.ndarray:
    row = np.random.default_rng(number).normal(size=DIM).astype(np.float32)
    return row / np.linalg.norm(row)


class Process:
    """A process that keeps the store and its index open."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        finish_erasing(self.store)
        self.live = LiveIndex(self.store, galleries.get(self.store, "g"))

    def close(self) -> None:
        self.live.index.close()
        self.store.close()


class Histories(RuleBasedStateMachine):
    """`model` holds (person, number) of every sample; the number determines the vector."""

    index = "faiss"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name) / "store"
        self.aside, self.backup = self.root.with_name("aside"), self.root.with_name("backup.db")
        store = Store(self.root, create=True)
        self.create_gallery(store)
        store.close()
        self.model: set[tuple[int, int]] = set()
        self.saved_model: set[tuple[int, int]] | None = None
        self.used: set[int] = set()  # all numbers that were ever enrolled
        self.open()

    def create_gallery(self, store: Store) -> None:
        encoder = GalleryEncoder(None, "toy/1:a", DIM, Threshold(0.5, 0.01, "test"))
        galleries.create(store, "g", "toy", encoder, index=self.index)

    def open(self) -> None:
        self.processes = [Process(self.root) for _ in range(2)]

    def close(self) -> None:
        for process in self.processes:
            process.close()

    def teardown(self) -> None:
        self.close()
        self.folder.cleanup()

    def gallery(self, who: int) -> galleries.Gallery:
        return galleries.get(self.processes[who].store, "g")

    def of(self, who: int, person: int) -> list[samples.Sample]:
        store = self.processes[who].store
        enrolled = samples.of_gallery(store, self.gallery(who))
        return [sample for sample in enrolled if sample.identity == f"person {person}"]

    @rule(who=WHO, person=PEOPLE, numbers=st.sets(NUMBERS, min_size=1, max_size=8))
    def enrol(self, who: int, person: int, numbers: set[int]) -> None:
        new = [
            NewSample(f"person {person}", f"{n}.x", n.to_bytes(32, "big"), '{"score":1.0}', 0.5)
            for n in sorted(numbers)
        ]
        vectors = np.stack([unit(n) for n in sorted(numbers)])
        store = self.processes[who].store
        samples.add(store, self.gallery(who), "toy/1:a", new, vectors)
        self.model |= {(person, n) for n in numbers}
        self.used |= numbers

    @rule(who=WHO, person=PEOPLE)
    def forget(self, who: int, person: int) -> None:
        forget(self.processes[who].store, [s.id for s in self.of(who, person)])
        self.model -= {pair for pair in self.model if pair[0] == person}
        self.require_no_trace()

    @rule(who=WHO, person=PEOPLE)
    def forget_and_be_killed(self, who: int, person: int) -> None:
        samples.delete(self.processes[who].store, [s.id for s in self.of(who, person)])
        self.model -= {pair for pair in self.model if pair[0] == person}

    @rule(who=WHO)
    def delete_gallery(self, who: int) -> None:
        store = self.processes[who].store
        delete_gallery(store, self.gallery(who))
        self.model.clear()
        self.require_no_trace()
        self.create_gallery(store)
        for process in self.processes:
            process.live = LiveIndex(process.store, galleries.get(process.store, "g"))

    @rule(who=WHO, number=NUMBERS)
    def query(self, who: int, number: int) -> None:
        self.processes[who].live.search(unit(number)[None], 3)

    @rule(who=WHO)
    def save(self, who: int) -> None:
        """Save without looking whether others have changed anything, as a slow process does."""
        live = self.processes[who].live
        live.store.create_index_root()
        live.index.save(live.applied)
        saved_indexes.drop_forgotten(live.store, live.gallery, live.applied)

    @rule(who=WHO)
    def build(self, who: int) -> None:
        self.processes[who].live.settle()

    @rule()
    def restart(self) -> None:
        self.close()
        self.open()
        self.require_no_trace()

    @rule()
    def put_the_index_aside(self) -> None:
        shutil.rmtree(self.aside, ignore_errors=True)
        if self.processes[0].store.index_root.exists():
            shutil.copytree(self.processes[0].store.index_root, self.aside)

    @precondition(lambda self: self.aside.exists())
    @rule()
    def put_the_index_back(self) -> None:
        self.close()
        shutil.copytree(self.aside, self.root / "index", dirs_exist_ok=True)
        self.open()
        self.require_no_trace()

    @rule(who=WHO)
    def back_up(self, who: int) -> None:
        self.backup.unlink(missing_ok=True)
        copy_database(self.processes[who].store, self.backup)
        self.saved_model = set(self.model)

    @precondition(lambda self: self.saved_model is not None)
    @rule()
    def restore(self) -> None:
        """Under indexes of a later history."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            (self.root / f"store.db{suffix}").unlink(missing_ok=True)
        shutil.copy(self.backup, self.root / "store.db")
        assert self.saved_model is not None
        self.model = set(self.saved_model)
        self.open()
        self.require_no_trace()

    def require_no_trace(self) -> None:
        """No file of the store holds a vector that the model does not."""
        assert erasures.pending(self.processes[0].store) == []
        gone = [unit(n).tobytes() for n in self.used - {number for _, number in self.model}]
        for path in self.root.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not any(vector in content for vector in gone), path.name

    @invariant()
    def both_answer_as_the_store_does(self) -> None:
        probe = unit(1000)
        for who, process in enumerate(self.processes):
            enrolled = samples.of_gallery(process.store, self.gallery(who))
            pairs = [(int(s.identity[-1]), int(s.source[:-2])) for s in enrolled]
            assert sorted(pairs) == sorted(self.model)
            ids, vectors = stored_templates.load_all(process.store, self.gallery(who))
            hits = process.live.search(probe[None], 200)
            there = hits.ids[0] >= 0
            assert sorted(hits.ids[0][there].tolist()) == ids.tolist()
            scores = dict(zip(ids.tolist(), (vectors @ probe).tolist(), strict=True))
            wanted = [scores[number] for number in hits.ids[0][there].tolist()]
            np.testing.assert_allclose(hits.scores[0][there], wanted, atol=1e-5)


class LedgerHistories(Histories):
    """Of an index that builds and purges small galleries, too; a newer state is never replaced."""

    index = "ledger"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("histories", [Histories, LedgerHistories])
def test_any_history(monkeypatch, histories):
    monkeypatch.setattr(siamkit_faiss.index, "SAVE_AFTER", 5)  # so that indexes are saved often
    monkeypatch.setattr(toyindex, "WANTS_BUILD_FROM", 4)
    run = settings(max_examples=12, stateful_step_count=20, deadline=None)
    histories.TestCase.settings = run
    histories.TestCase().runTest()
