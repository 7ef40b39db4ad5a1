"""Damage stores, and see that every command still ends with an answer or a plain error.

    python tests/support/damage.py 500 [SEED]     prints a tally of 500 damaged stores

Damage is of every kind that a disk, a careless script or a copied file does: bits, pages, lengths,
files of other stores, values of other types in any column, an altered schema.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

TEXTS = {
    "greet": ("hello there my friend", "hello there friend", "hello there my friends"),
    "sum": ("one and one is two", "one and two is three", "one and one are two"),
    "fox": ("a quick brown fox jumps", "the quick brown fox jumps", "quick brown foxes jump"),
    "sea": ("waves break on the shore", "waves breaking on a shore", "a wave breaks on the shore"),
    "tea": ("two cups of green tea", "a cup of green tea", "three cups of green tea"),
    "map": ("turn left at the bridge", "turn right at the bridge", "turn left at a bridge"),
    "owl": ("owls hunt by night", "an owl hunts by night", "owls hunting at night"),
}
PROBE = "hello there my freind"
LIMIT_SECONDS = 20  # a command that takes longer hangs: sound ones take a tenth of one
EXIT_CODES = frozenset({0, 1, 2, 3, 4, 5})  # those that `siamkit --help` explains
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("query", "letters", "--text", PROBE, "-k", "99", "--json"),
    ("query", "letters", "--text", PROBE, "--fusion", "mean", "--json"),
    ("query", "letters", "--text", PROBE, "--rerank", "words", "--json"),
    ("verify", "letters", "--as", "greet", "--text", PROBE, "--json"),
    ("classify", "letters", "--text", PROBE, "--json"),
    ("audit", "letters", "--json"),
    ("audit", "letters", "--drift", "--json"),
    ("evaluate", "--gallery", "letters", "--json"),
    ("calibrate", "letters", "--fmr", "0.2", "--json"),
    ("dedupe", "list.txt", "--against", "letters", "--json"),
    ("export", "letters", "copy"),
    ("enrol", "letters", "--text", "a new text", "--as", "greet"),
    ("forget", "greet", "--yes"),
    ("forget", "--sample", "3", "--yes"),
    ("rename", "greet", "hello"),
    ("reembed", "letters"),
    ("list", "--json"),
    ("show", "greet", "--json"),
    ("galleries", "--json"),
    ("index", "stats", "--json"),
    ("index", "rebuild"),
    ("galleries", "delete", "letters", "--yes"),
    ("init", "more", "-m", "letters"),
    ("backup", "backup.db"),
)
_IMMUTABLE = "SELECT sql FROM sqlite_master WHERE name = 'templates_immutable'"


def make_store(root: Path) -> None:
    """Create a store whose gallery `letters` is calibrated, queried, and has a saved index."""
    from siamkit import Workspace
    from siamkit.stats.calibration_fit import CalibrationTargets

    with Workspace(root) as ws:
        ws.gallery("letters")
        pairs = [(label, texts[i]) for i in range(3) for label, texts in TEXTS.items()]
        for enrolled in ws.enrol_many("letters", pairs):
            assert not enrolled.error, enrolled.error
        ws.calibrate("letters", targets=CalibrationTargets(fmr=0.2))
        ws.rebuild_index("letters")
        assert ws.query("letters", PROBE)[0].identity == "greet"


def alter(root: Path, statement: str, *values: Any) -> None:
    """Run one statement on a store behind siamkit's back: no trigger or constraint minds."""
    with closing(sqlite3.connect(root / "store.db")) as db, db:
        (trigger,) = db.execute(_IMMUTABLE).fetchone()
        db.execute("DROP TRIGGER templates_immutable")
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(statement, [bytes(v) if isinstance(v, np.ndarray) else v for v in values])
        db.execute(trigger)


def vector_of(root: Path, sample_id: int) -> np.ndarray:
    """Return a writable copy of a sample's stored vector."""
    with closing(sqlite3.connect(root / "store.db")) as db:
        query = "SELECT vector FROM templates WHERE sample_id = ?"
        (stored,) = db.execute(query, (sample_id,)).fetchone()
    return np.frombuffer(stored, "<f4").copy()


# --- kinds of damage: each takes a store's folder and a random generator, and says what it did ---


