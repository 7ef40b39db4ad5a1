"""Files that a store keeps for itself: what was enrolled without a file, and thumbnails.

`uploads/TOKEN/NAME` holds the content of a sample that arrived over the network, so that it can be
shown, embedded again and judged by a reranker. Rows name it relative to the store, which can be
moved; a backup holds the contents as rows, and the first opening makes files of them.
`thumbnails/ID-SIDE.jpg` is a cache. Both are gone with their samples, by `siamkit.flows.forget`.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from siamkit.io.atomic import create_folder, replacing
from siamkit.io.sources import to_path, to_text
from siamkit.store.database import Store

UPLOADS, THUMBNAILS = "uploads", "thumbnails"
OWN = re.compile(rf"{UPLOADS}/[0-9a-f]{{16}}/[^/\\.][^/\\]*")  # a source, as rows name it
NAME_CHARS = 80  # characters of a file's name
_IS_OWN = f"source LIKE '{UPLOADS}/%'"
SOURCES_PER_QUERY = 500  # far below SQLite's limit on parameters
SETTLING_SECONDS = 3600.0  # an upload that no sample names may still be on its way to one


def save_upload(store: Store, content: bytes, name: str) -> str:
    """Write a content that arrived without a file; return its source, relative to the store.

    name: as the sender gave it; of it, letters, digits, '.', '_' and '-' are used. Raises OSError.
    """
    import secrets

    source = f"{UPLOADS}/{secrets.token_hex(8)}/{plain_name(name)}"
    _write(place(store, source), content)
    return source


def resolve(store: Store, source: str) -> str:
    """Return where a source lies now, if it is a file of the store's own; else the source."""
    is_own = source.startswith(UPLOADS) and OWN.fullmatch(source)
    return to_text(place(store, source)) if is_own else source


def plain_name(name: str) -> str:
    """Return a name that is safe as a file's: no folders, no leading dot, at most NAME_CHARS."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = re.sub(r"[^\w.-]+", "-", last).strip(".-").rpartition(".")
    stem, ending = (stem, dot + ending[:10]) if dot else (ending, "")
    return (stem[:NAME_CHARS] or "sample") + ending


def delete_uploads(store: Store, sources: Iterable[str]) -> None:
    """Delete those of the store's own files that no sample names any more. Raises OSError."""
    folders = {}
    for path in {to_path(resolve(store, source)) for source in sources}:
        folder = path.parent
        if folder.parent == place(store, UPLOADS) and folder.is_dir():
            folders[f"{UPLOADS}/{folder.name}/{path.name}"] = folder
    for source in folders.keys() - _still_named(store, list(folders)):
        shutil.rmtree(folders[source])


def _still_named(store: Store, sources: Sequence[str]) -> set[str]:
    """Return those of some sources that a sample, copy or unknown has. It reads every row, once."""
    named: set[str] = set()
    with store.read():
        for start in range(0, len(sources), SOURCES_PER_QUERY):
            part = sources[start : start + SOURCES_PER_QUERY]
            marks = ",".join("?" * len(part))
            for table in ("samples", "unknowns", "merged"):
                query = f"SELECT source FROM {table} WHERE source IN ({marks})"
                named |= {source for (source,) in store.fetch_all(query, *part)}
    return named


def restore(store: Store) -> None:
    """Make files of the contents that a backup holds as rows. Raises StoreError, and keeps all."""
    with store.write() as db:  # another process may have been first
        for (source,) in db.execute("SELECT source FROM uploads").fetchall():
            if OWN.fullmatch(source):
                row = db.execute("SELECT content FROM uploads WHERE source = ?", (source,))
                _write(place(store, source), row.fetchone()[0])
        db.execute("DELETE FROM uploads")
    with suppress(sqlite3.Error), store.using() as db:  # costs room only, if somebody is at work
        db.execute("VACUUM")


def _write(path: Path, content: bytes) -> None:
    create_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def thumbnail_path(store: Store, sample_id: int, side: int) -> Path:
    """Return the path of a sample's thumbnail, whose longer side is `side` px; it may be absent."""
    return place(store, THUMBNAILS) / f"{sample_id}-{side}.jpg"


def save_thumbnail(path: Path, content: bytes) -> None:
    """Write a thumbnail. Raises OSError."""
    _write(path, content)


def delete_thumbnails(store: Store, sample_ids: Iterable[int]) -> None:
    """Delete the thumbnails of samples. Raises OSError."""
    folder, ids = place(store, THUMBNAILS), {str(sample_id) for sample_id in sample_ids}
    for path in folder.glob("*-*.jpg") if folder.is_dir() and ids else ():
        if path.name.partition("-")[0] in ids:
            path.unlink(missing_ok=True)


def sources_of(store: Store, sample_ids: Sequence[int]) -> list[str]:
    """Return the files of the store's own that samples have, or copies merged into them had."""
    if not place(store, UPLOADS).is_dir():
        return []
    query = (
        "SELECT source FROM samples WHERE inline = 0 AND id = ?1"
        f" UNION SELECT source FROM merged WHERE sample_id = ?1 AND {_IS_OWN}"
    )
    rows = [row for sample_id in sample_ids for row in store.fetch_all(query, sample_id)]
    return [row[0] for row in rows if isinstance(row[0], str)]


def sources_of_gallery(store: Store, gallery_id: int) -> list[str]:
    """Return the sources of a gallery's samples and unknowns that are the store's own files."""
    query = (
        f"SELECT source FROM samples WHERE gallery_id = ?1 AND inline = 0 AND {_IS_OWN}"
        " UNION SELECT source FROM unknowns WHERE gallery_id = ?1"
        " UNION SELECT m.source FROM merged m JOIN samples s ON s.id = m.sample_id"
        f" WHERE s.gallery_id = ?1 AND m.{_IS_OWN}"
    )
    return [str(row[0]) for row in store.fetch_all(query, gallery_id)]


def named_in(db: sqlite3.Connection) -> list[str]:
    """Return the sources, relative to the store, that the rows of a database name as its own."""
    query = (
        f"SELECT source FROM samples WHERE inline = 0 AND {_IS_OWN}"
        f" UNION SELECT source FROM merged WHERE {_IS_OWN}"
        " UNION SELECT source FROM unknowns ORDER BY source"
    )
    return [row[0] for row in db.execute(query) if OWN.fullmatch(str(row[0]))]


def sweep(store: Store) -> None:
    """Delete files whose samples are gone, as after a process that was killed. Raises OSError."""
    uploads, thumbnails = place(store, UPLOADS), place(store, THUMBNAILS)
    if uploads.is_dir():
        with store.read() as db:
            named = {place(store, source).parent for source in named_in(db)}
        oldest = time.time() - SETTLING_SECONDS
        for folder in uploads.iterdir():
            with suppress(FileNotFoundError):  # another process sweeps too
                if folder not in named and folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder)
    if thumbnails.is_dir():
        for path in thumbnails.glob("*-*.jpg"):
            number = path.name.partition("-")[0]
            is_id = number.isdigit() and len(number) < 19  # digits of SQLite's largest integer
            if not (is_id and store.fetch_one("SELECT 1 FROM samples WHERE id = ?", int(number))):
                path.unlink(missing_ok=True)


def place(store: Store, name: str) -> Path:
    """Return a path in the store's folder, which is absolute."""
    return store.index_root.parent / name
