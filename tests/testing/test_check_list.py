"""docs/plugins.md lists every check with its rule, as its docstring has it."""

from __future__ import annotations

from pathlib import Path

from siamkit.testing.checks import CHECKS
from siamkit.testing.run import title

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


def test_every_check_is_in_the_list():
    for check in {check for checks in CHECKS.values() for check in checks}:
        rule = (check.__doc__ or "").strip().splitlines()[0]
        assert f"| `{title(check)}` | {rule} |" in TEXT
