"""A forgotten vector is in no file: whatever other processes save, or backups bring back."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import siamkit as sk
from siamkit.io import unfinished
from siamkit.store import Store, galleries, samples
from siamkit.store.live_index import LiveIndex

TEXT, SECRET = "nobody should find this", "secret one"


def enrolled(folder: Path) -> sk.Workspace:
    """Return a store with two galleries that both hold the secret, their indexes saved."""
    ws = sk.Workspace(folder / ".siamkit")
    for name in ("letters", "more"):
        ws.create_gallery(name, "letters")
        ws.enrol(name, SECRET, TEXT)
        ws.enrol(name, "bob", "anything else")
        ws.query(name, "x")
    return ws


def vector_of(ws: sk.Workspace) -> bytes:
    return ws.pipeline("letters").encoder.embed([TEXT])[0].tobytes()


def traces(ws: sk.Workspace, folder: Path) -> list[Path]:
    """Return the files that hold the forgotten vector, text or label."""
    words = [vector_of(ws), TEXT.encode(), SECRET.encode()]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(word in path.read_bytes() for word in words)]


COMMANDS = (
    ("list",),
    ("show", "bob"),
    ("rename", "bob", "robert"),
    ("galleries", "list"),
    ("galleries", "create", "third", "-m", "letters"),
    ("index", "stats"),
    ("query", "more", "--text", "x"),
    ("enrol", "more", "--text", "x", "--as", "x"),
    ("export", "more", "out"),
    ("forget", "bob", "--yes"),
    ("doctor",),
    ("init",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("how", ["forget", "delete", "move"])
def test_a_snapshot_that_is_put_back_is_deleted_by_any_command(shell, command, how):
    """A backup does it, or a process that was slow to save, and was killed then."""
    with enrolled(shell.folder) as ws:
        index = ws.root / "index"
        shutil.copytree(index, shell.folder / "aside")
        if how == "forget":
            ws.forget(SECRET)
        elif how == "delete":
            ws.delete_gallery("letters")
            ws.forget(SECRET)
        else:
            ws.rebuild_index("letters", index="shelf")
            ws.forget(SECRET)
        shutil.rmtree(index)
        shutil.move(shell.folder / "aside", index)
        assert len(traces(ws, ws.root)) == 2
    shell(*command)
    assert traces(ws, ws.root) == []


def test_a_half_written_snapshot_is_deleted_by_any_command(shell):
    with enrolled(shell.folder) as ws:
        key = galleries.get(ws.store, "letters").index_key
        left = ws.root / "index" / "faiss" / f".{key}-9-{'a' * 16}.faiss.{'b' * 16}"
        left.write_bytes(vector_of(ws))
    shell("list")
    assert not left.exists()
    assert len(list(left.parent.glob("*.faiss"))) == 2


@pytest.mark.parametrize("more", [1_100, 2_300])
def test_what_another_process_forgets_is_in_no_snapshot_of_a_long_open_one(tmp_path, more):
    """It has the vector mapped, and saves its index again when enough has been enrolled."""
    ws = enrolled(tmp_path)
    before = set((ws.root / "index" / "faiss").iterdir())
    with sk.Workspace(ws.root) as second:
        second.forget(SECRET)
    assert traces(ws, ws.root) == []
    rows = np.random.default_rng(0).normal(size=(more, 64))
    for start in range(0, more, 100):
        part = rows[start : start + 100]
        list(ws.add_templates("letters", [f"p {start + n}" for n in range(len(part))], part))
        assert ws.query("letters", TEXT)[0].identity != SECRET
        assert traces(ws, ws.root) == []
    saved = [p for p in (ws.root / "index" / "faiss").glob("*.faiss") if p not in before]
    assert saved  # it has saved since
    ws.close()
    assert traces(ws, ws.root) == []


def test_a_snapshot_saved_from_before_is_deleted_by_its_own_writer(tmp_path):
    """A process that read before the deletion and saves after it deletes its own snapshot."""
    ws = enrolled(tmp_path)
    store = Store(ws.root)
    live = LiveIndex(store, galleries.get(store, "letters"), save=False)
    with sk.Workspace(ws.root) as second:
        second.forget(SECRET)
    live.save()
    assert traces(ws, ws.root) == []
    store.close()
    ws.close()


# --- the steps of a deletion, one by one ---


def delete(store: Store) -> None:
    samples.delete(store, [sample.id for sample in samples.of_label(store, SECRET)])


def test_deleted_content_is_overwritten_at_once(tmp_path):
    """As long as a reader holds up the rewriting of the file, secure_delete is all there is."""
    with enrolled(tmp_path) as ws:
        rows = np.random.default_rng(0).normal(size=(500, 64))
        list(ws.add_templates("letters", [f"p {n}" for n in range(500)], rows))
        ws.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = ws.store.path.read_bytes()
        assert vector_of(ws) in content
        assert TEXT.encode() in content
        delete(ws.store)
        ws.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = ws.store.path.read_bytes()
        assert vector_of(ws) not in content
        assert TEXT.encode() not in content


def test_a_deletion_leaves_no_free_page_and_nothing_in_the_log(tmp_path):
    """A second connection keeps the log file from being deleted with the last one."""
    with enrolled(tmp_path) as ws, sk.Workspace(ws.root) as second:
        rows = np.random.default_rng(0).normal(size=(500, 64))
        list(ws.add_templates("letters", [SECRET] * 500, rows))
        second.query("letters", "x")
        size = 500 * 64 * 4
        log = ws.store.path.with_name("store.db-wal")
        assert log.stat().st_size > size
        ws.forget(SECRET)
        assert ws.store.connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert log.stat().st_size < 10 * 4096  # the note that all traces are gone
        for row in rows:
            unit = (row / np.linalg.norm(row)).astype("<f4").tobytes()[:64]
            assert not any(unit in path.read_bytes() for path in ws.root.glob("store.db*"))
        assert traces(ws, ws.root) == []


def test_the_rewritten_database_has_reached_the_file_itself(tmp_path):
    """It is not in the log, from where it would reach the file at some later time."""
    with enrolled(tmp_path) as ws, sk.Workspace(ws.root) as second:
        second.query("letters", "x")
        ws.forget(SECRET)
        shutil.copy(ws.store.path, tmp_path / "alone.db")
        with closing(sqlite3.connect(tmp_path / "alone.db")) as db:
            assert db.execute("SELECT count(*) FROM samples").fetchone() == (2,)
            assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("secure_delete", 1), ("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1)],
)
def test_every_connection_keeps_the_promises(workspace, pragma, value):
    """synchronous 2: a commit is on the disk before it is acknowledged."""
    workspace.init()
    for store in (workspace.store, Store(workspace.root)):
        assert store.connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)
        if store is not workspace.store:
            store.close()


# --- outputs of killed processes ---


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is deleted")
@pytest.mark.parametrize("command", ["list", "forget", "doctor"])
def test_what_a_killed_export_left_elsewhere_is_deleted(shell, command):
    with enrolled(shell.folder) as ws:
        elsewhere = shell.folder / "elsewhere"
        elsewhere.mkdir()
        left = elsewhere / f".siamkit-{'0' * 16}"
        left.mkdir()
        (left / "templates.npy").write_bytes(vector_of(ws))
        register = unfinished.store_register(ws.root)
        register.mkdir()
        (register / left.name).write_text(str(left))
    if command == "doctor":
        assert str(left) in shell("doctor").out
    else:
        shell(command, *((SECRET, "--yes") if command == "forget" else ()))
    assert not left.exists()
    assert list(register.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="elsewhere modes say nothing of others")
def test_a_store_and_all_in_it_is_its_owners_alone(shell):
    before = os.umask(0)
    try:
        shell("enrol", "letters", "--text", "hello there", "--as", "anna")
        shell("query", "letters", "--text", "hello there")
        with sk.Workspace(shell.folder / ".siamkit") as ws:
            ws.query("letters", "x")
            paths = [ws.root, *ws.root.rglob("*")]
            assert {"store.db", "store.db-wal", "store.db-shm"} <= {path.name for path in paths}
            assert any(path.suffix == ".faiss" for path in paths)
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    finally:
        os.umask(before)
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in paths}


@pytest.mark.skipif(os.name != "posix", reason="elsewhere modes say nothing of others")
def test_an_index_is_for_those_who_may_read_the_database(workspace):
    workspace.enrol("letters", "anna", "hello there")
    workspace.store.path.chmod(0o640)
    workspace.query("letters", "x")
    files = list(workspace.store.index_root.rglob("*"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (workspace.store.index_root, *files)}
    assert modes == {0o750, 0o640}


@pytest.mark.skipif(os.name != "posix", reason="elsewhere modes say nothing of others")
@pytest.mark.parametrize(
    ("mode", "ok", "what"),
    [("go-rwx", True, "owner alone"), ("g+rX", True, "group"), ("go+rX", False, "everybody")],
)
def test_doctor_says_who_else_can_read_the_store(shell, mode, ok, what):
    enrolled(shell.folder).close()
    subprocess.run(["chmod", "-R", mode, shell.folder / ".siamkit"], check=True)
    rows = {row["check"]: row for row in json.loads(shell("doctor", "--json").out)}
    assert rows["access"]["ok"] is ok
    assert what in rows["access"]["found"]
    if mode != "go-rwx":
        subprocess.run(rows["access"]["hint"], shell=True, check=True, cwd=shell.folder)
        assert "owner alone" in shell("doctor").out


def test_doctor_says_that_traces_are_left(shell):
    enrolled(shell.folder).close()
    store = Store(shell.folder / ".siamkit")
    with store.read() as db:
        db.execute("SELECT count(*) FROM samples").fetchone()
        other = Store(store.root)
        delete(other)
        other.close()
        rows = {row["check"]: row for row in json.loads(shell("doctor", "--json").out)}
    assert not rows["deletions"]["ok"]
    assert "siamkit doctor" in rows["deletions"]["hint"]
    store.close()
    assert "traces" not in shell("doctor").out


BLOCKED = """
import os, sys, time
from siamkit.cli import run

