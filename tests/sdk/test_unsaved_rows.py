"""The rows since the last save are answered as a dictionary of vectors would answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.sdk import unsaved_rows
from siamkit.sdk.nearest import best_hits, merge_hits
from siamkit.sdk.unsaved_rows import UnsavedRows

DIM = 4


def rows_of(ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """Coarse vectors, so that many have equal scores."""
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, (len(ids), DIM)).astype(np.float32)


def slow_best(ids: np.ndarray, scores: np.ndarray, k: int) -> list[list[tuple[int, float]]]:
    rows = []
    for row_ids, row in zip(np.broadcast_to(ids, scores.shape), scores, strict=True):
        pairs = [(int(i), float(s)) for i, s in zip(row_ids, row, strict=True) if i >= 0]
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        rows.append((pairs + [(-1, -np.inf)] * k)[:k])
    return rows


def pairs_of(hits) -> list[list[tuple[int, float]]]:
    columns = zip(hits.ids.tolist(), hits.scores.tolist(), strict=True)
    return [list(zip(ids, scores, strict=True)) for ids, scores in columns]


@given(st.integers(0, 40), st.integers(0, 12), st.integers(1, 8), st.integers(0, 99))
def test_best_hits_sorts_by_score_then_id(width, missing, k, seed):
    rng = np.random.default_rng(seed)
    ids = rng.permutation(width + missing).astype(np.int64)
    scores = rng.integers(0, 4, (3, len(ids))).astype(np.float32)
    ids[:missing], scores[:, :missing] = -1, -np.inf
    hits = best_hits(ids, scores, k)
    assert pairs_of(hits) == slow_best(ids, scores, k)
    halves = [best_hits(ids[half::2], scores[:, half::2], k) for half in (0, 1)]
    assert pairs_of(merge_hits(halves, k)) == pairs_of(hits)


operations = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(1, 30), min_size=1, max_size=9, unique=True)),
    max_size=12,
)


@given(operations, st.sampled_from([8, 1 << 24]))
def test_any_changes_are_answered_as_by_a_dictionary(changes, memory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unsaved_rows, "MEMORY_FLOATS", memory)  # 8: nearly all goes to the file
        patch.setattr(unsaved_rows, "SMALL_BLOCK", 5)
        unsaved = UnsavedRows(Path("/does not exist"))
        held, removed = {}, set()
        for number, (is_addition, listed) in enumerate(changes):
            ids = np.array(listed, np.int64)
            if is_addition:
                vectors = rows_of(ids, number)
                unsaved.add(ids, vectors)
                held |= dict(zip(listed, vectors, strict=True))
                removed -= {*listed}
            else:
                unsaved.remove(ids)
                removed |= {*listed}
                held = {i: row for i, row in held.items() if i not in removed}
        assert sorted(unsaved.ids()) == sorted([*held, *removed])
        assert {*unsaved.ids(last=9)} == {i for i in [*held, *removed] if i <= 9}
        assert (len(unsaved), unsaved.added_count) == (len(held) + len(removed), len(held))
        asked = rows_of(np.arange(3), 99)
        for within in (None, np.arange(1, 12)):
            ids = np.array([i for i in held if within is None or i in within], np.int64)
            scores = asked @ np.array([held[i] for i in ids.tolist()]).reshape(-1, DIM).T
            assert pairs_of(merge_hits([unsaved.search(asked, 5, within)], 5)) == slow_best(
                ids, scores, 5
            )
        unsaved.clear()
        assert not len(unsaved)


def test_a_full_disk_loses_no_row(tmp_path, monkeypatch):
    monkeypatch.setattr(unsaved_rows, "MEMORY_FLOATS", 0)
    monkeypatch.setattr(unsaved_rows, "SMALL_BLOCK", 1)
    unsaved = UnsavedRows(tmp_path)

    def full(**_):
        raise OSError("no space left on device")

    monkeypatch.setattr(unsaved_rows.tempfile, "TemporaryFile", full)
    for number in range(4):
        unsaved.add(np.array([number]), rows_of(np.arange(1), number))
    assert unsaved.added.tolist() == [0, 1, 2, 3]


def test_single_rows_fill_a_file_no_more_than_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(unsaved_rows, "MEMORY_FLOATS", 0)
    monkeypatch.setattr(unsaved_rows, "SMALL_BLOCK", 10)
    unsaved = UnsavedRows(tmp_path)
    for number in range(500):
        unsaved.add(np.array([number]), rows_of(np.arange(1), number))
    assert unsaved._file.seek(0, 2) <= 500 * DIM * 4
    unsaved.add(np.empty(0, np.int64), np.empty((0, DIM), np.float32))
    assert unsaved.added.tolist() == list(range(500))
    unsaved.clear()
