"""The kit for pytest, which is imported only by these functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siamkit.testing.checks import Check, checks_of
from siamkit.testing.run import run, title
from siamkit.testing.subjects import make_subject


def parametrize_with_checks(
    plugins: Sequence[object], expected_failures: Mapping[str, str] | None = None
) -> Callable[[Any], Any]:
    """Decorate `def test_contract(plugin, check): check(plugin)` to run as one test per check.

    expected_failures: {check: reason}; such a check must fail, and is an error if it passes.
    Raises ValueError for a name that no check has, or an empty reason.
    """
    import pytest

    reasons = {
        name.removeprefix("check_"): reason for name, reason in (expected_failures or {}).items()
    }
    titles = {title(check) for plugin in plugins for check in checks_of(plugin)}
    if unknown := sorted(reasons.keys() - titles):
        raise ValueError(
            f"no check is called {', '.join(unknown)}; known: {', '.join(sorted(titles))}"
        )
    if unexplained := sorted(name for name, reason in reasons.items() if not reason.strip()):
        raise ValueError(f"say why {', '.join(unexplained)} is expected to fail")
    return pytest.mark.parametrize(("plugin", "check"), [*_cases(plugins, reasons)])


def _cases(plugins: Sequence[object], reasons: Mapping[str, str]) -> Iterator[Any]:
    import pytest

    for plugin in plugins:
        subject = make_subject(plugin)
        plugin_name = getattr(plugin, "name", "encoder")
        for check in checks_of(subject):
            name = title(check)
            marks = []
            if reason := reasons.get(name):
                marks = [pytest.mark.xfail(reason=reason, strict=True)]
            case_id = f"{plugin_name}-{subject.kind}-{name}"
            yield pytest.param(subject, PytestCheck(check), marks=marks, id=case_id)


@dataclass(frozen=True)
class PytestCheck:
    """A check that reports its result to pytest."""

    check: Check

    def __call__(self, plugin: object) -> None:
        import pytest

        result = run(self.check, make_subject(plugin))
        if result.state == "skipped":
            pytest.skip(result.message)
        if result.state == "failed":
            pytest.fail(str(result), pytrace=False)
