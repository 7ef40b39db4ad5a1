"""The change log of each gallery's templates, which every index replays.

Triggers of the schema write it: a row for each template that is added or removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from siamkit.errors import StoreError
from siamkit.store import templates
from siamkit.store.checked import fits
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery
from siamkit.store.sqlite_errors import MEND
from siamkit.types import Cursor, Ids, Vectors

NONCE = re.compile("[0-9a-f]{16}")  # of a change, as the schema makes it


def last_change(store: Store, gallery: Gallery) -> Cursor:
    """Return the gallery's last change; Cursor() if it never had one."""
    query = "SELECT seq, nonce FROM changes WHERE gallery_id = ? ORDER BY seq DESC LIMIT 1"
    row = store.fetch_one(query, gallery.id)
    if row is None:
        return Cursor()
    if not (fits(Cursor, row) and NONCE.fullmatch(row[1])):  # it becomes part of a file's name
        raise StoreError(f"{store.path} is damaged: its log ends in a bad row", hint=MEND)
    return Cursor(*row)


def has_change(store: Store, gallery_id: int, cursor: Cursor) -> bool:
    """Return True if this exact change is in the log; one of a restored backup is not."""
    query = "SELECT 1 FROM changes WHERE seq = ? AND nonce = ? AND gallery_id = ?"
    return store.fetch_one(query, cursor.seq, cursor.nonce, gallery_id) is not None


def changed_since(
    store: Store, gallery: Gallery, cursor: Cursor
) -> Iterator[tuple[Ids, Vectors, Ids]]:
    """Yield what to add (ids, vectors) and what to remove (ids) to follow the log from `cursor`.

    A block at a time, in rising order of id; of one moment, as `blocks`. The final state is read
    from the templates themselves, so replaying is idempotent.
    """
    import numpy as np

    touched = _touched(store, gallery.id, "seq > ?", cursor.seq)
    for start in range(0, len(touched), templates.ROWS_PER_BLOCK):
        part = touched[start : start + templates.ROWS_PER_BLOCK]
        ids, vectors = templates.by_id(store, gallery, part.tolist())
        yield ids, vectors, np.setdiff1d(part, ids)


def removed_between(store: Store, gallery_id: int, first: int, last: int) -> Ids:
    """Return the ids of the templates that changes after `first` and up to `last` have removed."""
    import numpy as np

    query = (
        "SELECT DISTINCT template_id FROM changes c WHERE gallery_id = ? AND seq > ? AND seq <= ?"
        " AND NOT EXISTS (SELECT 1 FROM templates WHERE id = c.template_id)"
    )
    with store.read() as db:
        rows = db.execute(query, (gallery_id, first, last))
        return np.sort(np.fromiter((template_id for (template_id,) in rows), np.int64))


def _touched(store: Store, gallery_id: int, condition: str, *values: int) -> Ids:
    """Return the ids of the templates that some changes are about, each once, in rising order."""
    import numpy as np

    query = f"SELECT DISTINCT template_id FROM changes WHERE gallery_id = ? AND {condition}"
    with store.read() as db:
        rows = db.execute(query, (gallery_id, *values))
        return np.sort(np.fromiter((template_id for (template_id,) in rows), np.int64))
