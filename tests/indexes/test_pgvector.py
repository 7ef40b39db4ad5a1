"""Galleries on a PostgreSQL server: who sees what, what a killed process leaves, and bad luck."""

from __future__ import annotations

import os
import shutil
import signal

import numpy as np
import pytest

import siamkit as sk
from siamkit.errors import IndexUnavailable
from siamkit.host import registry
from siamkit.store.saved_indexes import key_of, load_backend
from siamkit.testing.index_fixtures import DIM, cursor, ids, ids_found, rows
from siamkit.types import ignore_progress
from siamkit_pgvector import PgVector, building, records, tables
from siamkit_pgvector import index as index_module
from siamkit_pgvector.server import Server

psycopg = pytest.importorskip("psycopg")

TEXTS = {"greeting": "hello there", "sums": "one and one", "places": "over the hills"}
KEY = "00000000000000ff-g1-s1"


@pytest.fixture
def address(postgres, monkeypatch):
    monkeypatch.setenv("SIAMKIT_PGVECTOR", postgres.address)
    return postgres.address


@pytest.fixture
def sql(address):
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection.execute


@pytest.fixture
def root(address, tmp_path):
    yield tmp_path / "index"
    PgVector().drop(KEY, root=tmp_path / "index")


@pytest.fixture
def installed():
    if "pgvector" not in {plugin.name for plugin in registry.installed("siamkit.indexes")}:
        pytest.skip("install siamkit again, for its new entry point")


@pytest.fixture
def gallery(installed, address, workspace):
    workspace.create_gallery("notes", "letters", index="pgvector")
    for label, text in TEXTS.items():
        workspace.enrol("notes", label, text)
    yield workspace
    workspace.delete_gallery("notes")


def load(root, known=lambda _: True):
    return PgVector().open(KEY, DIM, root=root, known=known)


def saved(root, seq=1, count=80):
    index = load(root)[0]
    index.add(ids(count), rows(count))
    index.save(cursor(seq))
    return index


def best(workspace, text):
    return workspace.query("notes", text, k=1)[0].matches[0].identity


def table_of(sql, key=KEY):
    (name,) = sql("SELECT name FROM siamkit.indexes WHERE key = %s", (key,)).fetchone()
    return f'siamkit."{name}"'


def key(workspace):
    return key_of(workspace.store, workspace.gallery("notes"), load_backend("pgvector"))


def test_others_see_an_enrolment_and_a_deletion_at_once(gallery):
    with sk.Workspace(gallery.root) as other:
        assert best(other, TEXTS["sums"]) == "sums"
        gallery.enrol("notes", "farewell", "so long and thanks")
        assert best(other, "so long and thanks") == "farewell"
        gallery.forget("sums")
        assert best(other, TEXTS["sums"]) != "sums"
        other.rebuild_index("notes")
        other.enrol("notes", "weather", "rain in the hills")
        assert best(gallery, "rain in the hills") == "weather"


def test_the_table_has_the_rows_of_the_store(gallery, sql):
    gallery.rebuild_index("notes")
    (count,) = sql(f"SELECT count(*) FROM {table_of(sql, key(gallery))}").fetchone()
    assert count == 3
    gallery.rebuild_index("notes", index="faiss")
    assert not sql("SELECT 1 FROM siamkit.indexes WHERE key = %s", (key(gallery),)).fetchone()


