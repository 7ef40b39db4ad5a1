"""The checks of each kind of plugin, and the functions that run all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from siamkit.protocols import Detector, Encoder, IndexBackend, Modality
from siamkit.testing import (
    crop,
    damage,
    detector,
    encoder,
    encoder_folder,
    every_plugin,
    index,
    index_changes,
    mining,
    modality,
    saving,
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
    make_subject,
)

Check = Callable[[Any], None]
CHECKS: dict[type[Subject], Sequence[Check]] = {
    ModalitySubject: (
        *every_plugin.CHECKS,
        *modality.CHECKS,
        *encoder.CHECKS,
        *crop.CHECKS,
        *encoder_folder.CHECKS,
        *trainable.CHECKS,
    ),
    EncoderSubject: encoder.CHECKS,
    DetectorSubject: (*every_plugin.CHECKS, *detector.CHECKS),
    IndexSubject: (
        *every_plugin.CHECKS,
        *index.CHECKS,
        *index_changes.CHECKS,
        *saving.CHECKS,
        *damage.CHECKS,
        *mining.CHECKS,
    ),
}


class Failures(Failure):
    """Several broken rules of one plugin, one line each."""

    def __init__(self, failed: Sequence[Result]) -> None:
        AssertionError.__init__(self, "\n".join(map(str, failed)))
        self.failed = failed


def checks_of(plugin: object) -> Sequence[Check]:
    """Every check of a plugin's kind, in order. Each takes a subject, see `make_subject`."""
    return CHECKS[type(make_subject(plugin))]


def results(plugin: object) -> Iterator[Result]:
    """Run all checks of a plugin, of whatever kind it is."""
    subject = make_subject(plugin)
    for check in CHECKS[type(subject)]:
        yield run(check, subject)


def check_modality(plugin: Modality[Any]) -> list[Result]:
    """Run all checks of a modality, and of its default encoder with its own examples.

    Returns the result of each; raises Failure, with one line per failed check. Without weights
    the checks that need them are skipped.
    """
    return _all_results(ModalitySubject(plugin))


def check_encoder(encoder: Encoder[Any], samples: Sequence[tuple[str, Any]]) -> list[Result]:
    """Run all checks of an open encoder on (identity, decoded medium) pairs. Raises Failure."""
    return _all_results(EncoderSubject(Sampled(encoder, samples)))


def check_detector(plugin: Detector[Any]) -> list[Result]:
    """Run all checks of a region detector. Raises Failure, with one line per failed check.

    It looks at the media of its own `examples()`, a list, or at the examples of the installed
    modalities that use it.
    """
    return _all_results(DetectorSubject(plugin))


def check_index(backend: IndexBackend) -> list[Result]:
    """Run all checks of an index backend. Raises Failure, with one line per failed check."""
    return _all_results(IndexSubject(backend))


def _all_results(subject: Subject) -> list[Result]:
    done = list(results(subject))
    if failed := [result for result in done if result.state == "failed"]:
        raise Failures(failed)
    return done
