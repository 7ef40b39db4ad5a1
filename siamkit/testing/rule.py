"""A rule of the conformance kit: how it is declared, how it is checked, and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np

from siamkit.errors import MissingWeights
from siamkit.host.stdout_guard import divert_prints
from siamkit.io.sources import shorten

if TYPE_CHECKING:
    from siamkit.testing.subjects import Subject

S = TypeVar("S", bound="Subject")
State: TypeAlias = Literal["ok", "failed", "skipped"]


class Failure(AssertionError):
    """A broken rule. Checks raise it with what the plugin gave."""


class NotRun(Exception):
    """A check that cannot run: nothing to check, no weights, or a check it needs has failed."""


@dataclass(frozen=True, slots=True)
class Result:
    """One check on one plugin."""

    plugin: str
    check: str
    state: State
    message: str = ""  # of a failure: wanted, got, fix; of a skip: the reason

    def __str__(self) -> str:
        return f"{self.plugin}: {self.check}: {self.message or self.state}"


@dataclass(frozen=True, slots=True)
class Rule(Generic[S]):
    """A rule, which is the first line of its check's docstring, and how to mend a broken one."""

    check: Callable[[S], None]
    fix: str
    needs: tuple[Rule[Any], ...]  # unless a plugin keeps these, the check says nothing

    @property
    def name(self) -> str:
        return self.check.__name__

    @property
    def text(self) -> str:
        return (self.check.__doc__ or "").partition("\n")[0]


def rule(fix: str, *needs: Rule[Any]) -> Callable[[Callable[[S], None]], Rule[S]]:
    """Decorate a check, which raises Failure for a plugin that breaks the rule in its docstring."""
    return lambda check: Rule(check, fix, needs)


def rules_of(module: ModuleType) -> tuple[Rule[Any], ...]:
    """The rules that a module defines, in order."""
    rules = [value for value in vars(module).values() if isinstance(value, Rule)]
    return tuple(rule for rule in rules if rule.check.__module__ == module.__name__)


def require(ok: bool | np.bool_, got: str) -> None:
    """Raise Failure unless a plugin keeps the rule."""
    if not ok:
        raise Failure(got)


@contextmanager
def attempt(task: str, *allowed: type[Exception]) -> Iterator[None]:
    """Suppress the exceptions that a plugin may raise; any other one is a Failure at that task."""
    try:
        yield
    except Failure:
        raise
    except allowed:
        pass
    except Exception as error:
        raise Failure(f"{type(error).__name__} for {task}: {error}") from error


def needs_failed(check: str) -> NotRun:
    """For a check that needs another one, which fails."""
    return NotRun(f"needs {check}, which fails")


def missing(error: MissingWeights) -> str:
    """Describe what is not installed, and how to install it."""
    return f"{error} ({error.hint})" if error.hint else str(error)


def run(rule: Rule[S], subject: S) -> Result:
    """Check a rule once, with an empty folder; later calls return the same result."""
    if rule.name not in subject.results:
        state, message = _check(rule, subject)
        subject.results[rule.name] = Result(subject.label, rule.name, state, message)
    return subject.results[rule.name]


def _check(rule: Rule[S], subject: S) -> tuple[State, str]:
    for needed in rule.needs:
        result = run(needed, subject)
        if result.state != "ok":
            skipped = result.state == "skipped"
            return "skipped", result.message if skipped else str(needs_failed(needed.name))
    try:
        with divert_prints(), TemporaryDirectory(prefix="siamkit-check-") as folder:
            subject.enter(Path(folder))
            try:
                rule.check(subject)
            finally:
                subject.leave()
    except NotRun as reason:
        return "skipped", str(reason)
    except MissingWeights as error:
        return "skipped", missing(error)
    except Failure as failure:
        got = str(failure)
    except Exception as error:
        got = f"{type(error).__name__}: {shorten(str(error))}"
    else:
        return "ok", ""
    message = f"wanted: {rule.text.rstrip('.')}; got: {got}; fix: {rule.fix}"
    return "failed", " ".join(message.split())  # on one line, whatever was raised
