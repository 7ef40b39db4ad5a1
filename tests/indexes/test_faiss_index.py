"""The FAISS index against brute force: any sequence of changes, both structures, saved or not."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamkit.types import Cursor, ignore_progress
from siamkit_faiss import Faiss, additions, rows_file, snapshot, structure
from siamkit_faiss.files import overwrite

DIM = 8


def unit(rng: np.random.Generator, count: int, dim: int = DIM) -> np.ndarray:
    rows = rng.normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def reopened(root: Path, dim: int = DIM, known=lambda cursor: True):
    return Faiss().open("g1-s1", dim, root=root, known=known)


class Brute:
    """Slow twin: a dict of vectors and a matrix product."""

    def __init__(self) -> None:
        self.rows: dict[int, np.ndarray] = {}

    def search(self, queries: np.ndarray, k: int, within=None):
        ids = np.array(sorted(self.rows if within is None else self.rows.keys() & set(within)))
        scores = queries @ np.array([self.rows[i] for i in ids]).reshape(-1, DIM).T
        order = np.lexsort((np.broadcast_to(ids, scores.shape), -scores), axis=1)[:, :k]
        hits = np.full((len(queries), k), -1)
        best = np.full((len(queries), k), -np.inf)
        if len(ids):
            hits[:, : order.shape[1]] = ids[order]
            best[:, : order.shape[1]] = np.take_along_axis(scores, order, 1)
        return hits, best


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"), st.lists(st.integers(1, 60), min_size=1, max_size=20, unique=True)
        ),
        st.tuples(st.just("remove"), st.lists(st.integers(1, 60), max_size=20, unique=True)),
        st.tuples(st.just("save"), st.just([])),
        st.tuples(st.just("reopen"), st.just([])),
    ),
    max_size=12,
)


@settings(max_examples=80)
@given(steps=steps, k=st.integers(1, 70), seed=st.integers(0, 9), queries=st.integers(1, 12))
def test_any_sequence_of_changes_answers_like_brute_force(steps, k, seed, queries):
    rng = np.random.default_rng(seed)
    probes = unit(rng, queries)
    with tempfile.TemporaryDirectory() as folder:
        root, brute, saved = Path(folder), Brute(), Brute()
        index, _ = reopened(root)
        for seq, (step, ids) in enumerate(steps, 1):
            if step == "add":
                rows = unit(rng, len(ids))
                index.add(np.array(ids), rows)
                brute.rows |= dict(zip(ids, rows, strict=True))
            elif step == "remove":
                index.remove(np.array(ids, dtype=np.int64))
                for i in ids:
                    brute.rows.pop(i, None)
            elif step == "save":
                index.save(Cursor(seq, f"{seq:016x}"))
                saved.rows = dict(brute.rows)
            else:
                index, refused = reopened(root)
                assert refused == []
                brute.rows = dict(saved.rows)
            assert len(index) == len(brute.rows)
        for within in (None, np.arange(1, 30)):
            hits = index.search(probes, k, within=within)
            ids, scores = brute.search(probes, k, within)
            np.testing.assert_allclose(hits.scores, scores, atol=1e-5)
            same = np.isclose(hits.scores, scores, atol=1e-6) & (hits.ids == ids)
            assert same.mean() > 0.99  # float order may swap two near-equal scores


def test_equal_scores_come_smaller_id_first(tmp_path):
    index, _ = reopened(tmp_path)
    row = unit(np.random.default_rng(0), 1)
    index.add(np.array([7, 3, 5]), np.repeat(row, 3, axis=0))
    index.save(Cursor(1, "0" * 16))
    index.add(np.array([1]), row)
    assert index.search(row, 4).ids.tolist() == [[1, 3, 5, 7]]


@pytest.mark.parametrize("removed", [1, 60, 200])
def test_a_batch_is_answered_though_its_nearest_rows_are_removed(tmp_path, removed):
    rows, probes = unit(np.random.default_rng(4), 400), unit(np.random.default_rng(5), 12)
    nearest = np.argsort(-(rows @ probes[0]))
    index, _ = reopened(tmp_path)
    index.add(np.arange(400), rows)
    index.save(Cursor(1, f"{1:016x}"))
    index.remove(nearest[:removed])
    brute = Brute()
    brute.rows = {i: rows[i] for i in sorted(nearest[removed:].tolist())}
    wanted, scores = brute.search(probes, 250)
    hits = index.search(probes, 250)
    assert hits.ids.tolist() == wanted.tolist()
    np.testing.assert_allclose(hits.scores, scores, atol=1e-6)


def test_equal_scores_of_a_batch_come_smaller_id_first_beside_a_removed_row(tmp_path):
    row = unit(np.random.default_rng(6), 1)
    index, _ = reopened(tmp_path)
    index.add(np.arange(1, 21), np.repeat(row, 20, axis=0))
    index.save(Cursor(1, f"{1:016x}"))
    index.remove(np.array([2, 20]))
    for queries in (1, 8):
        hits = index.search(np.repeat(row, queries, axis=0), 3)
        assert hits.ids.tolist() == [[1, 3, 4]] * queries


def test_a_large_batch_for_many_hits_is_answered_exactly(tmp_path, small, monkeypatch):
    rows = clustered(4_000)
    index = built(tmp_path, rows)
    monkeypatch.setattr(structure, "PRODUCT_FROM", 16)
    monkeypatch.setattr("siamkit_faiss.index.SCANNED_SHARE", 1)
    nearest = np.argsort(-(rows[:16] @ rows.T), axis=1, kind="stable")[:, :30] + 1
    assert index.search(rows[:16], 30).ids.tolist() == nearest.tolist()


def test_it_searches_where_torch_has_replaced_the_methods_of_faiss(tmp_path):
    import faiss.contrib.torch_utils  # noqa: F401  # as pytorch-metric-learning does

    index, _ = reopened(tmp_path)
    rows = unit(np.random.default_rng(0), 5)
    index.add(np.arange(5), rows)
    index.save(Cursor(1, 1))
    index.remove(np.array([4]))
    assert index.search(rows, 1).ids[:, 0].tolist()[:4] == [0, 1, 2, 3]


def clustered(count: int, dim: int = 32, seed: int = 1) -> np.ndarray:
    """Ten rows of each cluster, as embeddings of people are."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(unit(rng, count // 10, dim), 10, axis=0)
    rows += 0.1 * rng.normal(size=rows.shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def small(monkeypatch):
    """Codes and inverted lists for indexes of few rows, and additions that move to a file."""
    monkeypatch.setattr(structure, "SCANNED_FLOATS", 10_000)
    monkeypatch.setattr(structure, "ONE_LIST", 2_000)
    monkeypatch.setattr(additions, "IN_MEMORY", 20_000)


def built(root: Path, rows: np.ndarray, seq: int = 1):
    """An index of rows 1, 2 …, saved and built."""
    index, _ = reopened(root, rows.shape[1])
    for start in range(0, len(rows), 500):
        part = np.arange(start, min(start + 500, len(rows)))
        index.add(part + 1, rows[part])
    index.save(Cursor(seq, f"{seq:016x}"))
    index.build(ignore_progress)
    return index


@pytest.mark.parametrize("count", [1_500, 4_000])
def test_codes_above_the_size_for_a_scan(tmp_path, small, count):
    rows, ids = clustered(count), np.arange(1, count + 1)
    index = built(tmp_path, rows)
    assert not index.wants_build()
    index, refused = reopened(tmp_path, 32)
    facts = index.describe()
    assert not index.exact
    assert refused == []
    lists = 1 if count < 2_000 else 63
    assert str(facts["structure"]) == f"IVF{lists},PQ8x4fs,Refine(Flat)"
    assert float(facts["recall"]) >= structure.TARGET

    index.remove(ids[:100])
    index.add(np.array([9000]), rows[:1])
    index.save(Cursor(2, "b" * 16))
    index, _ = reopened(tmp_path, 32)
    hits = index.search(rows, 1)
    inside = index.search(rows[:50], 4, within=ids[200:204])
    assert not index.exact
    assert not index.wants_build()
    assert len(index) == count - 99
    assert (np.sort(inside.ids, axis=1) == ids[200:204]).all()  # in whatever list they lie
    assert not np.isin(hits.ids, ids[:100]).any()
    assert hits.ids[0, 0] == 9000
    assert (hits.ids[100:, 0] == ids[100:]).mean() >= 0.99
    np.testing.assert_allclose(hits.scores[100:, 0], 1, atol=1e-5)


@pytest.mark.parametrize(("count", "one_list"), [(4_000, 2_000), (5_000, 9_000)])
def test_codes_are_extended_as_they_are_built(tmp_path, small, monkeypatch, count, one_list):
    """Rows removed and added since leave the files that a build would have written."""
    monkeypatch.setattr(structure, "ONE_LIST", one_list)
    rows, gone = clustered(count), np.arange(7, count, 9)
    index = built(tmp_path, rows)
    index.remove(gone + 1)
    index.add(np.arange(count, count + len(gone)) + 1, rows[gone])
    index.save(Cursor(2, "b" * 16))
    codes = index._opened.codes.index
    ids = index._opened.rows.ids[_numbers(codes)]
    code_of_id = dict(zip(ids.tolist(), _codes(codes), strict=True))
    trained = built(tmp_path / "again", rows)._opened.codes.index
    expected = dict(zip((_numbers(trained) + 1).tolist(), _codes(trained), strict=True))
    for number, row in enumerate(gone.tolist()):
        assert (code_of_id[count + number + 1] == expected[row + 1]).all()
    for number in np.setdiff1d(np.arange(count), gone).tolist():
        assert (code_of_id[number + 1] == expected[number + 1]).all()


def _numbers(index) -> np.ndarray:
    """Return the row numbers of all codes, list by list."""
    lists = index.invlists
    filled = [n for n in range(index.nlist) if lists.list_size(n)]
    return np.concatenate(
        [faiss.rev_swig_ptr(lists.get_ids(n), lists.list_size(n)).copy() for n in filled]
    )


def _codes(index) -> list[np.ndarray]:
    """Return all codes, list by list."""
    lists, packer, codes = index.invlists, index.get_CodePacker(), []
    for number in range(index.nlist):
        size = lists.list_size(number)
        blocks = -(-size // packer.nvec)
        if size:
            packed = faiss.rev_swig_ptr(lists.get_codes(number), blocks * packer.block_size)
            packed = packed.reshape(blocks, 1, -1)
            codes += [packer.unpack_1(packed[n // 32], n % 32) for n in range(size)]
    return codes


def test_an_index_that_has_outgrown_its_codes_is_built_again(tmp_path, small):
    rows = clustered(5_000)
    index = built(tmp_path, rows[:2_000])
    index.add(np.arange(2_001, 5_001), rows[2_000:])
    index.save(Cursor(2, "b" * 16))
    assert index.wants_build()
    assert (index.search(rows, 1).ids[:, 0] == np.arange(1, 5_001)).mean() >= 0.98
    index.build(ignore_progress)
    assert not index.wants_build()
    assert index.describe()["structure"] == "IVF71,PQ8x4fs,Refine(Flat)"


def test_damaged_codes_are_left_out(tmp_path, small):
    built(tmp_path, clustered(1_500))
    (file,) = (tmp_path / "faiss").glob("*.codes")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    index, (reason,) = reopened(tmp_path, 32)
    assert file.name in reason
    assert len(index) == 1_500
    assert index.exact
    assert index.wants_build()
    index.build(ignore_progress)
    assert reopened(tmp_path, 32)[1] == []


@pytest.fixture
def saved(tmp_path):
    index, _ = reopened(tmp_path)
    index.add(np.arange(1, 51), unit(np.random.default_rng(0), 50))
    index.save(Cursor(50, "c" * 16))
    index.close()
    (file,) = (tmp_path / "faiss").glob("*.faiss")
    return file


def damage_truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def damage_one_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def damage_empty(file: Path) -> None:
    file.write_bytes(b"")


def damage_garbage(file: Path) -> None:
    file.write_bytes(b"garbage" * 1000)


def damage_card(file: Path) -> None:
    file.with_suffix(".json").write_text("{")


def damage_card_empty(file: Path) -> None:
    file.with_suffix(".json").write_text("{}")


def damage_card_value(file: Path) -> None:
    card = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps({**card, "nprobe": "many"}))


def damage_no_card(file: Path) -> None:
    file.with_suffix(".json").unlink()


DAMAGES = [
    damage_truncate,
    damage_one_byte,
    damage_empty,
    damage_garbage,
    damage_card,
    damage_card_empty,
    damage_card_value,
    damage_no_card,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_is_refused_with_a_reason(tmp_path, saved, damage):
    damage(saved)
    index, refused = reopened(tmp_path)
    assert len(index) == 0
    assert index.cursor() == Cursor()
    assert len(refused) == 1
    assert saved.name in refused[0]


def test_a_snapshot_of_another_history_is_refused(tmp_path, saved):
    index, refused = reopened(tmp_path, known=lambda cursor: False)
    assert len(index) == 0
    assert "another history" in refused[0]


def test_a_copied_snapshot_is_used_after_its_checksum(tmp_path, saved):
    saved.touch()
    for _ in range(2):
        index, refused = reopened(tmp_path)
        assert (len(index), refused) == (50, [])


def test_older_snapshots_and_files_of_killed_writers_are_deleted(tmp_path, saved):
    abandoned = saved.with_name(f".g1-s1-51-{'d' * 16}.faiss.4194999")
    abandoned.write_bytes(b"half written")
    index, _ = reopened(tmp_path)
    index.add(np.array([77]), unit(np.random.default_rng(3), 1))
    index.save(Cursor(51, "e" * 16))
    assert [s.cursor.seq for s in snapshot.newest_first(tmp_path / "faiss", "g1-s1")] == [51]
    assert not abandoned.exists()
    assert not saved.exists()


def test_drop_below_a_change_keeps_what_is_newer(tmp_path, saved):
    Faiss().drop("g1-", root=tmp_path, below=50)
    assert saved.exists()
    Faiss().drop("g1-", root=tmp_path, below=51)
    assert not saved.exists()


def test_drop_removes_the_files_of_one_key_only(tmp_path, saved):
    eleventh, _ = Faiss().open("g11-s1", DIM, root=tmp_path, known=lambda c: True)
    eleventh.add(np.array([1]), unit(np.random.default_rng(3), 1))
    eleventh.save(Cursor(1, "f" * 16))
    Faiss().drop("g1-", root=tmp_path)
    assert sorted(p.name[:6] for p in (tmp_path / "faiss").iterdir()) == ["g11-s1", "g11-s1"]


def test_saving_beside_another_process_that_has_saved_already(tmp_path, small):
    """Codes are extended from what is mapped, whatever has become of its file."""
    rows = clustered(1_500)
    built(tmp_path, rows)
    processes = reopened(tmp_path, 32)[0], reopened(tmp_path, 32)[0]
    for seq, process in enumerate(processes, 2):
        process.add(np.array([5000]), rows[:1])
        process.save(Cursor(seq, f"{seq:016x}"))
    index, refused = reopened(tmp_path, 32)
    assert (len(index), refused, index.exact) == (1_501, [], False)


def test_many_additions_move_to_a_file_that_the_save_puts_into_place(tmp_path, small):
    rows = clustered(2_000)
    index, _ = reopened(tmp_path, 32)
    for start in range(0, 2_000, 100):
        index.add(np.arange(start, start + 100), rows[start : start + 100])
    (file,) = (tmp_path / "faiss").iterdir()
    assert file.stat().st_size >= 1_200 * 32 * 4
    Faiss().drop("g1-", root=tmp_path)  # by another process
    assert file.exists()
    index.remove(np.array([3, 1999]))
    assert len(index) == 1_998
    assert set(index.search(rows, 1).ids[:, 0].tolist()).isdisjoint({3, 1999})
    index.add(np.array([3, 1999]), rows[[3, 1999]])
    assert (index.search(rows, 1).ids[:, 0] == np.arange(2_000)).all()
    index.save(Cursor(1, "a" * 16))
    assert not file.exists()
    index, refused = reopened(tmp_path, 32)
    assert (len(index), refused) == (2_000, [])
    assert (index.search(rows, 1).ids[:, 0] == np.arange(2_000)).all()


def test_the_file_of_additions_is_deleted_if_they_are_not_saved(tmp_path, small):
    index, _ = reopened(tmp_path, 32)
    index.add(np.arange(2_000), clustered(2_000))
    assert list((tmp_path / "faiss").iterdir())
    index.close()
    assert not list((tmp_path / "faiss").iterdir())


@pytest.mark.parametrize("writes", [0, 1, 3, 4, 5])
def test_a_full_disk_loses_nothing(tmp_path, small, monkeypatch, writes):
    """Additions stay searchable, in memory or in the file, and are saved when there is space."""
    rows, written = clustered(2_000), []

    def until_full(handle, offset, content):
        written.append(len(content))
        if len(written) > writes:
            raise OSError(28, "No space left on device")
        overwrite(handle, offset, content)

    index, _ = reopened(tmp_path, 32)
    with monkeypatch.context() as patch:
        patch.setattr(rows_file, "overwrite", until_full)
        for start in range(0, 2_000, 400):
            index.add(np.arange(start, start + 400), rows[start : start + 400])
        with pytest.raises(OSError, match="No space"):
            index.save(Cursor(1, "a" * 16))
    assert (index.search(rows, 1).ids[:, 0] == np.arange(2_000)).all()
    index.save(Cursor(1, "a" * 16))
    assert len(list((tmp_path / "faiss").iterdir())) == 2
    assert (reopened(tmp_path, 32)[0].search(rows, 1).ids[:, 0] == np.arange(2_000)).all()


def test_a_snapshot_of_an_earlier_version_is_refused(tmp_path, saved):
    card = {"structure": "Flat", "count": 50, "recall": 1.0, "bytes": 2_000, "checksum": 7}
    saved.with_suffix(".json").write_text(json.dumps(card))
    index, (reason,) = reopened(tmp_path)
    assert len(index) == 0
    assert "earlier version" in reason
    index.add(np.array([1]), unit(np.random.default_rng(3), 1))
    index.save(Cursor(51, "e" * 16))
    assert not saved.exists()
