"""Chains of mergers, undone in any order: every sample goes back to the identity it was of."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from siamkit.store import Store, galleries, merges, samples
from siamkit.store.galleries import GalleryEncoder
from siamkit.store.samples import NewSample
from siamkit.types import Threshold


def enrol(store: Store, pairs: list[tuple[str, int]]) -> None:
    """Enrol (label, number) pairs in gallery g; the number determines the content."""
    new = [
        NewSample(label, f"{label}-{n}.x", n.to_bytes(32, "big"), '{"score":1.0}', 0.5)
        for label, n in pairs
    ]
    vectors = np.eye(6, dtype=np.float32)[[n for _, n in pairs]]
    samples.add(store, galleries.get(store, "g"), "toy/1:a", new, vectors)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, create=True)
    encoder = GalleryEncoder(None, "toy/1:a", 6, Threshold(0.5, 0.01, "test"))
    galleries.create(store, "g", "toy", encoder)
    yield store
    store.close()


def held(store: Store) -> set[tuple[str, int]]:
    enrolled = samples.of_gallery(store, galleries.get(store, "g"))
    return {(s.identity, int.from_bytes(s.digest, "big")) for s in enrolled}


def test_a_chain_through_an_identity_with_the_same_content_is_undone(store):
    enrol(store, [("a", 1), ("c", 1), ("b", 2)])
    before = {(s.identity, s.source) for s in samples.of_gallery(store, galleries.get(store, "g"))}
    merges.merge(store, "a", "b")
    merges.merge(store, "b", "c")
    assert merges.undo(store) == merges.Merger("c", "b", 1, 1)
    assert merges.undo(store) == merges.Merger("b", "a", 1, 0)
    after = samples.of_gallery(store, galleries.get(store, "g"))
    assert {(s.identity, s.source) for s in after} == before


@pytest.mark.parametrize("seed", range(25))
def test_any_mergers_are_undone_in_any_order(store, seed):
    """The model: of each sample, the mergers and labels it has gone through."""
    rng = random.Random(seed)
    people = "abcde"
    pairs = [(label, n) for label in people for n in range(4) if rng.random() < 0.6]
    enrol(store, pairs)
    paths = {pair: [(0, pair[0])] for pair in pairs}
    number = 0
    for _ in range(15):
        present = sorted({path[-1][1] for path in paths.values()})
        undoable = {}  # label -> number
        for path in paths.values():
            for (_, label), (merger, _) in pairwise(path):
                undoable[label] = max(merger, undoable.get(label, 0))
        if undoable and (rng.random() < 0.5 or len(present) < 2):
            label = rng.choice(sorted(undoable))
            undone = undoable[label]
            if rng.random() < 0.5:
                label, undone = None, max(undoable.values())
            merges.undo(store, label)
            for path in paths.values():
                mergers = [merger for merger, _ in path]
                if undone in mergers:
                    del path[mergers.index(undone) :]
        elif len(present) > 1:
            old, new = rng.sample(present, 2)
            number += 1
            merges.merge(store, old, new)
            for path in paths.values():
                if path[-1][1] == old:
                    path.append((number, new))
        assert held(store) == {(path[-1][1], n) for (_, n), path in paths.items()}
    while store.fetch_one("SELECT 1 FROM merged"):
        merges.undo(store)
    enrolled = samples.of_gallery(store, galleries.get(store, "g"))
    assert {s.source for s in enrolled} == {f"{label}-{n}.x" for label, n in pairs}
    assert held(store) == set(pairs)


def test_what_was_enrolled_again_is_neither_moved_nor_counted(store):
    enrol(store, [("a", 1), ("a", 2), ("b", 3)])
    merges.merge(store, "a", "b")
    enrol(store, [("a", 1)])
    assert merges.undo(store) == merges.Merger("b", "a", 1, 0)
    assert held(store) == {("a", 1), ("a", 2), ("b", 1), ("b", 3)}
