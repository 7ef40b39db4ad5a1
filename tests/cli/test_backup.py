"""`siamkit backup`: the whole store as one file, and back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import threading
from contextlib import closing

import numpy as np
import pytest

import siamkit as sk
from siamkit.store import backup as store_backup


@pytest.fixture
def people(shell):
    """A store with two galleries, their indexes saved."""
    with sk.Workspace(shell.folder / ".siamkit") as ws:
        for name in ("letters", "more"):
            ws.create_gallery(name, "letters")
        rows = np.random.default_rng(0).normal(size=(2_000, 64))
        list(ws.add_templates("letters", [f"p {n}" for n in range(2_000)], rows))
        ws.enrol("more", "anna", "hello there")
        ws.query("letters", "x")
    return shell


def restore(shell):
    """As the help of `siamkit backup` says."""
    (shell.folder / "restored").mkdir(mode=0o700)
    shutil.copy(shell.folder / "all.db", shell.folder / "restored" / "store.db")
    return sk.Workspace(shell.folder / "restored")


def test_a_backup_holds_everything_and_is_restored_by_a_copy(people):
    done = people("backup", "all.db", "--json")
    size = (people.folder / "all.db").stat().st_size
    assert json.loads(done.out) == {
        "file": "all.db", "galleries": 2, "samples": 2_001, "bytes": size
    }  # fmt: skip
    before = people("list", "--json").out
    assert people("list", "--json", "--store", "restored").code == 1
    with restore(people) as ws:
        assert ws.query("more", "hello there")[0].identity == "anna"
    assert people("list", "--json", "--store", "restored").out == before
    rows = json.loads(people("doctor", "--json", "--store", "restored").out)
    assert all(
        row["ok"] for row in rows if row["check"].split()[0] in ("store", "gallery", "index")
    )


def test_a_backup_is_one_file_that_any_disk_can_hold(people):
    people("backup", "all.db")
    with closing(sqlite3.connect(people.folder / "all.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert sorted(os.listdir(people.folder)) == [".siamkit", "all.db"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere modes say nothing of others")
def test_a_backup_is_its_owners_alone(people):
    before = os.umask(0)
    try:
        people("backup", "all.db")
    finally:
        os.umask(before)
    assert stat.S_IMODE((people.folder / "all.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", ["file", "folder", "link"])
def test_nothing_is_overwritten(people, taken):
    path = people.folder / "all.db"
    if taken == "file":
        path.write_text("valuable")
    elif taken == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    done = people("backup", "all.db")
    assert done.code == 2
    assert "all.db already exists" in done.err
    assert taken != "file" or path.read_text() == "valuable"


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("absent/all.db",), 2, "mkdir -p absent"),
        (("all.db", "--store", "nowhere"), 1, "there is no store"),
        ((), 2, "FILE"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_cure(people, arguments, code, why):
    done = people("backup", *arguments)
    assert done.code == code
    assert why in done.err
    assert os.listdir(people.folder) == [".siamkit"]


@pytest.mark.timeout(60)
def test_a_backup_is_of_one_moment_however_others_write(people, monkeypatch):
    """Each writer adds identities in pairs; SQLite alone would begin again at each commit."""
    monkeypatch.setattr(store_backup, "PAGES", 1)
    root, stop, steps = people.folder / ".siamkit", threading.Event(), []

    def write():
        rows, number = np.random.default_rng(1).normal(size=(2, 64)), 0
        with sk.Workspace(root) as ws:
            while not stop.is_set():
                list(ws.add_templates("letters", [f"a {number}", f"b {number}"], rows + number))
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with sk.Workspace(root) as ws:
            ws.backup(people.folder / "all.db", progress=lambda *step: steps.append(step))
            copied = sum(1 for h in ws.identities() if h.identity.startswith("a "))
    finally:
        stop.set()
        writer.join()
    done, totals = [step[1] for step in steps], {step[2] for step in steps}
    assert done == sorted(done)  # it never began again
    assert len(totals) == 1
    with restore(people) as ws:
        labels = [h.identity for h in ws.identities("letters")]
        assert sum(label.startswith("a ") for label in labels) <= copied
        numbers = [{label[2:] for label in labels if label[0] == letter} for letter in "ab"]
        assert numbers[0] == numbers[1]
        assert len(labels) >= 2_000


@pytest.mark.timeout(60)
def test_ctrl_c_leaves_nothing(people, monkeypatch):
    monkeypatch.setattr(store_backup, "PAGES", 1)
    monkeypatch.setattr(
        "siamkit.flows.backup.copy_database",
        lambda store, path, progress: store_backup.copy_database(
            store, path, lambda *_: signal.raise_signal(signal.SIGINT)
        ),
    )
    done = people("backup", "all.db")
    assert done.code == 130
    assert os.listdir(people.folder) == [".siamkit"]
    assert people("backup", "other.db").code == 130
    monkeypatch.undo()
    assert people("backup", "all.db").code == 0


def test_a_full_disk_leaves_nothing_and_says_so(people, monkeypatch):
    connect = store_backup._connect

    def connect_to_little_room(path):
        copy = connect(path)
        copy.execute("PRAGMA max_page_count = 5")
        return copy

    monkeypatch.setattr(store_backup, "_connect", connect_to_little_room)
    done = people("backup", "all.db")
    assert done.code == 1
    assert "the backup could not be written" in done.err
    assert "room" in done.err
    assert os.listdir(people.folder) == [".siamkit"]


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_damage_anywhere_is_an_error_or_makes_a_sound_backup(people, part):
    path = people.folder / ".siamkit" / "store.db"
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * part) // 4096 * 4096)
        file.write(os.urandom(4096))
    done = people("backup", "all.db")
    assert done.code in (0, 1)
    assert (done.code == 0) == (people.folder / "all.db").exists()


def test_a_damaged_store_makes_no_backup(people):
    with closing(sqlite3.connect(people.folder / ".siamkit" / "store.db")) as db:
        (page,) = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'templates'"
        ).fetchone()
    with (people.folder / ".siamkit" / "store.db").open("r+b") as file:
        file.seek((page - 1) * 4096 + 12)  # the cells of the root page
        file.write(b"\xff" * 200)
    done = people("backup", "all.db")
    assert done.code == 1
    assert "damaged" in done.err
    assert not (people.folder / "all.db").exists()


def test_a_backup_from_before_an_erasure_brings_it_back(people):
    """docs/security.md says so; what is forgotten in the restored store is gone from it."""
    people("backup", "all.db")
    people("forget", "anna", "--yes")
    with restore(people) as ws:
        assert ws.query("more", "hello there")[0].identity == "anna"
        ws.forget("anna")
        assert not any(
            b"anna" in path.read_bytes() for path in ws.root.rglob("*") if path.is_file()
        )
