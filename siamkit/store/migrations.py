"""The schema, in append-only steps. A released step is never edited.

`PRAGMA user_version` counts the steps applied, so opening an up-to-date store reads one integer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlite_utils import Database, Migrations

from siamkit.store.checked import (
    digest_key,
    sample_checksum,
    scale_checksum,
    template_checksum,
)
from siamkit.store.uploads import OWN

migrations = Migrations("siamkit")


def _execute_all(db: Database, statements: str) -> None:
    """Execute SQL statements, each of which ends in ;;: those of triggers have ; inside."""
    for statement in statements.split(";;"):
        if statement.strip():
            db.execute(statement)


@migrations()
def m001_initial(db: Database) -> None:
    """Spaces, galleries, identities, samples, templates, and the log that indexes replay."""
    _execute_all(db, _INITIAL)


@migrations()
def m002_calibrations(db: Database) -> None:
    """Calibration model beside the threshold; NULL if only a threshold is known."""
    db.execute("ALTER TABLE calibrations ADD COLUMN model TEXT")


_INITIAL = """
CREATE TABLE spaces (                       -- where vectors may be compared
  id INTEGER PRIMARY KEY,
  modality TEXT NOT NULL,
  fingerprint TEXT NOT NULL UNIQUE,         -- weights + preprocessing, 'faces/1:9f3c2a7d51e0'
  dim INTEGER NOT NULL CHECK (dim > 0),
  created TEXT NOT NULL                     -- UTC, ISO 8601
);;
CREATE TABLE galleries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  space_id INTEGER NOT NULL REFERENCES spaces,
  encoder TEXT,                             -- name or folder; NULL: what the plugin carries
  detector TEXT,                            -- NULL: whole samples
  floor INTEGER NOT NULL DEFAULT 0,         -- older index snapshots hold forgotten templates
  created TEXT NOT NULL
);;
CREATE TABLE identities (                   -- of the whole store: one identity may own a face,
  id INTEGER PRIMARY KEY,                   --   a voice and a signature
  name TEXT NOT NULL UNIQUE,
  created TEXT NOT NULL
);;
CREATE TABLE samples (                      -- one region of one source
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  identity_id INTEGER NOT NULL REFERENCES identities ON DELETE CASCADE,
  source TEXT NOT NULL,                     -- where it came from, for people and for reembed
  inline INTEGER NOT NULL CHECK (inline IN (0, 1)),   -- 1: source is the sample itself, a text
  digest BLOB NOT NULL CHECK (length(digest) = 32),   -- SHA-256 of the source's content
  region TEXT NOT NULL CHECK (json_valid(region)),    -- where, score, label, landmarks
  quality REAL CHECK (quality BETWEEN 0 AND 1),       -- NULL: the plugin does not assess
  created TEXT NOT NULL,
  UNIQUE (gallery_id, identity_id, digest, region)    -- enrolling twice is enrolling once
);;
CREATE INDEX samples_by_identity ON samples (identity_id);;
CREATE TABLE templates (                    -- immutable; ids are never reused
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sample_id INTEGER NOT NULL UNIQUE REFERENCES samples ON DELETE CASCADE,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  vector BLOB NOT NULL                      -- little-endian float32, unit norm
);;
CREATE INDEX templates_by_gallery ON templates (gallery_id);;
CREATE TABLE calibrations (                 -- newest per gallery wins
  id INTEGER PRIMARY KEY,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  threshold REAL NOT NULL CHECK (threshold BETWEEN -1 AND 1),
  fmr REAL CHECK (fmr BETWEEN 0 AND 1),     -- the false match rate it was chosen for
  source TEXT NOT NULL,                     -- the data that rate was measured on
  fingerprint TEXT NOT NULL,                -- the encoder it holds for
  created TEXT NOT NULL
);;
CREATE TABLE changes (                      -- what every index replays, in order
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  gallery_id INTEGER NOT NULL,
  op TEXT NOT NULL CHECK (op IN ('add', 'remove')),
  template_id INTEGER NOT NULL,
  nonce TEXT NOT NULL DEFAULT (lower(hex(randomblob(8))))   -- proves a restored backup
);;
CREATE INDEX changes_by_gallery ON changes (gallery_id, seq);;
CREATE TABLE erasures (                     -- deletions whose traces are not yet off the disk
  gallery_id INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL                      -- of the deletion's last change
);;
CREATE TRIGGER templates_sized BEFORE INSERT ON templates
  WHEN length(new.vector) <> (SELECT 4 * dim FROM spaces JOIN galleries
    ON spaces.id = galleries.space_id WHERE galleries.id = new.gallery_id)
  BEGIN SELECT RAISE(ABORT, 'template length is not 4 x dim of its space'); END;;
