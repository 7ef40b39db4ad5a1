"""The kit for pytest, which is imported only here, and only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siamkit.testing.run import run, title
from siamkit.testing.running import Check, checks_of
from siamkit.testing.subjects import Subject, subject


def parametrize_with_checks(
    plugins: Sequence[Any], expected_failures: Mapping[str, str] | None = None
) -> Callable[[Any], Any]:
    """A decorator for `def test_contract(plugin, check): check(plugin)`: a test each check.

    expected_failures: {check: reason}; such a check must fail, and is an error if it passes.
    Raises ValueError for a name that no check has, or a reason that is empty.
    """
    import pytest

    expected = {
        name.removeprefix("check_"): reason for name, reason in (expected_failures or {}).items()
    }
    known = {title(check) for plugin in plugins for check in checks_of(plugin)}
    if unknown := sorted(expected.keys() - known):
        raise ValueError(
            f"no check is called {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    if silent := sorted(name for name, reason in expected.items() if not reason.strip()):
        raise ValueError(f"say why {', '.join(silent)} is expected to fail")
    return pytest.mark.parametrize(("plugin", "check"), [*_cases(plugins, expected)])


def _cases(plugins: Sequence[Any], expected: Mapping[str, str]) -> Iterator[Any]:
    import pytest

    for plugin in plugins:
        seen = subject(plugin)
        for check in checks_of(seen):
            name = title(check)
            why = expected.get(name)
            marks = [pytest.mark.xfail(reason=why, strict=True)] if why else []
            who = getattr(plugin, "name", "encoder")
            yield pytest.param(seen, Asked(check), marks=marks, id=f"{who}-{seen.kind}-{name}")


@dataclass(frozen=True)
class Asked:
    """A check that tells pytest what came of it."""

    check: Check

    def __call__(self, plugin: Any) -> None:
        import pytest

        seen: Subject = subject(plugin)
        result = run(self.check, seen)
        if result.state == "skipped":
            pytest.skip(result.message)
        if result.state == "failed":
            pytest.fail(str(result), pytrace=False)
