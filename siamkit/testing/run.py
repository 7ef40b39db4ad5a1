"""Run a check once: what comes of it is kept, for itself and for those that need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from siamkit.errors import MissingWeights
from siamkit.host.stdout_guard import divert_prints
from siamkit.io.sources import shorten
from siamkit.testing.outcome import Failure, NotRun, Result, lacking, unavailable

if TYPE_CHECKING:
    from siamkit.testing.subjects import Subject

S = TypeVar("S", bound="Subject")


def title(check: Callable[[Any], None]) -> str:
    """'embed_is_unit' for check_embed_is_unit."""
    return check.__name__.removeprefix("check_")


def run(check: Callable[[S], None], seen: S) -> Result:
    """One check. A crash is its failure, and names the plugin."""
    name = title(check)
    if name not in seen.results:
        seen.results[name] = _run(check, seen)
    return seen.results[name]


def needs(seen: S, *checks: Callable[[S], None]) -> None:
    """Raise NotRun where another rule, without which this one says nothing, is broken."""
    for check in checks:
        result = run(check, seen)
        if result.state == "skipped":
            raise NotRun(result.message)
        if result.state == "failed":
            raise lacking(result.check)


def _run(check: Callable[[S], None], seen: S) -> Result:
    name = title(check)
    try:
        with divert_prints():
            check(seen)
    except NotRun as reason:
        return Result(seen.label, name, "skipped", str(reason))
    except MissingWeights as error:
        return Result(seen.label, name, "skipped", unavailable(error))
    except Failure as failure:
        return Result(seen.label, name, "failed", str(failure))
    except Exception as error:
        got = f"{type(error).__name__}: {shorten(str(error))}"
        rule = (check.__doc__ or "").strip().partition("\n")[0]
        kept = f"keep the rule: {rule or name}"
        return Result(seen.label, name, "failed", f"wanted an answer; got {got}; fix: {kept}")
    return Result(seen.label, name, "ok")
