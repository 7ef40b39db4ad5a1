"""Damage stores, and see that every command still ends with an answer or a plain error."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

_IMMUTABLE = "SELECT sql FROM sqlite_master WHERE name = 'templates_immutable'"


def alter(root: Path, statement: str, *values: Any) -> None:
    """Run one statement on a store behind siamkit's back: no trigger or foreign key minds."""
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
