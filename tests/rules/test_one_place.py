"""What only one place in the core may do."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files_with(pattern: str) -> set[str]:
    paths = (path for path in (ROOT / "siamkit").rglob("*.py") if "scaffold" not in path.parts)
    return {
        path.relative_to(ROOT / "siamkit").as_posix()
        for path in paths
        if re.search(pattern, path.read_text(encoding="utf-8"))
    }


def test_sql_is_in_the_store_and_where_tables_of_users_are_read_and_written():
    found = files_with(r"\.execute(many|script)?\(")
    assert {name for name in found if not name.startswith(("store/", "io/table_"))} == set()
    assert "store/samples.py" in found


def test_files_are_replaced_by_one_writer():
    """siamkit.testing has no part in it: what it writes stands for a stranger's code."""
    found = {name for name in files_with(r"\bos\.replace\(") if not name.startswith("testing/")}
    assert found == {"io/atomic.py"}


def test_only_one_module_prints_so_that_no_name_acts_on_a_terminal():
    """The two others ask a question, and redraw one line of a training run."""
    pattern = r"click\.(secho|echo|confirm|prompt)\(|std(out|err)\.write\(|\.show\(\)"
    found = {name for name in files_with(pattern) if not name.startswith("testing/")}
    assert found == {"cli/output.py", "cli/checks.py", "cli/watch.py"}
