"""One or many probes of a command: FILES, folders, patterns and lists, and their answers.

A bad probe is reported, and the others go on. One probe is answered in sentences; many fill one
table, as they are answered.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

import siamkit as sk
from siamkit.cli import checks
from siamkit.cli.layout import shorten_middle
from siamkit.cli.output import count_of, echo, print_error, stderr
from siamkit.cli.progress import bar
from siamkit.cli.streamed_table import StreamedTable
from siamkit.errors import LowQuality, NothingFound, SeveralFound, SiamkitError, UnreadableSample
from siamkit.io.wording import INCONCLUSIVE, NOT_ENROLLED, format_probability

if TYPE_CHECKING:
    from siamkit.cli.saving import Saving
    from siamkit.reports.answer_rows import AnswerRow

Probe: TypeAlias = Path | str  # a file, or a text
Emit: TypeAlias = Callable[[list[dict[str, Any]]], None]
EXIT_UNKNOWN, EXIT_INCONCLUSIVE = 3, 5

OF_ONE_SOURCE = (UnreadableSample, NothingFound, SeveralFound, LowQuality)
WIDEST_NAME, VERDICT, NEAREST = 48, 32, 40  # characters of the columns of a streamed table


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a command, in order. stems: names of output files, without a suffix."""

    sources: list[Probe]
    stems: list[str]
    errors: dict[int, SiamkitError]  # by position: of folders, patterns and lists without a file
    is_batch: bool  # a folder, a pattern or a list was given, or several
    origin: str | None = None  # the list

    @property
    def noun(self) -> str:
        """The word for a probe."""
        return "text" if any(isinstance(source, str) for source in self.sources) else "file"

    @property
    def files(self) -> list[Path]:
        """The files that are read, the list among them."""
        files = [source for source in self.sources if isinstance(source, Path)]
        return [*files, *([Path(self.origin)] if self.origin else [])]

    def to_ask(self) -> list[Probe]:
        """Return those without an error."""
        return [s for n, s in enumerate(self.sources) if n not in self.errors]


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """The probes of a command, as they were typed."""

    files: tuple[Path, ...]
    texts: tuple[str, ...]
    origin: str | None  # a list of paths or texts
    columns: sk.TextColumns | None


def list_probes(
    ws: sk.Workspace, gallery: str, request: ProbeRequest, outputs: Sequence[Path] = ()
) -> Probes:
    """Return FILES, the files of folders and patterns among them, those of a list, and --text.

    outputs: what is written, and therefore not read. Raises UsageError if there is none, for texts
    where files are enrolled, and for an output that is a source or its folder.
    """
    if not (request.files or request.texts or request.origin):
        if Path(gallery).is_file():
            command = click.get_current_context().command_path
            raise click.UsageError(f"The gallery comes first: `{command} GALLERY {gallery}`.")
        raise click.UsageError("Give FILES, folders, --from or --text.")
    modality = ws.modality_of(gallery)
    is_text = ws.kind(modality) == "text"
    if request.texts:
        checks.require_text_modality(modality)
    checks.require_separate(outputs, request.files)
    checks.require_gallery(ws, gallery)
    from siamkit.io.listed_sources import has_folder, list_sources

    listed = _read_list(ws, request) if request.origin else []
    listed = [str(item) if is_text and not os.path.isfile(item) else item for item in listed]
    paths = [*request.files, *(item for item in listed if isinstance(item, Path))]
    items = list_sources(paths, outputs, are_texts=is_text)
    texts = [*request.texts, *(item for item in listed if isinstance(item, str))]
    sources: list[Probe] = [*(Path(str(item.source)) for item in items), *texts]
    stems = [item.stem for item in items] + [f"text-{n}" for n in range(1, len(texts) + 1)]
    errors = {n: item.error for n, item in enumerate(items) if item.error}
    is_batch = bool(request.origin) or len(sources) > 1 or has_folder(request.files)
    return Probes(sources, stems, errors, is_batch, request.origin)


def _read_list(ws: sk.Workspace, request: ProbeRequest) -> list[Any]:
    assert request.origin
    sources, faults = ws.read_sources(request.origin, request.columns)
    for fault in faults:
        stderr(f"Error: {request.origin}, {fault}")
    return [*sources]


def is_default(option: str) -> bool:
    """True if the user did not give an option of the running command."""
    source = click.get_current_context().get_parameter_source(option)
    return source is click.core.ParameterSource.DEFAULT


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers about one probe, or its error."""

    source: Probe
    stem: str
    answers: Any  # of the regions, in order
    error: SiamkitError | None = None


def ask_one(probes: Probes, answer: Callable[[Probe], Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the answers about the only probe, or its error; raises any other error."""
    for probe in probes.to_ask():
        try:
            yield answer(probe), None
        except OF_ONE_SOURCE as error:
            yield [], error


def _outcomes(probes: Probes, replies: Iterable[tuple[Any, Any]]) -> Iterator[Outcome]:
    """Yield the outcome of each probe in order. replies: (answers, error) of those to ask."""
    remaining = iter(replies)
    for number, (source, stem) in enumerate(zip(probes.sources, probes.stems, strict=True)):
        if error := probes.errors.get(number):
            yield Outcome(source, stem, [], error)
        else:
            answers, error = next(remaining)
            yield Outcome(source, stem, answers, error)


