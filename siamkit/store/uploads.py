"""Files that a store keeps for itself: what was enrolled without a file, and thumbnails.

`uploads/TOKEN/NAME` holds the content of a sample that arrived over the network, so that it can be
shown, embedded again and judged by a reranker. `thumbnails/ID-SIDE.jpg` is a cache. Both are gone
with their samples: `siamkit.flows.forget` sees to that.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from siamkit.io.atomic import create_folder, replacing
from siamkit.io.sources import to_path, to_text
from siamkit.store.database import Store

UPLOADS, THUMBNAILS = "uploads", "thumbnails"
NAME_CHARS = 80  # characters of a file's name
SETTLING_SECONDS = 3600.0  # an upload that no sample names may still be on its way to one


def save_upload(store: Store, content: bytes, name: str) -> Path:
    """Write a content that arrived without a file; return its path in the store.

    name: as the sender gave it; of it, letters, digits, '.', '_' and '-' are used. Raises OSError.
    """
    folder = _root(store, UPLOADS) / secrets.token_hex(8)
    create_folder(folder)
    path = folder / plain_name(name)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def plain_name(name: str) -> str:
    """Return a name that is safe as a file's: no folders, no leading dot, at most NAME_CHARS."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = re.sub(r"[^\w.-]+", "-", last).strip(".-").rpartition(".")
    stem, ending = (stem, dot + ending[:10]) if dot else (ending, "")
    return (stem[:NAME_CHARS] or "sample") + ending


def is_upload(store: Store, source: str) -> bool:
    """Return True if a sample's source is a file of the store's own."""
    return _folder_of(store, source) is not None


def delete_uploads(store: Store, sources: Iterable[str]) -> None:
    """Delete those of the store's own files that no sample names any more. Raises OSError."""
    query = (
        "SELECT 1 FROM samples WHERE source = ?1 UNION ALL"
        " SELECT 1 FROM unknowns WHERE source = ?1 LIMIT 1"
    )
    for source in set(sources):
        folder = _folder_of(store, source)
        if folder is not None and store.fetch_one(query, source) is None:
            shutil.rmtree(folder, ignore_errors=False)


def _folder_of(store: Store, source: str) -> Path | None:
    """Return the folder of an upload; None for any other source."""
    folder = to_path(source).parent
    return folder if folder.parent == _root(store, UPLOADS) and folder.is_dir() else None


def thumbnail_path(store: Store, sample_id: int, side: int) -> Path:
    """Return the path of a sample's thumbnail, whose longer side is `side` px; it may be absent."""
    return _root(store, THUMBNAILS) / f"{sample_id}-{side}.jpg"


def save_thumbnail(path: Path, content: bytes) -> None:
    """Write a thumbnail. Raises OSError."""
    create_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def delete_thumbnails(store: Store, sample_ids: Iterable[int]) -> None:
    """Delete the thumbnails of samples. Raises OSError."""
    folder = _root(store, THUMBNAILS)
    for sample_id in set(sample_ids) if folder.is_dir() else ():
        for path in folder.glob(f"{sample_id}-*.jpg"):
            path.unlink(missing_ok=True)


def sources_of(store: Store, sample_ids: Sequence[int]) -> list[str]:
    """Return the sources of samples that are files of the store's own."""
    if not _root(store, UPLOADS).is_dir():
        return []
    query = "SELECT source FROM samples WHERE inline = 0 AND id = ?"
    rows = [store.fetch_one(query, sample_id) for sample_id in sample_ids]
    return [row[0] for row in rows if row and isinstance(row[0], str)]


def sources_of_gallery(store: Store, gallery_id: int) -> list[str]:
    """Return the sources of a gallery's samples that are files of the store's own."""
    root = _root(store, UPLOADS)
    if not root.is_dir():
        return []
    query = (
        "SELECT DISTINCT source FROM samples"
        " WHERE gallery_id = ? AND inline = 0 AND source LIKE ? || '%'"
    )
    return [str(row[0]) for row in store.fetch_all(query, gallery_id, to_text(root))]


def sweep(store: Store) -> None:
    """Delete files whose samples are gone, as after a process that was killed. Raises OSError."""
    uploads, thumbnails = _root(store, UPLOADS), _root(store, THUMBNAILS)
    if uploads.is_dir():
        named = {
            to_path(row[0]).parent
            for row in store.fetch_all(
                "SELECT source FROM samples WHERE inline = 0 AND source LIKE ?1 || '%' UNION"
                " SELECT source FROM unknowns",
                to_text(uploads),
            )
        }
        oldest = time.time() - SETTLING_SECONDS
        for folder in uploads.iterdir():
            with suppress(FileNotFoundError):  # another process sweeps too
                if folder not in named and folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder)
    if thumbnails.is_dir():
        ids = {row[0] for row in store.fetch_all("SELECT id FROM samples")}
        for path in thumbnails.glob("*-*.jpg"):
            number = path.name.partition("-")[0]
            if not number.isdigit() or int(number) not in ids:
                path.unlink(missing_ok=True)


def _root(store: Store, name: str) -> Path:
    return store.index_root.parent / name
