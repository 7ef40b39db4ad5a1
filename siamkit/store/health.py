"""Checks of a store: faults that SQLite finds, and inconsistent rows."""

from __future__ import annotations

from siamkit.store.database import Store
from siamkit.store.galleries import Gallery

CHECKS = ("integrity_check", "foreign_key_check")  # pragmas of SQLite


def faults(store: Store, check: str) -> list[tuple[object, ...]]:
    """Run one of CHECKS; return a row per fault, none if the file is sound."""
    rows = store.connection.execute(f"PRAGMA {check}").fetchall()
    return [row for row in rows if row[0] != "ok"]


def count_samples_without_template(store: Store, gallery: Gallery) -> int:
    """Count the samples of a gallery that have no template; each should have one."""
    (count,) = store.connection.execute(
        "SELECT count(*) FROM samples s LEFT JOIN templates t ON t.sample_id = s.id"
        " WHERE s.gallery_id = ? AND t.id IS NULL",
        (gallery.id,),
    ).fetchone()
    return int(count)


def count_unlogged_changes(store: Store, gallery: Gallery) -> int:
    """Count the templates that are there although the change log says not, or the reverse."""
    (count,) = store.connection.execute(
        "SELECT count(*) FROM (SELECT template_id, sum(iif(op = 'add', 1, -1)) AS live"
        " FROM changes WHERE gallery_id = ? GROUP BY template_id) c"
        " LEFT JOIN templates t ON t.id = c.template_id WHERE (t.id IS NOT NULL) <> c.live",
        (gallery.id,),
    ).fetchone()
    return int(count)
