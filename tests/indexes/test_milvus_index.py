"""The Milvus index on a real server, against brute force: killed, overtaken, altered, away."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from milvus_server import shared_server
from relay import relay_to

from siamkit.errors import IndexUnavailable
from siamkit.testing import Brute, parametrize_with_checks
from siamkit.types import Cursor

pytest.importorskip("pymilvus", reason="pymilvus, of siamkit[milvus], is not installed")

from milvus_pool import PooledMilvus, fill_pool

from siamkit_milvus import collection as collections
from siamkit_milvus.collection import Collection, find, name_of
from siamkit_milvus.records import Record, new_record, read_record
from siamkit_milvus.server import Server

DIM = 16
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    try:
        with shared_server() as address:
            fill_pool(Server(address))
            yield address
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"no Milvus server starts here: {error}")


def unit(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cursor(seq: int) -> Cursor:
    return Cursor(seq, f"{seq:016x}")


class Log:
    """A store's log: what is there after each change, and which changes it knows."""

    def __init__(self, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SIAMKIT_MILVUS", address)
        self.key, self.folder = f"{secrets.token_hex(8)}-g1-s1", folder
        self.rows: dict[int, np.ndarray] = {}
        self.changes: list[tuple[int, np.ndarray | None]] = []  # id, vector or None if removed
        self.backend = PooledMilvus()

    @property
    def head(self) -> Cursor:
        return cursor(len(self.changes))

    def enrol(self, *ids: int) -> None:
        for number in ids:
            vector = unit(1, seed=number)[0]
            self.changes.append((number, vector))
            self.rows[number] = vector

    def forget(self, *ids: int) -> None:
        for number in ids:
            self.changes.append((number, None))
            del self.rows[number]

    def purge(self, *ids: int) -> None:
        prefix = self.key.removesuffix("s1")
        gone = np.array(ids, np.int64)
        self.backend.purge(prefix, gone, root=self.folder, seq=self.head.seq)

    def knows(self, saved: Cursor) -> bool:
        return saved == cursor(saved.seq) and saved.seq <= len(self.changes)

    def open(self, upto: int | None = None):
        """Open the index and follow the log, up to a change."""
        index, refused = self.backend.open(
            self.key, DIM, root=self.folder, known=lambda saved: self.knows(saved)
        )
        self.follow(index, index.cursor().seq, upto)
        return index, refused

    def follow(self, index, since: int, upto: int | None = None) -> None:
        for number, vector in self.changes[since:upto]:
            ids = np.array([number], np.int64)
            if vector is None:
                index.remove(ids)
            else:
                index.add(ids, vector[None])

    def collections(self) -> list[Collection]:
        server = Server(os.environ["SIAMKIT_MILVUS"])
        return find(server, f"{name_of(self.key)}_")

    def require_equal(self, index) -> None:
        """Fail unless the index answers as brute force over what the store holds."""
        twin, _ = Brute().open(self.key, DIM, root=self.folder / "twin", known=lambda _: True)
        for number, vector in self.rows.items():
            twin.add(np.array([number], np.int64), vector[None])
        hits, wanted = index.search(unit(9, seed=99), 7), twin.search(unit(9, seed=99), 7)
        assert hits.ids.tolist() == wanted.ids.tolist()
        np.testing.assert_allclose(hits.scores, wanted.scores, atol=1e-5)
        assert len(index) == len(self.rows)


@pytest.fixture
def log(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    log = Log(address, tmp_path, monkeypatch)
    yield log
    monkeypatch.setenv("SIAMKIT_MILVUS", address)
    log.backend.drop(log.key, root=tmp_path)


@parametrize_with_checks([PooledMilvus()])
def test_the_kit(plugin, check, address, monkeypatch):
    if check.rule.name == "kill_during_build":
        pytest.skip("so few rows are not built: it would be kill_during_save again")
    monkeypatch.setenv("SIAMKIT_MILVUS", address)
    check(plugin)


def test_any_sequence_of_changes_is_answered_as_by_brute_force(log):
    random = np.random.default_rng(7)
    index, _ = log.open()
    applied, last = 0, 0
    for step in range(12):
        new = range(last + 1, last + int(random.integers(1, 9)))
        log.enrol(*new)
        last = max(last, *new) if new else last
        log.forget(*random.permutation(sorted(log.rows))[: step % 4].tolist())
        log.follow(index, applied)
        applied = log.head.seq
        if step % 3 == 0:
            index.save(log.head)
        if step % 4 == 1:
            index, refused = log.open()
            assert not refused
        log.require_equal(index)


def test_a_save_that_ends_at_any_call_is_completed_by_the_next(log, monkeypatch):
    log.enrol(*range(1, 31))
    log.open()[0].save(log.head)
    calls = ("add", "upsert", "delete", "now", "count", "withdraw")
    reached = 0
    for fatal in range(20):
        log.enrol(31 + fatal, 231 + fatal)
        log.forget(1 + fatal)
        remaining = fatal

        def dying(call, *arguments):
            nonlocal remaining
            remaining -= 1
            if remaining < 0:
                raise KeyboardInterrupt
            return call(*arguments)

        index, _ = log.open()
        with monkeypatch.context() as patch:
            for name in calls:
                call = getattr(Collection, name)
                patch.setattr(
                    Collection, name, lambda *arguments, call=call: dying(call, *arguments)
                )
            try:
                index.save(log.head)
            except KeyboardInterrupt:
                reached = fatal
        log.require_equal(log.open()[0])
        if remaining >= 0:
            break
    assert reached >= 6
    log.open()[0].save(log.head)
    log.require_equal(log.open()[0])


def test_rows_beyond_the_record_are_not_believed(log):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    (collection,) = log.collections()
    collection.add(new_record("push", 90))
    collection.upsert(np.arange(21, 81), unit(60, seed=5))  # more than a search asks for
    index, refused = log.open()
    assert not refused
    log.require_equal(index)


def test_a_process_with_an_older_view_does_not_bring_back_what_was_forgotten(log):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    log.enrol(21, 22)
    late, _ = log.open()
    view = log.head
    log.forget(21)
    log.purge(21)
    late.save(view)
    (collection,) = log.collections()
    assert 21 not in collection.rows(np.arange(1, 30), collection.now())[0]
    log.require_equal(log.open()[0])


def test_a_purge_amid_a_save_drops_what_was_pushed(log, monkeypatch, address):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    log.enrol(21, 22)
    late, _ = log.open()
    view = log.head

    def overtaken(*arguments):
        monkeypatch.undo()
        monkeypatch.setenv("SIAMKIT_MILVUS", address)
        log.forget(21)
        log.purge(21)
        Collection.upsert(*arguments)

    monkeypatch.setattr(Collection, "upsert", overtaken)
    with pytest.raises(IndexUnavailable, match="is not there any more"):
        late.save(view)
    assert not log.collections()
    log.require_equal(log.open()[0])


def die_in_a_push(log):
    """Leave what a process leaves that is killed while it saves, and forget a row after that."""
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    (collection,) = log.collections()
    collection.add(new_record("push", log.head.seq))
    log.forget(3)


def test_a_killed_push_from_before_a_deletion_is_dropped(log):
    die_in_a_push(log)
    log.backend.drop(log.key, root=log.folder, below=log.head.seq)
    assert not log.collections()


def test_a_purge_drops_what_a_killed_push_has_brought_back(log):
    die_in_a_push(log)
    log.purge(3)
    assert not log.collections()
    log.require_equal(log.open()[0])


def test_what_others_save_and_purge_is_seen_at_once(log):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    for number in range(21, 33):
        log.enrol(number)
        log.open()[0].save(log.head)
        log.forget(number - 20)
        log.purge(number - 20)
        index, _ = log.backend.open(log.key, DIM, root=log.folder, known=log.knows)
        hits = index.search(unit(1, seed=number), 40).ids.ravel()  # without the log
        assert number in hits
        assert number - 20 not in hits


def test_a_collection_that_another_program_altered_is_refused_and_replaced(log):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    for alter, reason in (
        (lambda c: c.delete(np.array([4, 5])), "holds 18 rows, not the 20"),
        (lambda c: c.upsert(np.array([7, 8]) - 8, unit(2)), "holds 22 rows, not the 20"),
    ):
        (collection,) = log.collections()
        alter(collection)
        collection.count(20, collection.now())  # so that it is seen at once
        index, refused = log.open()
        assert reason in refused[0]
        log.require_equal(index)
        index.save(log.head)
        log.require_equal(log.open()[0])
    assert len(log.collections()) == 1
    index, refused = log.backend.open(log.key, 8, root=log.folder, known=log.knows)
    assert "holds 16-d vectors, not 8-d" in refused[0]
    assert len(index) == 0


def test_a_collection_that_was_released_or_lost_its_index_is_loaded_again(log):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    (collection,) = log.collections()
    with collection.server.client() as client:
        client.release_collection(collection.name)
        client.drop_index(collection.name, collections.VECTOR)
    log.require_equal(log.open()[0])


def test_an_open_index_whose_collection_was_dropped_is_unavailable(log):
    log.enrol(*range(1, 21))
    index, _ = log.open()
    index.save(log.head)
    log.backend.drop(log.key, root=log.folder)
    with pytest.raises(IndexUnavailable):
        index.search(unit(1), 1)
    log.enrol(21)
    log.follow(index, 20)
    with pytest.raises(IndexUnavailable, match="not there any more"):
        index.save(log.head)


def test_an_open_index_notices_in_time_that_rows_are_lost(log, monkeypatch):
    log.enrol(*range(1, 21))
    index, _ = log.open()
    index.save(log.head)
    (collection,) = log.collections()
    collection.delete(np.array([4]))
    collection.count(20, collection.now())
    monkeypatch.setattr("siamkit_milvus.index.CHECK_SECONDS", 0.0)
    with pytest.raises(IndexUnavailable, match="holds 19 rows, not the 20"):
        index.search(unit(1), 1)


def test_a_copy_of_the_store_is_noticed(log):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    (collection,) = log.collections()
    collection.upsert(np.array([21]), unit(1, seed=5))
    copied = Record("saved", 21, "f" * 16, collection.now(), 21, 21)
    collection.add(copied)
    index, _ = log.open()  # perhaps the log only goes on
    with pytest.raises(IndexUnavailable, match="a copy of this store's folder"):
        index.search(unit(1), 1)
    log.enrol(21, 22)  # with another vector
    _, refused = log.backend.open(
        log.key, DIM, root=log.folder, known=lambda saved: saved == log.head
    )
    assert "a copy of this store's folder" in refused[0]


def test_the_servers_index_is_built_and_used(log, monkeypatch):
    rows = unit(1_500)
    index, _ = log.open()
    index.add(np.arange(1, 1_501), rows)
    index.save(Cursor(0, ""))
    assert not index.wants_build()
    monkeypatch.setattr("siamkit_milvus.index.SCANNED_ROWS", 1_000)
    assert index.wants_build()
    progress: list[tuple[str, int, int]] = []
    index.build(lambda *step: progress.append(step))
    assert progress[-1] == ("index", 1_500, 1_500)
    assert not index.wants_build()
    assert index.describe()["indexed"] == 1_500
    assert (index.search(rows[::9], 1).ids[:, 0] == np.arange(1, 1_501)[::9]).mean() > 0.99


def test_a_server_that_goes_is_reported_and_one_that_returns_is_used(log, monkeypatch, address):
    monkeypatch.setattr("siamkit_milvus.server.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("siamkit_milvus.collection.CALL_SECONDS", 1.0)
    with relay_to(urlsplit(address).port or 0) as relay:
        shown = f"http://anna:secret@127.0.0.1:{relay.port}"
        monkeypatch.setenv("SIAMKIT_MILVUS", shown)
        log.enrol(*range(1, 21))
        index, _ = log.open()
        index.save(log.head)
        relay.cut()  # between two commands
        for call in (log.open, lambda: index.search(unit(1), 1), lambda: len(index)):
            with pytest.raises(IndexUnavailable) as caught:
                call()
            assert f"http://anna:***@127.0.0.1:{relay.port}" in str(caught.value)
            assert "secret" not in str(caught.value) + caught.value.hint
        relay.mend()
        wait_until_answers(index)
        log.require_equal(index)
        log.enrol(*range(21, 1_021))
        log.follow(index, 20)
        relay.cut_after = 30_000  # within the rows of a save
        with pytest.raises(IndexUnavailable):
            index.save(log.head)
        relay.mend()
        wait_until_answers(index)
        log.require_equal(log.open()[0])
        index.save(log.head)
        log.require_equal(log.open()[0])


def wait_until_answers(index) -> None:
    """Wait for gRPC, which tries again a second after a failure."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(IndexUnavailable):
            len(index)
            return
        time.sleep(0.1)
    raise AssertionError("it does not answer within 10 s")


@pytest.mark.parametrize("wrong", ["localhost:19530", "postgresql://h/db", "a.db", "http://h:x"])
def test_what_is_no_address_is_refused(wrong, tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMKIT_MILVUS", wrong)
    with pytest.raises(IndexUnavailable, match="not the address of a Milvus server") as caught:
        PooledMilvus().open("g1-s1", DIM, root=tmp_path, known=lambda _: True)
    assert "http://HOST:19530" in caught.value.hint


def test_threads_and_a_forked_child_search_at_once(log):
    log.enrol(*range(1, 21))
    log.open()[0].save(log.head)
    wrong: list[BaseException] = []

    def use() -> None:
        try:
            log.require_equal(log.open()[0])
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = os.fork()
    if not child:
        use()
        os._exit(len(wrong))
    _, status = os.waitpid(child, 0)
    assert not wrong
    assert status == 0
    use()
    assert not wrong


def test_records_are_read_from_their_own_names():
    record = Record("saved", 12, "0123456789abcdef", 470793004525689817, 80, 95)
    assert read_record(record.alias("siamkit_a1_g1_s1_0a0b0c0d")) == record
    assert read_record("somebody_elses_alias") is None
