"""docs/plugins.md lists every check with its rule, as its docstring has it."""

from __future__ import annotations

import itertools
from pathlib import Path

from siamkit.testing.checks import RULES

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


def test_every_check_is_in_the_list():
    for rule in itertools.chain.from_iterable(RULES.values()):
        assert f"| `{rule.name}` | {rule.text} |" in TEXT
