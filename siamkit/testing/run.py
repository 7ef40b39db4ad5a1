"""Run a check once: its result is kept for the checks that need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from siamkit.errors import MissingWeights
from siamkit.host.stdout_guard import divert_prints
from siamkit.io.sources import shorten
from siamkit.testing.outcome import Failure, NotRun, Result, missing, needs_failed

if TYPE_CHECKING:
    from siamkit.testing.subjects import Subject

S = TypeVar("S", bound="Subject")


def title(check: Callable[[Any], None]) -> str:
    """'embed_is_unit' for check_embed_is_unit."""
    return check.__name__.removeprefix("check_")


def run(check: Callable[[S], None], subject: S) -> Result:
    """Run one check. An exception of the plugin's is a failure, which names the plugin."""
    name = title(check)
    if name not in subject.results:
        subject.results[name] = _run(check, subject)
    return subject.results[name]


def needs(subject: S, *checks: Callable[[S], None]) -> None:
    """Raise NotRun unless the plugin passes other checks, without which this one says nothing."""
    for check in checks:
        result = run(check, subject)
        if result.state == "skipped":
            raise NotRun(result.message)
        if result.state == "failed":
            raise needs_failed(result.check)


def _run(check: Callable[[S], None], subject: S) -> Result:
    name = title(check)
    try:
        with divert_prints():
            check(subject)
    except NotRun as reason:
        return Result(subject.label, name, "skipped", str(reason))
    except MissingWeights as error:
        return Result(subject.label, name, "skipped", missing(error))
    except Failure as failure:
        return Result(subject.label, name, "failed", str(failure))
    except Exception as error:
        rule = (check.__doc__ or "").strip().partition("\n")[0] or name
        crash = f"{type(error).__name__}: {shorten(str(error))}"
        message = f"wanted an answer; got {crash}; fix: keep the rule: {rule}"
        return Result(subject.label, name, "failed", message)
    return Result(subject.label, name, "ok")