CREATE TRIGGER templates_added AFTER INSERT ON templates BEGIN
  INSERT INTO changes (gallery_id, op, template_id) VALUES (new.gallery_id, 'add', new.id);
END;;
CREATE TRIGGER templates_removed AFTER DELETE ON templates BEGIN
  INSERT INTO changes (gallery_id, op, template_id) VALUES (old.gallery_id, 'remove', old.id);
END;;
CREATE TRIGGER templates_immutable BEFORE UPDATE ON templates
  BEGIN SELECT RAISE(ABORT, 'templates are immutable: delete and insert'); END;;
"""
_IMMUTABLE = _INITIAL.split(";;")[-2]


@migrations()
def m003_observations(db: Database) -> None:
    """Scores of queries, and of the gallery's own samples at calibration, to detect drift."""
    _execute_all(db, _OBSERVATIONS)


_OBSERVATIONS = """
CREATE TABLE observations (                 -- scores alone: no vector, name or source of a query
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  fingerprint TEXT NOT NULL,                -- the encoder that the scores are of
  kind TEXT NOT NULL CHECK (kind IN ('known', 'stranger', 'query')),
  person INTEGER,                           -- of a reference: rows of one number are of one person
  best REAL NOT NULL,                       -- mean cosine of the nearest identity's samples
  rest REAL,                                -- mean cosine of the nearest of other identities
  created TEXT NOT NULL
);;
CREATE INDEX observations_by_gallery ON observations (gallery_id, kind, id);;
"""


@migrations()
def m004_index(db: Database) -> None:
    """Index backend of a gallery, and of the saved files that a deletion must still remove."""
    db.execute("""ALTER TABLE galleries ADD COLUMN "index" TEXT NOT NULL DEFAULT 'faiss'""")
    db.execute("""ALTER TABLE erasures ADD COLUMN "index" TEXT NOT NULL DEFAULT 'faiss'""")