@dataclass(slots=True)
class Tally:
    """Counts of the answers, for the summary and the exit code."""

    kinds: Counter[str] = field(default_factory=Counter)
    errors: list[SiamkitError] = field(default_factory=list)
    probes: int = 0

    def add(self, rows: Sequence[AnswerRow], error: SiamkitError | None) -> None:
        """Count the answers about one probe, or its error."""
        self.probes += 1
        self.kinds.update(row.kind for row in rows)
        self.errors += [error] if error else []

    def exit_code(self) -> int:
        """Return 0 if anything is known, else 5 or 3; the lowest error code if all failed."""
        if self.errors and len(self.errors) == self.probes:
            return min(error.exit_code for error in self.errors)
        if self.kinds["identified"]:
            return 0
        return EXIT_INCONCLUSIVE if self.kinds[INCONCLUSIVE] else EXIT_UNKNOWN

    def summary(self, noun: str) -> str:
        """Return '500 files: 430 identified, 170 not enrolled, 2 failed'."""
        kinds = ("identified", INCONCLUSIVE, NOT_ENROLLED)
        counts = [f"{self.kinds[kind]:,} {kind}" for kind in kinds if self.kinds[kind]]
        counts += [f"{len(self.errors):,} failed"] * bool(self.errors)
        return f"{count_of(self.probes, noun)}: {', '.join(counts)}"


def short_name(source: Probe, width: int = WIDEST_NAME) -> str:
    """Return the name of a file or a text for a column of a table."""
    from siamkit.io.places import here
    from siamkit.io.sources import to_text

    name = source if isinstance(source, str) else to_text(source).removeprefix(here())
    return shorten_middle(" ".join(name.split()), width)


@dataclass(frozen=True, slots=True)
class Shown:
    """The ways a command shows the answers about a probe: as rows, as JSON, and as sentences."""

    rows_of: Callable[[Any], list[AnswerRow]]
    facts_of: Callable[[Any], dict[str, Any]]
    show_one: Callable[[Any, list[AnswerRow]], None]
    matches: int = 1  # per region in a table
    with_region: bool = False
    with_text: bool = False  # of the nearest sample, where samples are texts


class BatchTable:
    """The one table of many probes."""

    def __init__(self, probes: Probes, shown: Shown) -> None:
        """Prepare the columns; of several matches per region, each has a rank."""
        names = [short_name(source) for source in probes.sources]
        self.matches, self.with_region = shown.matches, shown.with_region
        columns = [(probes.noun, max(map(len, names), default=4)), ("#", 2)]
        columns += [("region", 19)] * self.with_region + [("answer", VERDICT)]
        columns += [("rank", 4), ("nearest", 24)] * (self.matches > 1)
        columns += [("probability", 11), ("score", 7)]
        columns += [("nearest text", NEAREST)] * shown.with_text
        self.with_text = shown.with_text
        self.table = StreamedTable(columns, ("#", "rank", "probability", "score"))

    def add(self, source: Probe, rows: Sequence[AnswerRow]) -> None:
        """Print the answers about one probe."""
        name = short_name(source, self.table.widths[0])
        for row in rows:
            where = [sk.region_choosers.describe_region(row.region)] * self.with_region
            for rank, match in enumerate(row.matches[: self.matches] or (None,), 1):
                likely = None if match is None or row.reason else match.probability
                share = None if likely is None else format_probability(likely)
                ranked = [rank, match and match.identity] if self.matches > 1 else []
                score = match and match.score
                text = [match and short_name(match.source, NEAREST)] * self.with_text
                self.table.add(
                    [name, row.number, *where, row.verdict, *ranked, share, score, *text]
                )


def answer_probes(
    probes: Probes,
    replies: Iterable[tuple[Any, Any]],
    shown: Shown,
    saving: Saving | None,
    emit: Emit | None,
) -> Tally:
    """Show and save the answers as they come, report errors, and count.

    replies: (answers, error) of each probe to ask. emit: prints facts as JSON; None for people.
    If the command is interrupted or fails, files and JSON hold what is done; older files stay if
    nothing is. Without `emit`, the error of a single probe is raised.
    """
    tally, facts = Tally(), []
    table = BatchTable(probes, shown) if probes.is_batch and not emit else None
    if saving:
        saving.files.begin()
    try:
        with bar("asking", len(probes.sources)) as update:
            for number, outcome in enumerate(_outcomes(probes, replies), 1):
                outcome, medium = saving.load(outcome) if saving else (outcome, None)
                if outcome.error and not (probes.is_batch or emit):
                    raise outcome.error
                rows = [] if outcome.error else shown.rows_of(outcome.answers)
                tally.add(rows, outcome.error)
                if outcome.error:
                    print_error(outcome.error)
                elif table:
                    table.add(outcome.source, rows)
                elif not emit:
                    shown.show_one(outcome.answers, rows)
                if emit:
                    facts.append(_facts(outcome, shown.facts_of))
                if saving:
                    saving.add(outcome, rows, medium)
                del medium  # not held while the next one is decoded
                update(number)
    except BaseException:
        _finish(saving if saving and saving.files.count else None, emit, facts)
        raise
    _finish(saving, emit, facts)
    if table:
        echo(tally.summary(probes.noun))
    return tally


def _finish(saving: Saving | None, emit: Emit | None, facts: list[dict[str, Any]]) -> None:
    """Write the files of what is done, and print the JSON."""
    if saving:
        saving.finish()
    if emit and facts:
        emit(facts)


def _facts(outcome: Outcome, describe: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON of a probe: its source, and its error or what `describe` returns."""
    from siamkit.io import sources

    source = outcome.source
    name = source if isinstance(source, str) else sources.to_text(source)
    if outcome.error:
        return {"source": name, "error": str(outcome.error), "hint": outcome.error.hint}
    return {"source": name, **describe(outcome.answers)}
