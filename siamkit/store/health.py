"""Checks of a store: faults that SQLite finds, and rows that are not as they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from siamkit.store import samples, templates
from siamkit.store.checked import is_text
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery

CHECKS = ("integrity_check", "foreign_key_check")  # pragmas of SQLite


def faults(store: Store, check: str) -> list[tuple[object, ...]]:
    """Run one of CHECKS; return a row per fault, none if the file is sound."""
    return [row for row in store.fetch_all(f"PRAGMA {check}") if row[0] != "ok"]


def count_templates_without_sample(store: Store, gallery: Gallery) -> int:
    """Count the templates of a gallery whose sample is gone, or is in another gallery."""
    (count,) = store.fetch_one(
        "SELECT count(*) FROM templates t LEFT JOIN samples s"
        " ON s.id = t.sample_id AND s.gallery_id = t.gallery_id"
        " WHERE t.gallery_id = ? AND s.id IS NULL",
        gallery.id,
    )
    return int(count)


def count_unlogged_changes(store: Store, gallery: Gallery) -> int:
    """Count the templates that are there although the change log says not, or the reverse."""
    (count,) = store.fetch_one(
        "WITH logged AS (SELECT template_id, sum(iif(op = 'add', 1, -1)) AS live"
        " FROM changes WHERE gallery_id = ?1 GROUP BY template_id)"
        " SELECT (SELECT count(*) FROM logged LEFT JOIN templates t ON t.id = template_id"
        "  WHERE (t.id IS NOT NULL) <> live) + (SELECT count(*) FROM templates t"
        "  WHERE t.gallery_id = ?1 AND t.id NOT IN (SELECT template_id FROM logged))",
        gallery.id,
    )
    return int(count)


@dataclass(frozen=True, slots=True)
class Damage:
    """The samples of a gallery that take part in nothing, by id."""

    templates: list[int]  # missing or damaged; embedding these samples again mends them
    rows: list[int]  # the sample itself is damaged: it can only be enrolled again


def damage(
    store: Store, gallery: Gallery, progress: Callable[[int], None] = lambda done: None
) -> Damage:
    """Read every sample and template of a gallery, and list those that are damaged.

    progress: called with the number of rows read; there are two for each sample.
    """
    with store.read():
        damaged = set(templates.damaged(store, gallery, progress))
        count, rows = templates.count(store, gallery), set()
        for done, (sample_id, is_sound) in enumerate(samples.each_checked(store, gallery)):
            if not is_sound:
                rows.add(sample_id)
            if done % samples.PAGE_STREAMED == 0:
                progress(count + done)
    return Damage(sorted(damaged - rows), sorted(rows))


def describe(store: Store, sample_id: int) -> str:
    """Describe a sample, damaged or not, for people: its id, and its label if that is readable."""
    query = "SELECT i.name FROM samples s JOIN identities i ON i.id = s.identity_id WHERE s.id = ?"
    row: tuple[Any, ...] | None = store.fetch_one(query, sample_id)
    label = row[0] if row else None
    return f"{sample_id} ({label})" if isinstance(label, str) and is_text(label) else str(sample_id)
