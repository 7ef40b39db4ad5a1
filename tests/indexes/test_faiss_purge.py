"""Erasing rows of saved snapshots in place: no trace, whatever is killed, and nothing else lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamkit.types import Cursor, ignore_progress
from siamkit_faiss import Faiss, card, codes, rows_file, structure

DIM, COUNT = 32, 1_500
ERASED = np.array([1, 700, 701, COUNT])
SEQ = 9  # the change that removed them


def opened(root: Path, key: str = "g1-s1"):
    return Faiss().open(key, DIM, root=root, known=lambda cursor: True)[0]


@pytest.fixture
def rows():
    vectors = np.random.default_rng(0).normal(size=(COUNT, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(params=["scanned", "codes"])
def saved(request, tmp_path, rows, monkeypatch):
    """A folder with a snapshot of change 5, with codes or without."""
    if request.param == "codes":
        monkeypatch.setattr(structure, "SCANNED_FLOATS", 10_000)
    index = opened(tmp_path)
    index.add(np.arange(1, COUNT + 1), rows)
    index.save(Cursor(5, "a" * 16))
    if index.wants_build():
        index.build(ignore_progress)
    assert index.exact == (request.param == "scanned")
    return tmp_path


def purge(root: Path, ids=ERASED, seq: int = SEQ) -> None:
    Faiss().purge("g1-", np.array(ids), root=root, seq=seq)


def traces(root: Path, rows: np.ndarray) -> list[str]:
    """Files that hold a whole erased vector, or their own codes' row numbers."""
    return [
        path.name
        for path in root.rglob("*")
        if path.is_file() and any(rows[i - 1].tobytes() in path.read_bytes() for i in ERASED)
    ]


def require_purged(root: Path, rows: np.ndarray) -> None:
    index = opened(root)
    assert traces(root, rows) == []
    assert len(index) == COUNT - len(ERASED)
    remaining = np.setdiff1d(np.arange(1, COUNT + 1), ERASED)
    for k in (1, 20, COUNT + 5):
        probes = remaining[:: 10 * k]
        assert (index.search(rows[probes - 1], k).ids[:, 0] == probes).mean() >= 0.99
        assert not np.isin(index.search(rows[ERASED - 1], k).ids, ERASED).any()
    everything = index.search(rows[:1], COUNT + 5).ids
    assert (everything >= 0).sum() == COUNT - len(ERASED)
    within = index.search(rows[:1], 3, within=np.array([1, 2, 700])).ids[0].tolist()
    assert within == [2, -1, -1]


def test_purged_rows_leave_no_trace_and_the_others_stay(saved, rows):
    assert traces(saved, rows)
    purge(saved)
    require_purged(saved, rows)
    purge(saved)  # again
    purge(saved, [99_999])  # absent
    require_purged(saved, rows)


def test_codes_of_purged_rows_are_erased(saved, rows):
    files = list((saved / "faiss").glob("*.codes"))
    before = [codes.find(file, ERASED - 1, COUNT) for file in files]
    purge(saved)
    for file, slots in zip(files, before, strict=True):
        assert len(slots.numbers) == len(ERASED)
        assert not len(codes.find(file, ERASED - 1, COUNT).numbers)
        content = np.fromfile(file, np.uint8)
        packer = codes.open_codes(file).index.get_CodePacker()
        for offset, place in zip(slots.blocks, slots.places, strict=True):
            block = content[offset : offset + packer.block_size].copy()
            assert not packer.unpack_1(block[None], int(place)).any()


def test_codes_are_deleted_if_one_of_a_purged_row_is_missing(saved, rows):
    files = list((saved / "faiss").glob("*.codes"))
    for file in files:
        slots = codes.find(file, np.array([699]), COUNT)
        with file.open("r+b") as opened_file:
            opened_file.seek(int(slots.numbers[0]))
            opened_file.write(np.array([300], np.int64).tobytes())  # of another row
    purge(saved)
    assert not any(file.exists() for file in files)
    require_purged(saved, rows)


def test_what_was_purged_counts_as_saved_then(saved):
    purge(saved)
    Faiss().drop("g1-", root=saved, below=SEQ)
    assert len(opened(saved)) == COUNT - len(ERASED)
    Faiss().drop("g1-", root=saved, below=SEQ + 1)
    assert len(opened(saved)) == 0


def test_a_snapshot_of_a_later_change_is_not_touched(saved):
    before = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    purge(saved, seq=5)
    assert {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()} == before


def test_an_index_that_has_the_file_mapped_stays_right(saved, rows):
    index = opened(saved)
    index.add(np.array([COUNT + 1]), -rows[:1])
    purge(saved)
    index.remove(ERASED)
    assert len(index) == COUNT + 1 - len(ERASED)
    assert index.search(-rows[:1], 1).ids[0, 0] == COUNT + 1
    assert not np.isin(index.search(rows[:5], COUNT).ids, ERASED).any()
    index.save(Cursor(SEQ, "b" * 16))
    assert len(opened(saved)) == len(index)
    assert traces(saved, rows) == []


WRITES = [(card, "write", 1), (codes, "erase", 1), (rows_file, "erase", 1), (card, "write", 2)]


@pytest.mark.parametrize(("module", "name", "call"), WRITES)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_purge_that_is_killed_is_finished_by_the_next(
    saved, rows, monkeypatch, module, name, call, moment
):
    """What is left opens, whatever half of a write was done, and holds all other rows."""
    original, calls, was_exact = getattr(module, name), [], opened(saved).exact

    def dying(*arguments):
        calls.append(arguments)
        if len(calls) == call and moment == "before":
            raise KeyboardInterrupt
        original(*arguments)
        if len(calls) == call:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dying)
        try:
            purge(saved)
        except KeyboardInterrupt:
            index = opened(saved)
            index.remove(ERASED)  # as the store's log says
            assert len(index) == COUNT - len(ERASED)
            assert index.search(rows[1:2], 1).ids[0, 0] == 2
    purge(saved)
    require_purged(saved, rows)
    assert opened(saved).exact == was_exact


def test_a_damaged_snapshot_is_deleted_by_a_purge(saved, rows):
    (file,) = (saved / "faiss").glob("*.faiss")
    content = bytearray(file.read_bytes())
    content[4] ^= 1
    file.write_bytes(content)
    purge(saved)
    assert traces(saved, rows) == []
    assert list((saved / "faiss").iterdir()) == []


def test_what_killed_writers_left_is_deleted_by_a_purge(saved):
    lost = saved / "faiss" / f"g1-s1-6-{'c' * 16}.codes"
    lost.write_bytes(b"codes of a snapshot whose rows never came")
    half = saved / "faiss" / f".g1-s1-added.{'d' * 16}"
    half.write_bytes(b"rows of a writer that was killed")
    purge(saved)
    assert not lost.exists()
    assert not half.exists()


def test_a_build_leaves_out_what_is_purged_meanwhile(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(structure, "SCANNED_FLOATS", 10_000)
    index = opened(tmp_path)
    index.add(np.arange(1, COUNT + 1), rows)
    index.save(Cursor(5, "a" * 16))

    def purge_once(stage, done, total):
        if stage == "measuring recall" and not done:
            purge(tmp_path)

    index.build(purge_once)
    (file,) = tmp_path.rglob("*.codes")
    assert not len(codes.find(file, ERASED - 1, COUNT).numbers)
    require_purged(tmp_path, rows)
    assert not opened(tmp_path).exact
