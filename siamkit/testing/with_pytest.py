"""The kit for pytest, which is imported only by these functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siamkit.testing.checks import checks_of
from siamkit.testing.rule import Rule, run
from siamkit.testing.subjects import make_subject


def parametrize_with_checks(
    plugins: Sequence[object], expected_failures: Mapping[str, str] | None = None
) -> Callable[[Any], Any]:
    """Decorate `def test_contract(plugin, check): check(plugin)` to run as one test per check.

    expected_failures: {check: reason}; such a check must fail, and is an error if it passes.
    Raises ValueError for a name that no check has, or an empty reason.
    """
    import pytest

    reasons = expected_failures or {}
    names = {rule.name for plugin in plugins for rule in checks_of(plugin)}
    if unknown := ", ".join(sorted(reasons.keys() - names)):
        raise ValueError(f"no check is called {unknown}; known: {', '.join(sorted(names))}")
    if unexplained := ", ".join(sorted(n for n, reason in reasons.items() if not reason.strip())):
        raise ValueError(f"give a reason why {unexplained} is expected to fail")
    return pytest.mark.parametrize(("plugin", "check"), [*_cases(plugins, reasons)])


def _cases(plugins: Sequence[object], reasons: Mapping[str, str]) -> Iterator[Any]:
    import pytest

    for plugin in plugins:
        subject = make_subject(plugin)
        plugin_name = getattr(plugin, "name", "encoder")
        for rule in checks_of(subject):
            reason = reasons.get(rule.name)
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            case_id = f"{plugin_name}-{subject.kind}-{rule.name}"
            yield pytest.param(subject, PytestCheck(rule), marks=marks, id=case_id)


@dataclass(frozen=True)
class PytestCheck:
    """A check that reports its result to pytest."""

    rule: Rule[Any]

    def __call__(self, plugin: object) -> None:
        import pytest

        result = run(self.rule, make_subject(plugin))
        if result.state == "skipped":
            pytest.skip(result.message)
        if result.state == "failed":
            pytest.fail(str(result), pytrace=False)
