"""Several probes, one answer each: a bad one is reported, and does not end the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from siamkit.cli.output import stderr
from siamkit.errors import NothingFound, SiamkitError

T = TypeVar("T")
Probe: TypeAlias = Path | str


def ask(
    probes: Sequence[Probe], answer: Callable[[Probe], list[T]], *, as_json: bool
) -> list[tuple[Probe, list[T] | SiamkitError]]:
    """The answer to each probe, or what is wrong with it; raises it for a single one."""
    results: list[tuple[Probe, list[T] | SiamkitError]] = []
    for probe in probes:
        try:
            results.append((probe, answer(probe)))
        except SiamkitError as error:
            if len(probes) == 1 and not as_json:
                raise
            if not isinstance(error, NothingFound) and error.exit_code != 2:
                raise  # the gallery, the encoder or a plugin is at fault, not this file
            results.append((probe, error))
            stderr(f"Error: {error}")
    return results


def exit_code(
    results: Sequence[list[T] | SiamkitError], is_known: Callable[[T], bool], unknown: int
) -> int:
    """0 if anything is known, else `unknown`; where all probes failed, the least of their codes."""
    good = [found for found in results if not isinstance(found, SiamkitError)]
    if not good:
        return min(found.exit_code for found in results if isinstance(found, SiamkitError))
    return 0 if any(is_known(each) for found in good for each in found) else unknown