def flip_bits(root: Path, rng: Random) -> str:
    path = root / "store.db"
    content = bytearray(path.read_bytes())
    count = rng.choice((1, 1, 2, 8, 64))
    # Half of them in the first page: the header, and the schema's beginning.
    places = [rng.randrange(rng.choice((100, 4096, len(content)))) for _ in range(count)]
    for place in places:
        content[place] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return f"bits at {places[:3]}"


def flip_bits_of_vectors(root: Path, rng: Random) -> str:
    path, sample_id = root / "store.db", rng.randrange(1, 22)
    content, stored = bytearray(path.read_bytes()), vector_of(root, sample_id).tobytes()
    place = content.index(stored) + rng.randrange(len(stored))
    content[place] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return f"a bit of the vector of sample {sample_id}"


def overwrite_pages(root: Path, rng: Random) -> str:
    path = root / "store.db"
    content, size = bytearray(path.read_bytes()), 4096
    start = rng.randrange(len(content) // size) * size
    other = rng.randrange(len(content) // size) * size
    pages = (bytes(size), b"\xff" * size, rng.randbytes(size), bytes(content[other : other + size]))
    content[start : start + size] = rng.choice(pages)
    path.write_bytes(content)
    return f"page {start // size + 1}"


def overwrite_a_run(root: Path, rng: Random) -> str:
    path = root / "store.db"
    content, size = bytearray(path.read_bytes()), rng.choice((4, 16, 64, 512))
    start = rng.randrange(len(content) - size)
    content[start : start + size] = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
    path.write_bytes(content)
    return f"{size} bytes at {start}"


def truncate(root: Path, rng: Random) -> str:
    path = root / "store.db"
    size = path.stat().st_size
    length = rng.choice((0, 1, 100, 512, 4096, size // 4096 // 2 * 4096, rng.randrange(size)))
    os.truncate(path, length)
    return f"cut to {length} bytes"


def append(root: Path, rng: Random) -> str:
    with (root / "store.db").open("ab") as file:
        file.write(rng.randbytes(rng.choice((1, 4096, 10_000))))
    return "bytes appended"


def add_foreign_log(root: Path, rng: Random) -> str:
    """A write-ahead log of another database, of this store later on, or of nothing."""
    part = root / f"store.db{rng.choice(('-wal', '-wal', '-shm'))}"
    kind = rng.choice(("noise", "other", "own", "cut", "flipped"))
    if kind == "noise":
        log = rng.randbytes(rng.choice((1, 32, 5_000, 40_000)))
    else:
        source = part.with_name("other.db")
        if kind != "other":
            shutil.copy(root / "store.db", source)
        with closing(sqlite3.connect(source)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE more (x)")
            db.executemany(
                "INSERT INTO more VALUES (?)", [(rng.randbytes(50),) for _ in range(300)]
            )
            if kind != "other":
                db.execute("DELETE FROM samples WHERE id % 2")
            db.commit()
            log = bytearray(source.with_name(source.name + part.name[8:]).read_bytes())
        source.unlink()
        if kind == "cut":
            log = log[: rng.randrange(len(log))]
        elif kind == "flipped":
            log[rng.randrange(len(log))] ^= 1 << rng.randrange(8)
    part.write_bytes(log)
    return f"{kind} in {part.name}"


def replace_by_what_is_no_file(root: Path, rng: Random) -> str:
    path = root / rng.choice(("store.db", "store.db-wal", "store.db-shm", "index", "index/faiss"))
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    kind = rng.choice(("folder", "pipe", "loop", "dangling", "device", "empty", "text"))
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "loop": lambda: path.symlink_to(path.name),
        "dangling": lambda: path.symlink_to("nowhere"),
        "device": lambda: path.symlink_to("/dev/zero"),
        "empty": lambda: path.write_bytes(b""),
        "text": lambda: path.write_text("not a database " * 999),
    }[kind]()
    return f"{kind} as {path.name}"


def damage_index(root: Path, rng: Random) -> str:
    """Flip or cut a saved index or the card beside it; its time may stay as it was."""
    path = rng.choice(sorted((root / "index" / "faiss").iterdir()))
    state, content = path.stat(), bytearray(path.read_bytes())
    kind = rng.choice(("flipped", "flipped", "cut", "pipe"))
    if kind == "pipe":
        path.unlink()
        os.mkfifo(path)
        return f"pipe as {path.suffix}"
    if kind == "flipped":
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    else:
        content = content[: rng.randrange(len(content))]
    path.write_bytes(content)
    if rng.random() < 0.7:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return f"{kind} {path.suffix}"


VALUES: tuple[tuple[str, Any], ...] = (
    ("NULL", None),
    ("empty", ""),
    ("text", "nonsense"),
    ("blob", b"\xff\x00\xfe"),
    ("bytes that are not UTF-8", b"a\xffb"),
    ("a control character", "a\x1b[2J\nb"),
    ("zero", 0),
    ("minus one", -1),
    ("a huge integer", 2**63 - 1),
    ("the least integer", -(2**63)),
    ("a huge number", 1e308),
    ("infinity", float("inf")),
    ("a long text", "x" * 100_000),
    ("deep JSON", "[" * 5_000 + "]" * 5_000),
    ("JSON of another kind", '{"score": "x", "where": {"a": 1}}'),
    ("JSON with NaN", '{"score": NaN, "where": [NaN, 1, 2, Infinity]}'),
)


def set_a_value(root: Path, rng: Random) -> str:
    """Put a value of another type or range into any column, past every constraint."""
    name, value = rng.choice(VALUES)
    with closing(sqlite3.connect(root / "store.db")) as db:
        tables = [
            t for (t,) in db.execute(_TABLES) if db.execute(f'SELECT 1 FROM "{t}"').fetchone()
        ]
        table = rng.choice(tables)
        column = rng.choice([row[1] for row in db.execute(f'PRAGMA table_info("{table}")')])
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for trigger, _ in triggers:
            db.execute(f"DROP TRIGGER {trigger}")
        (sql,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        _write_schema(db, table, sql.replace("NOT NULL", ""))
        db.commit()
        db.execute("PRAGMA ignore_check_constraints = ON")
        where = rng.choice(("", f'WHERE rowid = (SELECT rowid FROM "{table}" ORDER BY random())'))
        new = "CAST(? AS TEXT)" if "UTF-8" in name else "?"
        with suppress(sqlite3.Error):  # a key cannot be text, or be there twice
            db.execute(f'UPDATE "{table}" SET "{column}" = {new} {where}', (value,))
        _write_schema(db, table, sql)
        for _, trigger in triggers:
            db.execute(trigger)
        db.commit()
    return f"{name} in {table}.{column}"


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL"


def _write_schema(db: sqlite3.Connection, table: str, sql: str) -> None:
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, table))
    version = db.execute("PRAGMA schema_version").fetchone()[0]
    db.execute(f"PRAGMA schema_version = {version + 1}")
    db.execute("PRAGMA writable_schema = OFF")


def delete_or_repeat_rows(root: Path, rng: Random) -> str:
    with closing(sqlite3.connect(root / "store.db")) as db:
        table = rng.choice([name for (name,) in db.execute(_TABLES)])
        where = rng.choice(("", "WHERE rowid % 3 = 0", "WHERE rowid = 1"))
        triggers = rng.random() < 0.5
        if not triggers:
            kept = db.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
            for name, _ in kept:
                db.execute(f"DROP TRIGGER {name}")
        db.execute(f'DELETE FROM "{table}" {where}')
        if not triggers:
            for _, sql in kept:
                db.execute(sql)
        db.commit()
    return f"rows of {table} deleted {where}"


def alter_schema(root: Path, rng: Random) -> str:
    with closing(sqlite3.connect(root / "store.db")) as db:
        names = [name for (name,) in db.execute(_TABLES)]
        table = rng.choice(names)
        parts = db.execute("SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        kind, part = rng.choice(parts)
        view = f'CREATE VIEW "{table}" AS'
        statements = rng.choice(
            (
                f'DROP {kind} "{part}"',
                f'DROP TABLE "{table}"; {view} SELECT 1 AS id, 2 AS name',
                f'DROP TABLE "{table}"; {view} WITH RECURSIVE n(id) AS (VALUES (1) UNION ALL'
                f" SELECT id + 1 FROM n) SELECT id, id AS name, id AS gallery_id FROM n",
                f'ALTER TABLE "{table}" RENAME TO moved; {view} SELECT * FROM moved',
                f'ALTER TABLE "{table}" ADD COLUMN twice AS (rowid * 2)',
                f'ALTER TABLE "{table}" ADD COLUMN more TEXT',
                f'DROP TABLE "{table}"; CREATE TABLE "{table}" (id)',
                "CREATE TRIGGER more AFTER INSERT ON samples BEGIN DELETE FROM samples; END",
                "DROP INDEX IF EXISTS templates_by_gallery",
                f"PRAGMA user_version = {rng.choice((0, 1, 3, 99, -5, 2**31 - 1))}",
                f"PRAGMA application_id = {rng.choice((0, 1, -1))}",
                "PRAGMA journal_mode = DELETE",
                f"PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 2"
                f" WHERE name = '{part}'",
                f"PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'nonsense'"
                f" WHERE name = '{part}'",
                f"PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = CAST(x'ff' AS TEXT)"
                f" WHERE name = '{part}'",
            )
        )
        with suppress(sqlite3.Error):
            db.executescript(statements)
    return statements.replace("\n", " ")[:100]


KINDS: tuple[Callable[[Path, Random], str], ...] = (
    *(flip_bits, flip_bits_of_vectors, overwrite_pages, overwrite_a_run, truncate, append),
    *(add_foreign_log, replace_by_what_is_no_file, damage_index),
    *(set_a_value, set_a_value, set_a_value, delete_or_repeat_rows, alter_schema, alter_schema),
)


# --- what must hold whatever was damaged ---


class Hang(BaseException):
    """A command did not end in LIMIT_SECONDS. Not an Exception: nothing may swallow it."""


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again: a thread may be what hangs
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Oracle:
    """The scores that the undamaged templates give; every other one comes from a damaged row."""

    def __init__(self, sound: Path) -> None:
        from siamkit import Workspace

        with closing(sqlite3.connect(sound / "store.db")) as db:
            rows = db.execute("SELECT sample_id, vector FROM templates").fetchall()
        vectors = {i: np.frombuffer(vector, "<f4") for i, vector in rows}
        with Workspace(sound) as ws:
            pipeline = ws.pipeline_of(ws.gallery("letters"))
            probe = pipeline.embed([pipeline.modality.load(PROBE)])[0][0]
            (answer,) = ws.query("letters", PROBE)
            assert answer.threshold
            self.threshold = answer.threshold.value
        self.scores = {i: float(vector @ probe) for i, vector in vectors.items()}

    def fault(self, out: str) -> str:
        """Return what is wrong with the JSON of a query; '' if nothing is."""
        for probe in json.loads(out).get("probes", ()):
            threshold = probe.get("threshold")
            if threshold and probe["decided_by"] == "cosine" and threshold["value"] < 0.4:
                return f"threshold {threshold['value']}"
            for region in probe.get("regions", ()):
                for match in region["matches"]:
                    true = self.scores.get(match["sample_id"])
                    if true is None or abs(true - match["score"]) > 1e-3:
                        return f"sample {match['sample_id']}: {match['score']}, not {true}"
        return ""


def check(shell: Any, command: tuple[str, ...], oracle: Oracle) -> str:
    """Run a command on a damaged store; return what must not be, or '' if all is well."""
    try:
        with no_longer_than(LIMIT_SECONDS):
            done = shell(*command)
    except Hang:
        return "hangs"
    if done.code not in EXIT_CODES:
        return f"exit {done.code}: {done.err.strip()[-300:]}"
    if command[0] == "query" and "mean" not in command and done.code == 0:
        return oracle.fault(done.out)
    return ""


def damage(sound: Path, folder: Path, kind: Callable[[Path, Random], str], seed: int) -> str:
    """Copy a store into a new folder and damage it; return what was done."""
    folder.mkdir()
    shutil.copytree(sound, folder / ".siamkit")
    (folder / "list.txt").write_text(f"{PROBE}\nsomething else\n")
    return f"{kind.__name__}: {kind(folder / '.siamkit', Random(seed))}"


def main() -> int:
    sys.path[:0] = [str(Path(__file__).parents[1] / "strangers"), str(Path(__file__).parents[2])]
    from tests.conftest import Shell

    count, seed = int(sys.argv[1]), int((*sys.argv, "0", "0")[2])
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        sound = Path(scratch) / "sound"
        make_store(sound)
        oracle = Oracle(sound)
        for number in range(seed, seed + count):
            folder = Path(scratch) / str(number)
            what = damage(sound, folder, KINDS[number % len(KINDS)], number)
            chosen = Random(number).sample(COMMANDS, 3)
            for command in (("doctor", "--json"), COMMANDS[0], *chosen, ("doctor",)):
                fault = check(Shell(folder), command, oracle)
                tally["commands"] += 1
                if fault:
                    tally["faults"] += 1
                    print(f"{number} {what} | {' '.join(command)} | {fault}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{count} damaged stores, {tally['commands']} commands, {tally['faults']} faults")
    return 1 if tally["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