@migrations()
def m005_checksums(db: Database) -> None:
    """Checksums of what a decision believes: see siamkit.store.checked."""
    for table in ("templates", "samples", "calibrations"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN crc32 INTEGER")
    db.execute("DROP TRIGGER templates_immutable")
    for table, (function, columns) in _CHECKSUMS.items():
        db.conn.create_function(function.__name__, len(columns.split(",")), function)
        db.execute(f"UPDATE {table} SET crc32 = {function.__name__}({columns})")
    db.execute(_IMMUTABLE)


_CHECKSUMS: dict[str, tuple[Callable[..., int], str]] = {
    "templates": (template_checksum, "vector, sample_id"),
    "samples": (sample_checksum, "gallery_id, identity_id, inline, digest, region"),
    "calibrations": (scale_checksum, "threshold, fmr, fingerprint, model"),
}


@migrations()
def m006_find_calibrations(db: Database) -> None:
    """Calibrations of searches in pictures, one per encoder and setup."""
    db.execute(_FIND_CALIBRATIONS)


_FIND_CALIBRATIONS = """
CREATE TABLE find_calibrations (            -- false positive rates per picture
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  fingerprint TEXT NOT NULL,                -- the encoder it holds for
  setup TEXT NOT NULL,                      -- detector, tiles and reranker that it holds for
  model TEXT NOT NULL,                      -- JSON, see siamkit.stats.find_calibration
  created TEXT NOT NULL,
  crc32 INTEGER NOT NULL,
  UNIQUE (gallery_id, fingerprint, setup)   -- the newest replaces the one before
)
"""


@migrations()
def m007_merged(db: Database) -> None:
    """Record the former identities of merged samples, so that a merger can be undone."""
    _execute_all(db, _MERGED)


_MERGED = """
CREATE TABLE merged (                       -- gone with its sample
  merger INTEGER NOT NULL,                  -- rows of one number are of one merger
  sample_id INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE,
  label TEXT NOT NULL,                      -- the identity that the sample was of
  source TEXT,                              -- NULL: moved; else of a copy that both had
  PRIMARY KEY (merger, sample_id)
);;
CREATE INDEX merged_by_sample ON merged (sample_id);;
"""


@migrations()
def m008_merged_onward(db: Database) -> None:
    """The merger that moved a merged sample on, so that chains of mergers can be undone."""
    db.execute("ALTER TABLE merged ADD COLUMN onward INTEGER")  # NULL: its last merger
    db.execute(
        "UPDATE merged SET onward = (SELECT min(m.merger) FROM merged m WHERE m.source IS NULL"
        " AND m.sample_id = merged.sample_id AND m.merger > merged.merger)"
    )


@migrations()
def m009_reviews(db: Database) -> None:
    """Decisions of a reviewer, each of which can be undone, and samples that wait for one."""
    _execute_all(db, _REVIEWS)


_REVIEWS = """
CREATE TABLE reviews (                      -- ids of samples are never reused
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  subject TEXT NOT NULL,                    -- kind and ids, 'twins 12 40'
  decision TEXT NOT NULL CHECK (decision IN ('same', 'different', 'skip')),
  merger INTEGER,                           -- that it caused; see merged
  sample_id INTEGER,                        -- that it enrolled
  created TEXT NOT NULL,
  UNIQUE (gallery_id, subject)
);;
CREATE TABLE unknowns (                     -- regions of files that nobody enrolled was found in
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  source TEXT NOT NULL,                     -- the store's own copy
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  region TEXT NOT NULL CHECK (json_valid(region)),
  created TEXT NOT NULL,
  UNIQUE (gallery_id, digest, region)
);;
"""


@migrations()
def m010_uploads(db: Database) -> None:
    """Contents of the store's own files, in backups; rows name such a file relative to the store.

    Before, they named it by its path, which ended when the store was moved.
    """
    db.execute(_UPLOADS)
    folder = Path(db.execute("PRAGMA database_list").fetchone()[2]).parent
    for table in ("samples", "unknowns"):
        query = f"SELECT DISTINCT source FROM {table} WHERE source LIKE '%uploads%'"
        for (source,) in db.execute(query).fetchall():
            own = "/".join(Path(source).parts[-3:])
            if OWN.fullmatch(own) and (folder / own).is_file():
                db.execute(f"UPDATE {table} SET source = ? WHERE source = ?", (own, source))


_UPLOADS = """
CREATE TABLE uploads (                      -- empty but in a backup; opening it makes files of them
  source TEXT PRIMARY KEY,                  -- of samples and unknowns, 'uploads/TOKEN/NAME'
  content BLOB NOT NULL
)
"""


@migrations()
def m011_own_id(db: Database) -> None:
    """Name a store apart from all others, on servers that hold vectors of several."""
    _execute_all(db, _OWN_ID)


_OWN_ID = """
CREATE TABLE store (                        -- one row
  id INTEGER PRIMARY KEY CHECK (id = 1),
  own_id TEXT NOT NULL                      -- 16 hex digits; a backup keeps them
);;
INSERT INTO store VALUES (1, lower(hex(randomblob(8))));;
"""


@migrations()
def m012_disturbed(db: Database) -> None:
    """Rows around which a deletion must overwrite free space, and where it begins in the log."""
    _execute_all(db, _DISTURBED)


_DISTURBED = """
ALTER TABLE erasures ADD COLUMN first INTEGER NOT NULL DEFAULT 0;;   -- change before the deletion
CREATE TABLE disturbed (                    -- since SQLite may move other rows when these change
  number INTEGER PRIMARY KEY,               -- 0: any row of any table may have been moved
  tree TEXT NOT NULL,
  id INTEGER NOT NULL
);;
INSERT INTO disturbed SELECT 0, '', 0 WHERE EXISTS (SELECT 1 FROM identities);;
""" + "".join(
    f"CREATE TRIGGER {table}_{event} AFTER {action} ON {table}"
    " WHEN NOT EXISTS (SELECT 1 FROM disturbed WHERE number = 0)"
    f" BEGIN INSERT INTO disturbed (tree, id) VALUES ('{table}', old.id); END;;\n"
    for table, event, action in (
        ("identities", "renamed", "UPDATE"),
        ("identities", "deleted", "DELETE"),
        ("samples", "changed", "UPDATE"),
        ("samples", "deleted", "DELETE"),
        ("templates", "deleted", "DELETE"),
    )
)


@migrations()
def m013_digest_key(db: Database) -> None:
    """Index samples by a few bits of their digest, not by all of it and the region.

    An index that holds content is what a deletion has to go through.
    """
    query = "SELECT sql FROM sqlite_master WHERE tbl_name = 'samples' AND sql IS NOT NULL"
    others = [sql for (sql,) in db.execute(f"{query} AND type <> 'table'").fetchall()]
    (last,) = db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'samples'").fetchone()
    db.conn.create_function(digest_key.__name__, 1, digest_key)
    db.execute("PRAGMA ignore_check_constraints = ON")  # a damaged sample stays what it is
    _execute_all(db, _DIGEST_KEY)
    db.execute("PRAGMA ignore_check_constraints = OFF")
    if last is not None:  # ids are never reused
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'samples'")
        db.execute("INSERT INTO sqlite_sequence VALUES ('samples', ?)", (last,))
    _execute_all(db, ";;".join(others))


_DIGEST_KEY = """
CREATE TABLE samples_new (                  -- one region of one source
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gallery_id INTEGER NOT NULL REFERENCES galleries ON DELETE CASCADE,
  identity_id INTEGER NOT NULL REFERENCES identities ON DELETE CASCADE,
  source TEXT NOT NULL,                     -- where it came from, for people and for reembed
  inline INTEGER NOT NULL CHECK (inline IN (0, 1)),   -- 1: source is the sample itself, a text
  digest BLOB NOT NULL CHECK (length(digest) = 32),   -- SHA-256 of the source's content
  region TEXT NOT NULL CHECK (json_valid(region)),    -- where, score, label, landmarks
  quality REAL CHECK (quality BETWEEN 0 AND 1),       -- NULL: the plugin does not assess
  created TEXT NOT NULL,
  crc32 INTEGER,
  digest_key INTEGER NOT NULL               -- a few bits of a digest's checksum, for the index
);;
INSERT INTO samples_new SELECT id, gallery_id, identity_id, source, inline, digest, region, quality,
  created, crc32, digest_key(digest) FROM samples ORDER BY id;;
DROP TABLE samples;;
ALTER TABLE samples_new RENAME TO samples;;
CREATE INDEX samples_by_digest ON samples (gallery_id, identity_id, digest_key);;
INSERT OR IGNORE INTO disturbed SELECT 0, '', 0 WHERE EXISTS (SELECT 1 FROM samples);;
"""


def apply(db: Database) -> None:
    """Bring a store up to date. The caller holds the write lock."""
    migrations.apply(db)
