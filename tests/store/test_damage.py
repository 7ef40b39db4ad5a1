"""What is stored is checked when it is read: a damaged row takes part in nothing, and is named."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from damage import alter, vector_of
from manifest import lines

from siamkit.store import schema

TEXTS = {"greet": "hello there my friend", "sum": "one and one is two", "fox": "a quick brown fox"}
PROBE = "hello there my freind"


@pytest.fixture
def letters(shell):
    """Three identities, of two samples each; sample 1 is the first of `greet`."""
    pairs = [(label, text + end) for end in ("", " again") for label, text in TEXTS.items()]
    done = shell("enrol", "letters", "--from", "-", stdin=lines(*pairs))
    assert done.code == 0, done.err
    return shell


def flip_exponent(vector: np.ndarray) -> None:
    vector.view("<u4")[0] ^= 1 << 30


def flip_sign(vector: np.ndarray) -> None:
    vector[np.abs(vector).argmax()] *= -1  # its norm stays 1


def flip_mantissa(vector: np.ndarray) -> None:
    vector.view("<u4")[0] ^= 1


DAMAGE: dict[str, Callable[[np.ndarray], None]] = {
    "exponent": flip_exponent,
    "sign": flip_sign,
    "mantissa": flip_mantissa,
    "nan": lambda vector: vector.fill(np.nan),
    "zero": lambda vector: vector.fill(0),
}


@pytest.mark.parametrize("snapshot", ["before", "after"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_template_takes_part_in_nothing(letters, kind, snapshot):
    """Whether the index was saved before the damage, or is built after it."""
    root = letters.folder / ".siamkit"
    if snapshot == "before":
        letters("index", "rebuild", "letters")
    vector = vector_of(root, 1)
    DAMAGE[kind](vector)
    alter(root, "UPDATE templates SET vector = ? WHERE sample_id = 1", vector)
    for command in (
        ("query", "letters", "--text", PROBE, "-k", "9", "--json"),
        ("query", "letters", "--text", PROBE, "-k", "9", "--fusion", "mean", "--json"),
        ("verify", "letters", "--as", "greet", "--text", PROBE, "--json"),
        ("classify", "letters", "--text", PROBE, "--json"),
        ("audit", "letters", "--json"),
        ("export", "letters", "copy"),
        ("evaluate", "--gallery", "letters", "--json"),
        ("calibrate", "letters", "--fmr", "0.3", "--json"),
    ):
        done = letters(*command)
        assert done.code in (0, 1, 2, 3, 5), done.err
        assert "damaged" in done.err, command
        assert "`siamkit doctor` says how to mend them" in done.err
    exported = np.load(letters.folder / "copy" / "templates.npy")
    assert len(exported) == 5
    done = letters("query", "letters", "--text", PROBE, "-k", "9", "--json")
    (region,) = json.loads(done.out)["probes"][0]["regions"]
    assert region["matches"][0]["sample_id"] == 4  # the other of `greet`
    assert all(abs(match["score"]) <= 1 for match in region["matches"])


def test_vectors_of_an_older_store_get_checksums(letters):
    root = letters.folder / ".siamkit"
    with closing(sqlite3.connect(root / "store.db")) as db, db:
        db.execute("ALTER TABLE templates DROP COLUMN crc32")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm005_checksums'")
        db.execute("PRAGMA user_version = 4")
    assert "damaged" not in letters("query", "letters", "--text", PROBE).err
    vector = vector_of(root, 1)
    flip_sign(vector)
    alter(root, "UPDATE templates SET vector = ? WHERE sample_id = 1", vector)
    assert "damaged" in letters("query", "letters", "--text", PROBE).err


def test_the_usual_schema_is_that_of_the_migrations():
    assert schema.checksum(schema.migrated()) == schema.USUAL


@pytest.mark.parametrize("again", ["enrol", "reembed"])
def test_a_damaged_sample_is_mended_by_enrolling_it_again_or_by_reembed(letters, again):
    root = letters.folder / ".siamkit"
    before = vector_of(root, 1)
    alter(root, "UPDATE templates SET vector = zeroblob(256) WHERE sample_id = 1")
    if again == "enrol":
        done = letters("enrol", "letters", "--text", TEXTS["greet"], "--as", "greet")
        assert "enrolled" in done.out
    else:
        done = letters("reembed", "letters")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(vector_of(root, 1), before)
    done = letters("query", "letters", "--text", PROBE, "-k", "9")
    assert (done.code, done.err) == (0, "")


def test_a_vector_in_the_row_of_another_sample_is_damage(letters):
    root = letters.folder / ".siamkit"
    alter(root, "UPDATE templates SET vector = ? WHERE sample_id = 1", vector_of(root, 2))
    done = letters("verify", "letters", "--as", "greet", "--text", TEXTS["sum"])
    assert done.code == 3
    assert "left out: 1 of its samples (1)" in done.err


ALTERED = {
    "an endless view": (
        "DROP TABLE identities; CREATE VIEW identities AS WITH RECURSIVE n(id) AS"
        " (VALUES (1) UNION ALL SELECT id + 1 FROM n) SELECT id, 'x' AS name, '' AS created FROM n",
        "identities is a view, not a table",
    ),
    "no trigger": ("DROP TRIGGER templates_added", "trigger templates_added is missing"),
    "no index": ("DROP INDEX changes_by_gallery", "index changes_by_gallery is missing"),
    "no table": ("DROP TABLE observations", "table observations is missing"),
    "a trigger more": (
        "CREATE TRIGGER x AFTER INSERT ON samples BEGIN DELETE FROM samples; END",
        "trigger x is not siamkit's",
    ),
    "a generated column": (
        "ALTER TABLE samples ADD COLUMN twice AS (id * 2)",
        "table samples is not as siamkit made it",
    ),
    "a column less": ("ALTER TABLE galleries DROP COLUMN floor", "table galleries is not as"),
}


@pytest.mark.parametrize("how", ALTERED)
@pytest.mark.timeout(60)
def test_an_altered_schema_is_refused_at_once(letters, how):
    statements, fault = ALTERED[how]
    with closing(sqlite3.connect(letters.folder / ".siamkit" / "store.db")) as db:
        db.executescript(statements)
    for command in (("query", "letters", "--text", PROBE), ("forget", "greet", "--yes")):
        done = letters(*command)
        assert done.code == 1
        assert fault in done.err
        assert "restore a backup" in done.err
    done = letters("doctor", "--json")
    assert done.code == 1
    assert any(fault in check["found"] for check in json.loads(done.out))


def test_tables_and_indexes_of_others_are_no_fault(letters):
    with closing(sqlite3.connect(letters.folder / ".siamkit" / "store.db")) as db:
        db.executescript("CREATE TABLE theirs (x); CREATE INDEX their_index ON samples (source)")
    assert letters("query", "letters", "--text", PROBE).code == 0


@pytest.mark.parametrize("part", ["store.db", "store.db-wal", "store.db-shm"])
@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.timeout(60)
def test_a_store_that_is_no_file_is_refused_at_once(letters, part, kind):
    path = letters.folder / ".siamkit" / part
    path.unlink(missing_ok=True)
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    for command in (("query", "letters", "--text", PROBE), ("list",)):
        done = letters(*command)
        assert done.code == 1
        assert f"{part} is not a file" in done.err
    assert letters("doctor").code == 1


def test_a_store_cut_to_nothing_is_not_taken_for_a_new_one(letters):
    letters("query", "letters", "--text", PROBE)  # saves an index
    (letters.folder / ".siamkit" / "store.db").write_bytes(b"")
    done = letters("enrol", "letters", "--text", "a new one", "--as", "x")
    assert done.code == 1
    assert "store.db is empty" in done.err