KILLS = {
    "before the rows are sent": (tables.Table, "copy", True),
    "after the rows were sent": (tables.Table, "copy", False),
    "before the cursor is written": (records, "write", True),
    "before the commit": (records, "write", False),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
@pytest.mark.parametrize("is_first", [True, False], ids=["first save", "later save"])
def test_a_killed_process_leaves_what_the_next_completes(root, kill, is_first, monkeypatch):
    place, name, is_before = kill
    if not is_first:
        saved(root, count=60).close()
    process = os.fork()
    if not process:
        work = getattr(place, name)

        def die(*arguments):
            if not is_before:
                work(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(place, name, die)
        index = load(root)[0]
        index.remove(ids(3))
        index.add(ids(80)[60:], rows(80)[60:])
        index.save(cursor(2))
        os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(process, 0)[1])
    index = load(root)[0]
    assert (index.cursor().seq, len(index)) == ((0, 0) if is_first else (1, 60))
    index.remove(ids(3))
    index.add(ids(80)[60 if index.cursor().seq else 0 :], rows(80)[60 if len(index) else 0 :])
    index.save(cursor(3))
    opened = load(root)[0]
    assert (opened.cursor().seq, len(opened)) == (3, 80 if is_first else 77)


def test_a_fork_has_a_connection_of_its_own(root):
    index = saved(root)
    process = os.fork()
    if not process:
        os._exit(0 if len(ids_found(index)) == 80 else 1)
    assert os.waitpid(process, 0)[1] == 0
    assert len(ids_found(index)) == 80


@pytest.mark.timeout(60)
def test_a_server_that_was_restarted_is_used_again(gallery, postgres, caplog):
    assert best(gallery, TEXTS["sums"]) == "sums"
    postgres.stop(signal.SIGQUIT)
    try:
        gallery.enrol("notes", "weather", "rain in the hills")
        assert best(gallery, "rain in the hills") == "weather"
        assert "does not answer" in caplog.text
        assert "until that is mended, gallery notes is searched in the store" in caplog.text
        assert "hush" not in caplog.text
        assert {c.check: c.ok for c in gallery.doctor()}["index notes"] is False
    finally:
        postgres.start()
    with sk.Workspace(gallery.root) as later:
        assert best(later, "rain in the hills") == "weather"
        assert {c.check: c.ok for c in later.doctor()}["server of notes"] is True


def test_a_session_that_was_ended_is_opened_again(root, sql):
    index = saved(root)
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='siamkit'")
    assert len(ids_found(index)) == 80
    index.add(ids(81)[80:], rows(81)[80:])
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='siamkit'")
    index.save(cursor(2))
    assert len(load(root)[0]) == 81


def test_a_table_that_breaks_off_while_it_is_filled_is_an_error(root, sql, monkeypatch):
    monkeypatch.setattr(index_module, "SPOOL_FLOATS", 100)
    index = load(root)[0]
    index.add(ids(80), rows(80))
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='siamkit'")
    with pytest.raises(IndexUnavailable, match=r"broke|does not answer"):
        index.add(ids(90)[80:], rows(90)[80:])
    with pytest.raises(IndexUnavailable, match="broke while a table was filled"):
        index.save(cursor(1))
    assert len(load(root)[0]) == 0


def test_a_filled_table_that_cannot_be_committed_is_filled_again(gallery, monkeypatch, caplog):
    monkeypatch.setattr(index_module, "SPOOL_FLOATS", 1)
    PgVector().drop(key(gallery), root=gallery.store.index_root)
    write = records.write

    def fail(*_):
        monkeypatch.setattr(records, "write", write)
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    monkeypatch.setattr(records, "write", fail)
    with sk.Workspace(gallery.root) as other:
        assert best(other, TEXTS["sums"]) == "sums"
        assert "could not be saved" in caplog.text
        other.enrol("notes", "weather", "rain in the hills")
        for text, name in ((TEXTS["sums"], "sums"), ("rain in the hills", "weather")):
            assert best(other, text) == name
    assert best(gallery, TEXTS["sums"]) == "sums"


def test_a_filled_table_from_before_a_purge_is_an_error_afterwards(root, monkeypatch):
    monkeypatch.setattr(index_module, "SPOOL_FLOATS", 100)
    late = load(root)[0]
    late.add(ids(80), rows(80))
    saved(root, seq=1).close()
    PgVector().purge(KEY, ids(5), root=root, seq=9)
    late.save(cursor(5))
    for work in (lambda: late.search(rows(1), 1), lambda: late.save(cursor(10))):
        with pytest.raises(IndexUnavailable, match="could not be saved"):
            work()
    assert len(load(root)[0]) == 75


ALTERED = {
    "a row": ("DELETE FROM {} WHERE id = 7", "holds 79 rows, not the 80 that were saved"),
    "a column": ("ALTER TABLE {} RENAME vector TO vectors", "has id, vectors with no vectors"),
    "another": ("ALTER TABLE {} ADD note text", "has id, note, vector with vector(16)"),
    "the dimension": ("ALTER TABLE {} ALTER vector TYPE vector", "has id, vector with vector, not"),
    "all": ("DROP TABLE {}", "is gone"),
}


@pytest.mark.parametrize(("statement", "words"), ALTERED.values(), ids=ALTERED)
def test_a_table_that_somebody_altered_is_refused_and_replaced(root, sql, statement, words):
    saved(root)
    sql(statement.format(table_of(sql)))
    index, refused = load(root)
    assert (len(index), len(refused)) == (0, 1)
    assert words in refused[0]
    saved(root, seq=2)
    assert (len(load(root)[0]), load(root)[1]) == (80, [])


def test_a_table_of_another_dimension_is_refused(root):
    saved(root)
    index, refused = PgVector().open(KEY, 8, root=root, known=lambda _: True)
    assert (len(index), refused) == (
        0,
        [f"table {refused[0].split()[1]} has {DIM}-d vectors, not 8-d"],
    )


BAD = {
    "postgresql://anna:hu@sh@127.0.0.1:1/faces": "cannot be read",
    "postgresql://anna:h%zhush@127.0.0.1:1/faces": "cannot be read",
    "hush": "cannot be read",
    "postgresql://anna:hush@127.0.0.1:1/faces?connect_timeout=2": "does not answer",
    "postgresql://anna:hush@nowhere.invalid/faces?connect_timeout=2": "does not answer",
    "host=127.0.0.1 port=1 password='hush hush'": "does not answer",
}


@pytest.mark.parametrize(("bad", "words"), BAD.items())
def test_a_bad_address_is_one_line_without_its_password(tmp_path, monkeypatch, bad, words):
    """Nor do errors that it came from, which a traceback shows."""
    monkeypatch.setenv("SIAMKIT_PGVECTOR", bad)
    with pytest.raises(IndexUnavailable, match=words) as caught:
        load(tmp_path / "index")
    error: BaseException | None = caught.value
    assert "\n" not in str(error)
    while error is not None:
        assert "hush" not in f"{error} {getattr(error, 'hint', '')}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_server_that_does_not_answer_gets_no_gallery(installed, shell):
    create = ["galleries", "create", "notes", "-m", "letters", "--index", "pgvector"]
    done = shell(*create, "--index-address", "postgresql://anna:hush@127.0.0.1:1/faces")
    assert (done.code, done.out) == (1, "")
    assert "anna:***@127.0.0.1:1/faces does not answer" in done.err
    assert "hush" not in done.err
    assert not (shell.folder / ".siamkit" / "pgvector.address").exists()
    assert shell("galleries", "--json").out.strip() == "[]"


def test_a_database_without_the_extension_says_who_can_help(postgres, sql):
    sql("CREATE DATABASE bare")
    sql("CREATE ROLE plain LOGIN")
    address = f"postgresql://plain@/bare?host={postgres.folder}"
    with pytest.raises(IndexUnavailable, match="no extension pgvector: permission") as caught:
        Server(address).connection()
    assert "CREATE EXTENSION vector" in caught.value.hint


def test_an_older_extension_names_the_version_it_needs(root, sql):
    sql("UPDATE pg_extension SET extversion = '0.4.4' WHERE extname = 'vector'")
    try:
        with pytest.raises(IndexUnavailable, match=r"is 0\.4\.4; 0\.5\.0 is the oldest"):
            load(root)
    finally:
        sql("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'")


def test_a_role_that_may_not_create_is_told_what_it_needs(postgres, sql, tmp_path, monkeypatch):
    sql("CREATE ROLE reader LOGIN")
    address = f"postgresql://reader@/postgres?host={postgres.folder}"
    sql("DROP SCHEMA IF EXISTS siamkit CASCADE")
    monkeypatch.setenv("SIAMKIT_PGVECTOR", address)
    with pytest.raises(IndexUnavailable, match="permission denied") as caught:
        saved(tmp_path / "index")
    assert "GRANT CREATE ON DATABASE" in caught.value.hint


def test_a_full_disk_there_costs_no_answer(gallery, monkeypatch, caplog):
    def fail(*_):
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    monkeypatch.setattr(tables.Table, "copy", fail)
    with pytest.raises(sk.StoreError, match=r"disk of the pgvector server .* is full"):
        gallery.rebuild_index("notes")
    assert best(gallery, TEXTS["sums"]) == "sums"
    assert "could not be saved" in caplog.text


def test_a_copied_store_is_told_apart_from_the_one_it_was_copied_from(gallery, caplog, tmp_path):
    gallery.rebuild_index("notes")
    gallery.close()
    shutil.copytree(gallery.root, tmp_path / "copy")
    with sk.Workspace(tmp_path / "copy") as copy:
        copy.enrol("notes", "weather", "rain in the hills")
        copy.rebuild_index("notes")  # takes the table over
        gallery.enrol("notes", "farewell", "so long and thanks")
        assert best(gallery, "so long and thanks") == "farewell"  # by scanning the store
        assert "is used by another copy of this store" in caplog.text
        failed = {c.check: c.hint for c in gallery.doctor() if not c.ok}
        assert "--new-id" in failed["index notes"]
        copy.renew_id()
        copy.rebuild_index("notes")
        gallery.close()
        gallery.rebuild_index("notes")
        caplog.clear()
        assert best(copy, "rain in the hills") == "weather"
        assert best(gallery, "so long and thanks") == "farewell"
        assert caplog.text == ""
        copy.delete_gallery("notes")
        assert best(gallery, "so long and thanks") == "farewell"


def test_a_restored_database_replaces_what_the_table_held(root):
    saved(root, seq=9)
    index, refused = load(root, known=lambda _: False)
    assert "another history" in refused[0]
    index.add(ids(5), rows(5))
    index.save(cursor(3))
    assert len(load(root)[0]) == 5


def test_what_was_purged_remains_until_the_server_vacuums(root, sql):
    saved(root)
    assert PgVector().remains(KEY, root=root) == ""
    PgVector().purge(KEY, ids(5), root=root, seq=2)
    words = PgVector().remains(KEY, root=root)
    assert f"VACUUM {table_of(sql)}" in words
    assert "hush" not in words
    sql(f"VACUUM {table_of(sql)}")
    sql("SELECT pg_stat_force_next_flush()")
    assert PgVector().remains(KEY, root=root) == ""


def test_a_vacuum_beside_an_open_view_leaves_what_was_purged(root, sql, address):
    saved(root)
    with psycopg.connect(address) as view:
        view.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        view.execute("SELECT 1")
        PgVector().purge(KEY, ids(5), root=root, seq=2)
        sql(f"VACUUM {table_of(sql)}")
        sql("SELECT pg_stat_force_next_flush()")
        assert "VACUUM" in PgVector().remains(KEY, root=root)


def test_a_vacuum_clears_the_graph_of_the_few_rows_that_were_purged(
    root, sql, postgres, monkeypatch
):
    monkeypatch.setattr(building, "SCANNED_FLOATS", 100)
    saved(root, count=6_000).build(ignore_progress)
    secret = rows(6_000)[2].tobytes()

    def traces():
        sql("CHECKPOINT")
        files = [path for path in (postgres.folder / "data" / "base").rglob("*") if path.is_file()]
        return sum(path.read_bytes().count(secret) for path in files)

    assert traces() == 2  # table and graph
    PgVector().purge(KEY, ids(6_000)[2:3], root=root, seq=2)
    sql(f"VACUUM {table_of(sql)}")
    sql("SELECT pg_stat_force_next_flush()")
    assert PgVector().remains(KEY, root=root) == ""
    assert traces() == 0


def test_a_table_that_was_dropped_by_hand_hinders_no_purge(root, sql):
    saved(root)
    sql(f"DROP TABLE {table_of(sql)}")
    PgVector().purge(KEY, ids(5), root=root, seq=2)
    assert not sql("SELECT 1 FROM siamkit.indexes WHERE key = %s", (KEY,)).fetchone()
    saved(root, seq=3)
    assert len(load(root)[0]) == 80


def test_without_shared_memory_the_graph_in_use_stays_while_another_is_built(
    root, sql, monkeypatch
):
    monkeypatch.setattr(building, "SCANNED_FLOATS", 100)
    index = saved(root, count=300)
    index.build(ignore_progress)
    query = "SELECT count(*) FROM pg_indexes WHERE tablename = %s AND indexdef LIKE '%%hnsw%%'"
    name, counts, run = table_of(sql)[9:-1], [], building._run

    def fail_first(*arguments):
        counts.append(sql(query, (name,)).fetchone()[0])
        if len(counts) == 1:
            raise psycopg.errors.DiskFull("could not resize shared memory segment")
        run(*arguments)

    monkeypatch.setattr(building, "_run", fail_first)
    index.add(ids(600)[300:], rows(600)[300:])
    index.save(cursor(2))
    index.build(ignore_progress)
    assert counts == [1, 1]
    assert sql(query, (name,)).fetchone() == (1,)
    assert index.describe()["in_graph"] == 600 - building.PROBES


def test_several_processes_that_save_at_once_lose_nothing(root):
    saved(root, count=20).close()
    children = []
    for number in range(4):
        process = os.fork()
        if not process:
            index = load(root)[0]
            last = 25 + 5 * number
            index.add(ids(last)[20:], rows(last)[20:])
            index.save(cursor(last))
            os._exit(0)
        children.append(process)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    index = load(root)[0]
    assert (index.cursor(), len(index)) == (cursor(40), 40)
    assert ids_found(index) == {*range(1, 41)}


def test_rows_newer_than_an_open_view_are_left_out(root):
    index = saved(root)
    other = load(root)[0]
    other.add(np.array([500]), rows(1))
    other.save(cursor(2))
    assert index.search(rows(1), 1).ids.tolist() == [[1]]
    assert other.search(rows(1), 2).ids.tolist() == [[1, 500]]
