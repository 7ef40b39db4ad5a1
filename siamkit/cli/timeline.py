"""siamkit timeline"""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import echo, emit_json, one_line, stderr, table
from siamkit.cli.probes import EXIT_UNKNOWN
from siamkit.cli.progress import steps
from siamkit.io.printable import clock
from siamkit.io.wording import Nouns, describe_rate

if TYPE_CHECKING:
    from siamkit.stats.scoring import Fusion

NAME, NAMED = 50, 8  # characters of a name; names in the first line


def only_gallery(context: click.Context, names: tuple[str, ...]) -> str | None:
    """Return the GALLERY, None without it. Raises UsageError for a second recording."""
    if len(names) > 1 or any(Path(name).is_file() for name in names):
        raise several_recordings(Path(context.params["recording"]).parent)
    return names[0] if names else None


def several_recordings(folder: Path) -> click.UsageError:
    """Return the error about several recordings: a loop takes one at a time."""
    files = f"{quote(str(folder))}/*" if folder != Path() else "*"
    return click.UsageError(
        f'One recording at a time: for f in {files}; do siamkit timeline "$f"; done'
    )


@click.command(
    epilog="""\b
Examples:
  siamkit timeline talk.wav                         who speaks when: speaker 1, speaker 2, …
  siamkit timeline talk.wav voices                  the enrolled of a gallery by name
  siamkit timeline talk.wav voices --speakers 3     there are three
  siamkit timeline talk.wav -o talk.srt -o talk.png
  siamkit timeline talk.wav -o talk.json
  siamkit enrol voices --from-timeline talk.json --speaker 2 --as Ann

\b
-o FILE: .rttm (NIST's Rich Transcription format), .srt and .vtt (subtitles), .txt (labels for
Audacity), .csv, .json, or a chart as .png, .svg or .pdf; may be repeated.
Exit codes: 0 done; 3 nobody enrolled in GALLERY is heard; 4 nobody speaks.
"""
)
@click.argument("recording", type=options.PATH)
@click.argument(
    "gallery",
    nargs=-1,
    metavar="[GALLERY]",
    callback=lambda context, parameter, names: only_gallery(context, names),
)
@click.option(
    "--speakers",
    type=options.POSITIVE,
    metavar="N",
    help="How many people speak [default: as many as are told apart].",
)
@options.decision_rule(options.threshold)
@options.fusion
@click.option(
    "-m",
    "--modality",
    metavar="NAME",
    help="Without GALLERY: a modality of sounds [default: the one that tells speakers apart].",
)
@options.output("Save the timeline: see below.", "outputs", multiple=True)
@options.workspace
@options.as_json
def timeline(
    ws: sk.Workspace,
    recording: Path,
    gallery: str | None,
    speakers: int | None,
    rule: sk.DecisionRule,
    fusion: Fusion | None,
    modality: str | None,
    outputs: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Show who speaks when in RECORDING, which may be of any length.

    Those enrolled in GALLERY have their names, others a number. Where several speak at once, each
    of them has a turn.
    """
    _check(recording, gallery, rule, outputs)
    with steps() as progress:
        answer = ws.timeline(
            recording,
            gallery,
            modality=modality,
            speakers=speakers,
            rule=rule,
            fusion=fusion,
            progress=progress,
        )
    if as_json:
        from siamkit.reports.timeline import facts

        emit_json({"gallery": gallery, **facts(answer)})
    else:
        _print(answer)
    for path in outputs:
        from siamkit.reports.timeline import save

        save(answer, path)
        stderr(f"saved {path}")
    return 0 if not gallery or any(turn.identity for turn in answer.turns) else EXIT_UNKNOWN


def _check(
    recording: Path, gallery: str | None, rule: sk.DecisionRule, outputs: tuple[Path, ...]
) -> None:
    """Raise UsageError for options that cannot work, before a long recording is processed."""
    if recording.is_dir():
        raise several_recordings(recording)
    if outputs:
        from siamkit.io.extras import require_extra
        from siamkit.reports.timeline import PICTURES, SUFFIXES

        for path in outputs:
            if path.suffix.lower() not in SUFFIXES:
                raise click.UsageError(
                    f"--output {path}: its name must end in {', '.join(SUFFIXES)}."
                )
            checks.require_writable("--output", path, recording)
            if path.suffix.lower() in PICTURES:
                require_extra("plot", "drawing a timeline")
        if len({path.absolute() for path in outputs}) < len(outputs):
            raise click.UsageError("--output names the same file twice.")
    if rule.threshold is not None and gallery is None:
        raise click.UsageError("--threshold needs a GALLERY.")


def _print(timeline: sk.Timeline) -> None:
    spoken, total = timeline.spoken(), sum(timeline.spoken().values())
    at_once = sum(stop - start for start, stop in timeline.overlaps())
    overlap = f", {clock(at_once)} of it at once" if at_once else ""
    people = "1 speaker" if len(spoken) == 1 else f"{len(spoken)} speakers"
    named = [one_line(name, NAME) for name in spoken]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    echo(f"{people}: {', '.join(named[:NAMED])}{more}")
    echo(f"{clock(timeline.speech)} of speech in {clock(timeline.seconds)}{overlap}")
    if threshold := timeline.threshold:
        rate = describe_rate(threshold, Nouns("speaker", "speakers"))
        echo(f"same from {threshold.value:.3f}{': ' + rate if rate else ''}")
    shares = [
        [one_line(name, NAME), clock(seconds), f"{seconds / total:.0%}"]
        for name, seconds in spoken.items()
    ]
    table(["speaker", "speaks", "share"], shares)
    echo()
    has_scores = timeline.threshold is not None
    turns = [
        [
            f"{turn.start:.1f}",
            f"{turn.stop:.1f}",
            one_line(turn.name, NAME),
            *([turn.score] if has_scores else []),
            *([f"{turn.overlap:.1f} s" if turn.overlap else ""] if at_once else []),
        ]
        for turn in timeline.turns
    ]
    head = ["from", "to", "speaker"] + ["score"] * has_scores + ["at once"] * bool(at_once)
    table(head, turns)
