"""Several probes, one answer each: a bad probe is reported, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import click

from siamkit.cli.output import print_error
from siamkit.errors import LowQuality, NothingFound, SeveralFound, SiamkitError, UnreadableSample

T = TypeVar("T")
Probe: TypeAlias = Path | str  # a file, or a text


def list_probes(files: Sequence[Path], texts: Sequence[str]) -> list[Probe]:
    """Return FILES and --text as probes. Raises UsageError if there is none."""
    if not files and not texts:
        raise click.UsageError("Give FILES or --text.")
    return [*files, *texts]


def is_default(option: str) -> bool:
    """True if the user did not give an option of the running command."""
    source = click.get_current_context().get_parameter_source(option)
    return source is click.core.ParameterSource.DEFAULT


def answer_each(
    probes: Sequence[Probe], answer: Callable[[Probe], list[T]], *, as_json: bool
) -> list[tuple[Probe, list[T] | SiamkitError]]:
    """Return the answer to each probe, or the error of its file; raises any other error.

    Without `as_json`, the error of a single probe is raised too.
    """
    results: list[tuple[Probe, list[T] | SiamkitError]] = []
    for probe in probes:
        try:
            results.append((probe, answer(probe)))
        except (UnreadableSample, NothingFound, SeveralFound, LowQuality) as error:
            if len(probes) == 1 and not as_json:
                raise
            results.append((probe, error))
            print_error(error)
    return results


def exit_code(
    results: Sequence[list[T] | SiamkitError], is_known: Callable[[T], bool], unknown: int
) -> int:
    """Return 0 if anything is known, else `unknown`; the lowest error code if all probes failed."""
    answered = [answers for answers in results if not isinstance(answers, SiamkitError)]
    if not answered:
        return min(error.exit_code for error in results if isinstance(error, SiamkitError))
    return 0 if any(is_known(answer) for answers in answered for answer in answers) else unknown
