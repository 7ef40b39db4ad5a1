"""Duplicates among the rows of a matrix that is not held in memory."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import siamkit as sk
from siamkit.flows.dedupe_items import Item, RowItems
from siamkit.flows.dedupe_rows import SelectedRows, dedupe_vectors, number_distinct_rows
from siamkit.flows.grouping import MatchRule
from siamkit.types import Threshold


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.integers(-1, 1), min_size=3, max_size=3), max_size=12), st.integers(1, 3)
)
def test_rows_of_equal_bytes_share_a_number(rows, dim):
    vectors = np.array(rows, np.float32).reshape(-1, 3)[:, :dim]
    distinct, firsts = number_distinct_rows(vectors)
    numbers: dict[bytes, int] = {}
    assert distinct.tolist() == [numbers.setdefault(v.tobytes(), len(numbers)) for v in vectors]
    assert len(firsts) == len(numbers)
    assert distinct[firsts].tolist() == list(range(len(firsts)))


def test_copies_and_unusable_rows_are_passed_over_without_copying_the_others(tmp_path):
    rng = np.random.default_rng(0)
    rows = unit(rng.normal(size=(300, 16)))
    rows[[10, 200, 250]] = rows[5]
    rows[150] = unit((rows[100] + 0.02 * rng.normal(size=16))[None])[0]
    rows[7], rows[8] = np.nan, 0
    np.save(tmp_path / "rows.npy", rows)
    names = [json.dumps({"row": row, "source": f"text {row}"}) for row in (5, 150)]
    (tmp_path / "rows.jsonl").write_text("\n".join(names), encoding="utf-8")
    deduped = sk.Workspace.dedupe_matrix(tmp_path / "rows.npy", 0.95)
    assert [fault.line for fault in deduped.faults] == [8, 9]
    assert isinstance(deduped.grouping.vectors, SelectedRows)
    assert (len(deduped.items), deduped.copies, deduped.groups) == (298, 3, 2)
    members = [(m.group, m.canonical, m.item.line, m.item.shown) for m in deduped.members]
    assert members == [
        (1, True, 6, "text 5"),
        *((1, False, line, str(line - 1)) for line in (11, 201, 251)),
        (2, True, 101, "100"),
        (2, False, 151, "text 150"),
    ]
    assert deduped.members[-1] == deduped.members[4:][-1] == [*deduped.members][-1]
    assert deduped.members[-1].score == pytest.approx(float(rows[100] @ rows[150]), abs=1e-5)
    pairs = [(pair.left.line, pair.right.line) for pair in deduped.pairs()]
    assert pairs == [(101, 151), (6, 11), (6, 201), (6, 251)]


def test_rows_of_any_norm_and_type_are_compared_by_their_direction(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 8)) * 7
    rows[20] = 3 * rows[4]
    np.save(tmp_path / "rows.npy", rows)  # float64
    deduped = sk.Workspace.dedupe_matrix(tmp_path / "rows.npy", 0.9999)
    assert [member.item.line for member in deduped.members] == [5, 21]


def test_items_of_rows_are_made_when_asked_for():
    items = RowItems(np.array([0, 2, 5]), {2: "a name"})
    assert [*items] == items[:] == [Item(1, "0", "0"), Item(3, "2", "a name"), Item(6, "5", "5")]
    assert items[-1] == Item(6, "5", "5")


def test_an_order_of_its_own_survives():
    vectors = unit(np.ones((3, 4)) + np.eye(3, 4) / 50)
    items = [Item(line, str(line), f"text {line}") for line in (9, 4, 6)]
    deduped = dedupe_vectors(items, vectors, MatchRule(Threshold(0.9)))
    assert sorted(m.item.line for m in deduped.members) == [4, 6, 9]
    assert [m.item.line for m in deduped.members[1:]] == sorted(
        m.item.line for m in deduped.members[1:]
    )
