"""Damage stores, and see that every command still ends with an answer or a plain error.

python tests/support/damage.py 500 [SEED]     prints a tally of 500 damaged stores
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
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
