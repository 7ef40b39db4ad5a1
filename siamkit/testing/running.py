"""Which checks a plugin has, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

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
from siamkit.testing.outcome import Failure, Result
from siamkit.testing.run import run
from siamkit.testing.subjects import (
    DetectorSubject,
    EncoderSubject,
    IndexSubject,
    ModalitySubject,
    Sampled,
    Subject,
    subject,
)

Check = Callable[[Any], None]
CHECKS: dict[type[Subject], Sequence[Check]] = {
    ModalitySubject: (
        *imports.CHECKS,
        *modality.CHECKS,
        *encoder.CHECKS,  # an embed that ends the process is met there first
        *cropped.CHECKS,
        *served.CHECKS,
        *trainable.CHECKS,
    ),
    EncoderSubject: encoder.CHECKS,
    DetectorSubject: (*imports.CHECKS, *detector.CHECKS),
    IndexSubject: (*imports.CHECKS, *index.CHECKS, *saved.CHECKS, *mined.CHECKS),
}


def checks_of(plugin: Any) -> Sequence[Check]:
    """Every check of a plugin's kind, in order. Each takes what `subject` makes of a plugin."""
    return CHECKS[type(subject(plugin))]


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
