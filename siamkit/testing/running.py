"""Which checks a plugin has, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from siamkit.errors import MissingWeights
from siamkit.sources import short
from siamkit.testing import (
    cropped,
    detector,
    encoder,
    imports,
    index,
    mined,
    modality,
    saved,
    served,
    trainable,
)
from siamkit.testing.outcome import Failure, NotRun, Result
from siamkit.testing.subjects import (
    DetectorSubject,
    EncoderSubject,
    IndexSubject,
    ModalitySubject,
    Sampled,
    Subject,
    subject,
    unavailable,
)

Check = Callable[[Any], None]
CHECKS: dict[type[Subject], Sequence[Check]] = {
    ModalitySubject: (
        *imports.CHECKS,
        *modality.CHECKS,
        *cropped.CHECKS,
        *served.CHECKS,
        *trainable.CHECKS,
        *encoder.CHECKS,
    ),
    EncoderSubject: encoder.CHECKS,
    DetectorSubject: (*imports.CHECKS, *detector.CHECKS),
    IndexSubject: (*imports.CHECKS, *index.CHECKS, *saved.CHECKS, *mined.CHECKS),
}


def checks_of(plugin: Any) -> Sequence[Check]:
    """Every check of a plugin's kind, in order. Each takes what `subject` makes of a plugin."""
    return CHECKS[type(subject(plugin))]


def title(check: Check) -> str:
    """'embed_is_unit' for check_embed_is_unit."""
    return check.__name__.removeprefix("check_")


def run(check: Check, seen: Subject) -> Result:
    """One check. A crash is its failure, and names the plugin."""
    name = title(check)
    try:
        check(seen)
    except NotRun as reason:
        return Result(seen.label, name, "skipped", str(reason))
    except MissingWeights as error:
        return Result(seen.label, name, "skipped", unavailable(error))
    except Failure as failure:
        return Result(seen.label, name, "failed", str(failure))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        rule = (check.__doc__ or "").strip().splitlines()[0]
        return Result(
            seen.label,
            name,
            "failed",
            f"wanted an answer; got {type(error).__name__}: {short(str(error))};"
            f" fix: keep the rule: {rule}",
        )
    return Result(seen.label, name, "ok")


def results(plugin: Any) -> Iterator[Result]:
    """Run all checks of a plugin, of whatever kind it is."""
    seen = subject(plugin)
    for check in CHECKS[type(seen)]:
        yield run(check, seen)


def check_modality(plugin: Any) -> list[Result]:
    """All checks of a modality, and of its default encoder with its own examples.

    Returns what came of each; raises Failure, a line each, if any failed. Without weights the
    checks that need them are skipped.
    """
    return _all(ModalitySubject(plugin))


def check_encoder(encoder: Any, samples: Sequence[tuple[str, Any]]) -> list[Result]:
    """All checks of an open encoder with (identity, decoded medium) pairs. Raises Failure."""
    return _all(EncoderSubject(Sampled(encoder, samples)))


def check_detector(plugin: Any) -> list[Result]:
    """All checks of a region detector. Raises Failure, a line each.

    It looks at what its own `examples()` gives, a list of media, or at the examples of the
    installed modalities that use it.
    """
    return _all(DetectorSubject(plugin))


def check_index(backend: Any) -> list[Result]:
    """All checks of an index backend. Raises Failure, a line each."""
    return _all(IndexSubject(backend))


def _all(seen: Subject) -> list[Result]:
    done = list(results(seen))
    if failed := [result for result in done if result.state == "failed"]:
        raise Failures(failed)
    return done


class Failures(Failure):
    """Several broken rules of one plugin, a line each."""

    def __init__(self, failed: Sequence[Result]) -> None:
        AssertionError.__init__(self, "\n".join(map(str, failed)))
        self.failed = failed
