"""What is stored is checked when it is read: a damaged row takes part in nothing, and is named."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from damage import PROBE, TEXTS, alter, make_store, vector_of

from siamkit import Workspace
from siamkit.store import schema


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound") / "store"
    make_store(root)
    return root


@pytest.fixture
def letters(shell, sound):
    """Seven identities of three samples each; 1, 8 and 15 are those of `greet`."""
    shutil.copytree(sound, shell.folder / ".siamkit")
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
    if snapshot == "after":
        shutil.rmtree(root / "index")
    vector = vector_of(root, 1)
    DAMAGE[kind](vector)
    alter(root, "UPDATE templates SET vector = ? WHERE sample_id = 1", vector)
    for command in (
        ("query", "letters", "--text", PROBE, "-k", "99", "--json"),
        ("query", "letters", "--text", PROBE, "-k", "99", "--fusion", "mean", "--json"),
        ("verify", "letters", "--as", "greet", "--text", PROBE, "--json"),
        ("classify", "letters", "--text", PROBE, "--json"),
        ("audit", "letters", "--json"),
        ("export", "letters", "copy"),
        ("evaluate", "--gallery", "letters", "--json"),
        ("calibrate", "letters", "--fmr", "0.2", "--json"),
    ):
        done = letters(*command)
        assert done.code in (0, 1, 2, 3, 5), done.err
        assert "damaged" in done.err, command
        assert "`siamkit doctor` says how to mend them" in done.err
    exported = np.load(letters.folder / "copy" / "templates.npy")
    assert len(exported) == 20
    done = letters("query", "letters", "--text", PROBE, "-k", "99", "--json")
    (region,) = json.loads(done.out)["probes"][0]["regions"]
    assert region["matches"][0]["sample_id"] in (8, 15)  # the others of `greet`
    assert all(abs(match["score"]) <= 1 for match in region["matches"])


def test_the_usual_schema_is_that_of_the_migrations():
    assert schema.checksum(schema.migrated()) == schema.USUAL


@pytest.mark.parametrize("again", ["enrol", "reembed"])
def test_a_damaged_sample_is_mended_by_enrolling_it_again_or_by_reembed(letters, again):
    root = letters.folder / ".siamkit"
    before = vector_of(root, 1)
    alter(root, "UPDATE templates SET vector = zeroblob(256) WHERE sample_id = 1")
    if again == "enrol":
        done = letters("enrol", "letters", "--text", TEXTS["greet"][0], "--as", "greet")
        assert "enrolled" in done.out
    else:
        done = letters("reembed", "letters")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(vector_of(root, 1), before)
    done = letters("query", "letters", "--text", PROBE, "-k", "99")
    assert (done.code, done.err) == (0, "")


def test_a_vector_in_the_row_of_another_sample_is_damage(letters):
    root = letters.folder / ".siamkit"
    alter(root, "UPDATE templates SET vector = ? WHERE sample_id = 1", vector_of(root, 2))
    done = letters("verify", "letters", "--as", "greet", "--text", TEXTS["sum"][0])
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
    (letters.folder / ".siamkit" / "store.db").write_bytes(b"")
    done = letters("enrol", "letters", "--text", "a new one", "--as", "x")
    assert done.code == 1
    assert "store.db is empty" in done.err


ROWS = {
    "a template": ("UPDATE templates SET vector = zeroblob(256) WHERE sample_id = 1", "1 (greet)"),
    "its length": ("UPDATE templates SET vector = zeroblob(255) WHERE sample_id = 1", "1 (greet)"),
    "its type": ("UPDATE templates SET vector = 'text' WHERE sample_id = 1", "1 (greet)"),
    "its checksum": ("UPDATE templates SET crc32 = crc32 + 1 WHERE sample_id = 1", "1 (greet)"),
    "no template": ("DELETE FROM templates WHERE sample_id = 1", "1 (greet)"),
    "an identity": ("UPDATE samples SET identity_id = 2 WHERE id = 1", "samples: 1"),
    "a digest": ("UPDATE samples SET digest = x'00' WHERE id = 1", "1 (greet)"),
    "a region": ("""UPDATE samples SET region = '{"score": NaN}' WHERE id = 1""", "1 (greet)"),
    "a box": ("""UPDATE samples SET region = '{"score":1,"where":[9,1]}' WHERE id = 1""", "1 (gr"),
    "a quality": ("UPDATE samples SET quality = 1e300 WHERE id = 1", "1 (greet)"),
    "a source": ("UPDATE samples SET source = x'ff' WHERE id = 1", "1 (greet)"),
    "text that is not UTF-8": (
        "UPDATE samples SET source = CAST(x'61ff' AS TEXT) WHERE id = 1",
        "1 (greet)",
    ),
    "a label": (
        "UPDATE identities SET name = CAST(x'61ff' AS TEXT) WHERE name = 'greet'",
        "samples: 1",
    ),
}


@pytest.mark.parametrize("what", ROWS)
def test_doctor_names_the_damaged_sample_and_the_cure_works(letters, what):
    root = letters.folder / ".siamkit"
    statement, named = ROWS[what]
    alter(root, statement)
    done = letters("doctor")
    assert done.code == 1
    assert named in done.out
    for command in (
        ("query", "letters", "--text", PROBE, "-k", "99"),
        ("list",),
        ("audit", "letters"),
    ):
        done = letters(*command)
        assert done.code in (0, 1, 2, 3), done.err
    for sample in ("1", "8", "15") if what == "a label" else ("1",):
        assert letters("forget", "--sample", sample, "--yes").code == 0
    done = letters("enrol", "letters", "--text", TEXTS["greet"][0], "--as", "greet")
    assert done.code == 0, done.err
    faults = [c for c in json.loads(letters("doctor", "--json").out) if not c["ok"]]
    assert [fault["check"] for fault in faults] == ["plugin broken"]


def test_doctor_goes_on_with_other_galleries(letters):
    assert letters("init", "other", "-m", "letters").code == 0
    root = letters.folder / ".siamkit"
    alter(root, "UPDATE templates SET vector = zeroblob(256) WHERE sample_id = 1")
    alter(root, "INSERT INTO spaces SELECT 9, modality, 'x', -1, created FROM spaces")
    alter(root, "UPDATE galleries SET space_id = 9 WHERE name = 'other'")
    checks = {c["check"]: c for c in json.loads(letters("doctor", "--json").out)}
    assert not checks["samples letters"]["ok"]
    assert "damaged" in checks["gallery other"]["found"]


CALIBRATIONS = {
    "flipped": "UPDATE calibrations SET threshold = threshold / 2",
    "threshold": "UPDATE calibrations SET threshold = 7",
    "infinite": "UPDATE calibrations SET threshold = 9e999",
    "text": "UPDATE calibrations SET threshold = 'x'",
    "model": "UPDATE calibrations SET model = '{\"format\": 2}'",
    "cut": "UPDATE calibrations SET model = substr(model, 1, 99)",
    "falling": "UPDATE calibrations SET model = json_set(model, '$.false_matches.rates[0]', 0)",
}


@pytest.mark.parametrize("what", CALIBRATIONS)
def test_a_damaged_calibration_decides_nothing(letters, what):
    alter(letters.folder / ".siamkit", CALIBRATIONS[what])
    done = letters("query", "letters", "--text", PROBE)
    assert "calibration of gallery letters cannot be read" in done.err
    assert "greet" not in done.out.splitlines()[0]
    checks = {c["check"]: c for c in json.loads(letters("doctor", "--json").out)}
    assert checks["calibration letters"]["hint"] == "siamkit calibrate letters"
    assert not checks["calibration letters"]["ok"]
    assert letters("calibrate", "letters", "--fmr", "0.2").code == 0
    assert "cannot be read" not in letters("query", "letters", "--text", PROBE).err


@pytest.mark.parametrize("opening", ["compared", "trusted"])
def test_a_flipped_bit_in_a_saved_index_decides_nothing(letters, monkeypatch, opening):
    """Small ones are compared when they are opened; of others, each score with the store's."""
    if opening == "trusted":
        monkeypatch.setattr("siamkit_faiss.snapshot.ALWAYS_COMPARED", 0)
    sound = json.loads(letters("query", "letters", "--text", PROBE, "--json").out)
    root = letters.folder / ".siamkit"
    (path,) = (root / "index" / "faiss").glob("*.faiss")
    content, state = bytearray(path.read_bytes()), path.stat()
    place = content.index(vector_of(root, 4).tobytes())
    content[place + 3] ^= 0x40  # the exponent of the first number
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    done = letters("query", "letters", "--text", PROBE, "--json")
    assert json.loads(done.out) == sound
    assert ("is rebuilt" in done.err) == (opening == "trusted")
    assert letters("query", "letters", "--text", PROBE, "--json").err == ""


