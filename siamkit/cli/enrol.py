"""siamkit enrol"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import echo, emit_line, notes, stderr
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.embed.region_choosers import Chooser
    from siamkit.types import Prompt

QUIET_FROM = 20  # sources; a longer batch names its failures only
WARNINGS_SHOWN = 20
ENROLLING = "enrolling"  # the step before the index is built
STATUSES = ("enrolled", "already", "failed")


@click.command(
    epilog="""\b
Examples:
  siamkit enrol faces alice.jpg --as alice       creates the gallery, named after its modality
  siamkit enrol staff alice.jpg --as alice -m faces
  siamkit enrol staff --from people/             people/alice/1.jpg, people/bob.jpg, …
  siamkit enrol staff --from manifest.csv        with the columns label,path
  siamkit enrol staff --from people/ --workers ray://head:10001     embedded on a Ray cluster
  siamkit enrol staff group.jpg --as bob --box 410,80,520,190
  siamkit enrol logos shirt.jpg --as acme -m images --point 310,220     cut out, its mask stored
  siamkit enrol voices hello.wav --as alice      a voice, from a few seconds of speech
  siamkit enrol voices --as alice --record 5     the same, from the microphone
  siamkit enrol voices --from-timeline talk.json --speaker 2 --as Ann
  siamkit enrol faq -m questions --text 'How do I sign in?' --as login
  siamkit enrol faq -m questions --from faq.csv --column question --id number
  printf '{"label": "alice", "path": "a.jpg"}' | siamkit enrol staff --from -

\b
With --column, --from is a table of texts (see `siamkit dedupe --help`), and --id names the column
with the labels; a text without one is its own label.

