"""Several probes, one answer each: a bad probe is reported, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

import siamkit as sk
from siamkit.cli import checks
from siamkit.cli.output import echo, one_line, print_error, table
from siamkit.errors import LowQuality, NothingFound, SeveralFound, SiamkitError, UnreadableSample

if TYPE_CHECKING:
    from siamkit.flows.verify import ComparedSide

T = TypeVar("T", bound="sk.Answer | sk.Classified")
Probe: TypeAlias = Path | str  # a file, or a text
Results: TypeAlias = list[tuple[Probe, list[T] | SiamkitError]]
EXIT_UNKNOWN = 3


def list_probes(
    ws: sk.Workspace, gallery: str, files: Sequence[Path], texts: Sequence[str]
) -> list[Probe]:
    """Return FILES and --text as probes.

    Raises UsageError if there is none, or for texts where files are enrolled.
    """
    if not files and not texts:
        raise click.UsageError("Give FILES or --text.")
    if texts:
        checks.require_text_modality(ws.modality_of(gallery))
    return [*files, *texts]


def is_default(option: str) -> bool:
    """True if the user did not give an option of the running command."""
    source = click.get_current_context().get_parameter_source(option)
    return source is click.core.ParameterSource.DEFAULT


def answer_each(
    probes: Sequence[Probe], answer: Callable[[Probe], list[T]], *, as_json: bool
) -> Results[T]:
    """Return the answer to each probe, or the error of its file; raises any other error.

    Without `as_json`, the error of a single probe is raised too.
    """
    results: Results[T] = []
    for probe in probes:
        try:
            results.append((probe, answer(probe)))
        except (UnreadableSample, NothingFound, SeveralFound, LowQuality) as error:
            if len(probes) == 1 and not as_json:
                raise
            results.append((probe, error))
            print_error(error)
    return results


def answered(results: Results[T]) -> list[list[T]]:
    """Return the answers to the probes without an error."""
    return [answers for _, answers in results if not isinstance(answers, SiamkitError)]


def list_facts(
    results: Results[T], describe: Callable[[list[T]], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the JSON of each probe: its source, and its error or what `describe` returns."""
    from siamkit.io import sources

    facts = []
    for probe, answers in results:
        source = probe if isinstance(probe, str) else sources.to_text(probe)
        if isinstance(answers, SiamkitError):
            facts.append({"source": source, "error": str(answers), "hint": answers.hint})
        else:
            facts.append({"source": source, **describe(answers)})
    return facts


def exit_code(results: Results[T], is_known: Callable[[T], bool]) -> int:
    """Return 0 if anything is known, else 3; the lowest error code if all probes failed."""
    errors = [error.exit_code for _, error in results if isinstance(error, SiamkitError)]
    if len(errors) == len(results):
        return min(errors)
    known = any(is_known(answer) for answers in answered(results) for answer in answers)
    return 0 if known else EXIT_UNKNOWN


def print_regions(
    regions: Sequence[T],
    name: Callable[[T], str],
    note: str,
    head: Sequence[str],
    cells: Callable[[T], list[list[Any]]],
) -> None:
    """Print one line on a probe and a table; without region columns if it is one whole sample.

    name: the answer of a region, in a few words. cells: the ranked rows of a region.
    head: the column of the answer, then those of cells.
    """
    whole_sample = len(regions) == 1 and regions[0].region.where is None
    summary = name(regions[0]) if whole_sample else f"{len(regions)} found"
    echo(f"{one_line(regions[0].source, 100)}: {one_line(summary, 100)} ({note})")
    rows: list[list[Any]] = []
    for number, answer in enumerate(regions, 1):
        box = sk.region_choosers.describe_region(answer.region) if answer.region.where else "whole"
        labels: list[Any] = [number, box, one_line(name(answer), 50)]
        ranked = cells(answer)
        if not ranked:
            rows.append([*labels, *[None] * len(head)])
        for rank, row in enumerate(ranked, 1):
            rows.append([*labels, rank, *row])
            labels = ["", "", ""]
    skipped = 3 if whole_sample else 0
    columns = ["#", "region", head[0], "rank", *head[1:]]
    table(columns[skipped:], [row[skipped:] for row in rows])


def region_facts(answer: sk.Answer | sk.Classified | ComparedSide) -> dict[str, Any]:
    """Return the region and its quality, as JSON shows them."""
    from siamkit.sdk import regions

    quality = round(answer.quality.score, 4) if answer.quality else None
    return {"region": answer.region and regions.to_dict(answer.region), "quality": quality}