def block(*_):
    print("written", flush=True)
    time.sleep(60)

os.replace = os.rename = block
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is deleted")
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "command",
    [
        ("export", "letters", "there/out"),
        ("backup", "there/all.db"),
        ("embed", "-m", "letters", "--from", "texts.txt", "--output", "there/v.npy"),
        ("dedupe", "texts.txt", "-m", "letters", "--output", "there/groups.csv"),
        ("dedupe", "texts.txt", "-m", "letters", "--report", "there/page.html"),
        ("encoders", "build", "bigrams"),
        ("index", "rebuild", "letters"),
    ],
    ids=" ".join,
)
def test_what_a_process_leaves_that_is_killed_before_its_output_is_in_place(
    shell, tmp_path, command
):
    """All of it is written, and the last step is missing."""
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    enrolled(shell.folder).close()
    (shell.folder / "there").mkdir()
    (shell.folder / "texts.txt").write_text(f"{TEXT}\nanother\n{TEXT}\n")
    (shell.folder / "texts.txt").chmod(0o600)
    before = leftovers(shell.folder)
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKED, *command],
        cwd=shell.folder, env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == b"written\n", process.stderr.read()
        process.kill()
    assert before == set()
    assert leftovers(shell.folder)
    assert "forgot" in shell("forget", SECRET).out
    assert leftovers(shell.folder) == set()


def leftovers(folder: Path) -> set[Path]:
    """Return half-written outputs, their notes, and half-written indexes."""
    return {*folder.rglob(".siamkit-*"), *folder.rglob(".g*-*")}