\b
An interrupted batch continues where it stopped: content that is already enrolled under its label
is skipped. After 100 samples or more, the index is built, so that no query waits for that; Ctrl-C
there loses nothing. There is a warning for a copy of what another label has, a match with another
identity, and what is unlike all else under its label. With --json, one line per source is printed
once it is durable; a last one has notes, if there are any. The exit code is 1 if some sources of a
batch failed; the others are enrolled.
"""
)
@click.argument("gallery")
@options.files
@click.option("--as", "label", metavar="LABEL", help="Who or what the files show.")
@options.texts
@click.option(
    "--record",
    "seconds",
    type=float,
    metavar="SECONDS",
    help="Record from the microphone; saved as LABEL-DATE.wav in this folder.",
)
@click.option(
    "--from",
    "origin",
    type=options.ORIGIN,
    metavar="DIR|TABLE|-",
    help="Many labels: see below.",
)
@options.path(
    "--from-timeline",
    "timeline",
    metavar="FILE.json",
    help="A timeline (`siamkit timeline`): enrol its --speaker, from a .wav saved in this folder.",
)
@click.option("--speaker", type=options.POSITIVE, metavar="N", help="A number of the timeline.")
@options.text_columns(options.column, options.id_column, options.table)
@options.modality
@click.option("--largest", is_flag=True, help="Of several regions, take the largest.")
@click.option("--all-regions", is_flag=True, help="Take every region, under one label.")
@options.prompt
@options.other_detector
@click.option("--any-quality", is_flag=True, help="Also enrol what is too small, dark or blurred.")
@options.page
@options.workers
@options.workspace
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per source.")
def enrol(ws: sk.Workspace, gallery: str, as_json: bool, **values: Any) -> int:
    """Enrol FILES or texts under a label, or many labels at once with --from.

    Each file must show exactly one usable region (one face, for example), unless an option says
    which one to take.
    """
    request = EnrolRequest(**values)
    request.check()
    items, failures = request.items()
    counts: Counter[str] = Counter()
    recording: Path | None = None
    warned = 0
    total = len(items) + len(failures) + request.is_cut
    with steps() as progress:
        progress(ENROLLING, 0, total)
        if request.is_table or any(isinstance(source, str) for _, source in items):
            checks.require_text_modality(request.modality or ws.modality_of(gallery))
        if request.is_cut:
            recording = _cut(ws, request, gallery)
            items = [(request.label, recording)]
        results = ws.enrol_many(
            gallery,
            items,
            modality=request.modality,
            choose=request.chooser(),
            detector=options.default_or_none(request.detector),
            prompt=request.prompt,
            look_again=request.all_regions or request.prompt is not None,
            workers=request.workers,
            progress=progress,
        )
        try:
            for result in chain(failures, results):
                counts[result.status] += 1
                _report(result, as_json=as_json, quiet=len(items) >= QUIET_FROM)
                if not as_json:
                    warned = _warn(result.warnings, warned)
                progress(ENROLLING, counts.total(), total)
        except KeyboardInterrupt:
            line = f"{counts['enrolled']:,} enrolled so far; run the same command again to continue"
            if progress.step != ENROLLING:  # nothing is lost
                line = (
                    f"{counts['enrolled']:,} enrolled; the index is not built yet:"
                    f" `siamkit index rebuild {gallery}`, or the same command again, builds it"
                )
            stderr(line, before="\n")
            raise
        finally:
            if recording and not counts["enrolled"] + counts["already"]:
                recording.unlink()
                stderr(f"{recording} was not enrolled; the recording was deleted")
    if warned > WARNINGS_SHOWN:
        more = warned - WARNINGS_SHOWN
        stderr(f"… and {more:,} more warnings; --json lists them all")
    if as_json and notes:
        emit_line({"notes": notes})
    if total == 1 and not request.origin:
        return result.error.exit_code if result.error else 0
    if not as_json:
        echo(", ".join(f"{counts[s]:,} {s}" for s in STATUSES if counts[s]) or "0 enrolled")
    return 1 if counts["failed"] else 0


@dataclass(frozen=True, slots=True)
class EnrolRequest:
    """Options of one `enrol` command: what to enrol, and which regions of it."""

    files: tuple[Path, ...]
    label: str | None
    texts: tuple[str, ...]
    seconds: float | None
    origin: str | None
    timeline: Path | None
    speaker: int | None
    columns: sk.TextColumns
    modality: str | None
    largest: bool
    all_regions: bool
    prompt: Prompt | None
    detector: str | None
    any_quality: bool
    workers: str | None

    @property
    def is_table(self) -> bool:
        return self.columns.are_named

    @property
    def is_cut(self) -> bool:
        """True if the sample is a sound that the command saves first."""
        return self.seconds is not None or self.timeline is not None

    def check(self) -> None:
        """Raise UsageError for options that cannot be combined."""
        inputs = (self.files or self.texts, self.origin, self.seconds is not None, self.timeline)
        if sum(map(bool, inputs)) != 1:
            raise click.UsageError(
                "Give one of FILES, --text, --record, --from and --from-timeline."
            )
        if bool(self.timeline) != (self.speaker is not None):
            raise click.UsageError("--from-timeline and --speaker go together.")
        if (self.files or self.is_cut) and self.label is None:
            raise click.UsageError("Give --as LABEL: who or what the files show.")
        if self.origin and self.label is not None:
            raise click.UsageError("--from brings its own labels: leave --as out.")
        if self.columns != sk.TextColumns() and not self.origin:
            raise click.UsageError("--column, --id, --table and --encoding need --from TABLE.")
        if self.largest + self.all_regions + (self.prompt is not None) > 1:
            raise click.UsageError(
                "--largest, --all-regions, and --box or --point exclude each other."
            )
        if self.workers and self.prompt is not None:
            raise click.UsageError("--workers cannot be combined with --box or --point.")

    def items(self) -> tuple[Sequence[tuple[str | None, Path | str]], Sequence[sk.EnrolResult]]:
        """Return (label, source) pairs, and a failed result per unusable row of a table."""
        if not self.origin:
            sources: list[Path | str] = [*self.files, *self.texts]
            return [(self.label, source) for source in sources], []
        return sk.Workspace.read_labelled(self.origin, self.columns)

    def chooser(self) -> Chooser:
        choose: Chooser
        if self.largest:
            choose = sk.region_choosers.largest_usable
        elif self.all_regions:
            choose = sk.region_choosers.all_usable
        else:
            choose = sk.region_choosers.only_usable
        return sk.region_choosers.ignoring_quality(choose) if self.any_quality else choose


def _cut(ws: sk.Workspace, request: EnrolRequest, gallery: str) -> Path:
    """Record a voice, or cut one out of a recording; return the new file."""
    modality = ws.modality_of(gallery, request.modality)
    if request.timeline and request.speaker:
        path = ws.cut_speaker(request.timeline, request.speaker, modality=modality)
        stderr(f"saved {path}")
        return path
    seconds = request.seconds or 0.0
    path = ws.record(
        seconds,
        str(request.label),
        modality,
        started=lambda: stderr(f"recording {seconds:g} s: speak now"),
    )
    stderr(f"recorded {path}")
    return path


def _warn(warnings: Sequence[str], before: int) -> int:
    """Print warnings, up to WARNINGS_SHOWN with the `before` earlier ones; return how many."""
    for warning in warnings[: max(0, WARNINGS_SHOWN - before)]:
        stderr(f"Warning: {warning}")
    return before + len(warnings)


def _report(result: sk.EnrolResult, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        line: dict[str, Any] = {
            "label": result.label,
            "source": result.source,
            "status": result.status,
            "sample_ids": list(result.sample_ids),
            "warnings": list(result.warnings),
        }
        if result.error:
            line |= {"error": str(result.error), "hint": result.error.hint}
        emit_line(line)
    elif result.error:
        hint = f" ({result.error.hint})" if result.error.hint else ""
        stderr(f"Error: {result.error}{hint}")
    elif not quiet:
        outcome = "is already enrolled" if result.status == "already" else "enrolled"
        echo(f"{result.label}: {result.source} {outcome}")