def test_reembed_names_a_sample_whose_row_is_damaged(letters):
    alter(letters.folder / ".siamkit", "UPDATE samples SET identity_id = 2 WHERE id = 1")
    done = letters("reembed", "letters")
    assert done.code == 2
    assert "sample 1 is damaged in the store" in done.err
    assert letters("reembed", "letters", "--drop-missing").code == 0
    assert "damaged" not in letters("query", "letters", "--text", PROBE, "-k", "99").err


def test_damage_while_a_workspace_is_open_decides_nothing(letters):
    root = letters.folder / ".siamkit"
    with Workspace(root) as ws:
        assert ws.query("letters", PROBE)[0].matches[0].sample_id == 1
        vector = vector_of(root, 1)
        flip_exponent(vector)
        alter(root, "UPDATE templates SET vector = ? WHERE sample_id = 1", vector)
        answer = ws.query("letters", PROBE)[0]
        assert answer.matches[0].sample_id in (8, 15)


def test_a_schema_that_sqlite_cannot_read_is_a_plain_error(letters):
    """Its message is not text either."""
    path = letters.folder / ".siamkit" / "store.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "PRAGMA writable_schema = ON;"
            "UPDATE sqlite_master SET sql = CAST(x'ff' AS TEXT) WHERE name = 'samples'"
        )
    for command in (("list",), ("doctor",), ("query", "letters", "--text", PROBE)):
        done = letters(*command)
        assert done.code == 1, done.err
        assert "is damaged" in done.err + done.out


def test_an_index_of_labels_that_leads_to_another_identity_decides_nothing(letters):
    """A few flipped bits in SQLite's own index: one label leads to another's row."""
    root = letters.folder / ".siamkit"
    with closing(sqlite3.connect(root / "store.db")) as db:
        rows = db.execute("SELECT name, id FROM identities WHERE id > 1 ORDER BY id").fetchall()
    (label, own), (other, others) = rows[:2]  # 1 takes no byte of its own in an index
    content = bytearray((root / "store.db").read_bytes())
    content[content.index(label.encode() + bytes([own])) + len(label)] = others
    (root / "store.db").write_bytes(content)
    for command in (
        ("verify", "letters", "--as", label, "--text", TEXTS[other][0]),
        ("enrol", "letters", "--text", "hello again", "--as", label),
        ("forget", label, "--yes"),
        ("rename", label, "hello"),
        ("show", label),
    ):
        done = letters(*command)
        assert done.code == 1, done.out
        assert f"index takes {label!r} for another" in done.err
    checks = {c["check"]: c for c in json.loads(letters("doctor", "--json").out)}
    assert not checks["store integrity_check"]["ok"]
