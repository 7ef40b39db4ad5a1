"""siamkit explain"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import siamkit as sk
from siamkit.cli import checks, options, pairs
from siamkit.cli.output import echo, emit_json, one_line, stderr, table
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.flows.explain import Part
    from siamkit.types import Box

PARTS_SHOWN = 10  # parts of each sample in its table


@click.command(
    epilog="""\b
Examples:
  siamkit explain -m faces a.jpg b.jpg -o why.png      heat maps over both faces
  siamkit explain -m voices a.wav b.wav -o why.svg     segments of both recordings
  siamkit explain -m questions --text 'How do I sign in?' --text 'How can I log in?'
  siamkit explain signers doe.png contract.png --box 640,1150,1000,1300
  siamkit explain -m faces a.jpg b.jpg --json          every part, for a program

\b
Exit codes: 0 explained; 4 nothing to compare in one of the files.
"""
)
@click.argument("arguments", nargs=-1, metavar="[GALLERY] [A] [B]")
@options.texts
@options.model_choice
@options.box("The region of B to compare, in pixels [default: the largest].")
@options.output("Save the explanation as a picture: .png, .svg or .pdf.")
@options.page
@options.workspace
@options.as_json
def explain(
    ws: sk.Workspace,
    arguments: tuple[str, ...],
    texts: tuple[str, ...],
    models: options.ModelChoice,
    box: Box | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show which parts of A and B (files or texts) make them alike, and which make them different.

    Each part of one sample is hidden in turn; it contributes what the score then loses. Parts are
    cells of a picture, segments of a sound, or words of a text.
    """
    gallery, probes = pairs.split_arguments(arguments, texts, models)
    if not (gallery or models.modality) or len(probes) != 2:
        raise click.UsageError("Give -m MODALITY A B, or GALLERY A B.")
    pairs.check_options(models, box, texts)
    if output:
        from siamkit.io.atomic import require_writable
        from siamkit.reports import explain as report

        require_writable(output, report.DRAWN)
        checks.require_writable("--output", output, *(p for p in probes if isinstance(p, Path)))
    system = pairs.open_system(ws, gallery, models, texts)
    with steps() as progress:
        choose = pairs.choose_region(box)
        detector = options.default_or_none(models.detector)
        explanation = ws.explain(
            system, *probes, choose=choose, detector=detector, progress=progress
        )
    pairs.note_regions(explanation.left, explanation.right, box, "explanation")
    for sample in (explanation.left, explanation.right):
        if len(sample.parts) == 1:
            name = one_line(sample.source, 100)
            stderr(f"Note: {name}: it is one part, which carries the whole score")
    if as_json:
        emit_json(explanation.to_dict())
    else:
        _print(explanation)
    if output:
        report.draw(explanation, output)
        stderr(f"saved {output}")


def _print(explanation: sk.Explanation) -> None:
    """Print the score, then the parts of each sample, the highest contribution first."""
    echo(f"score {explanation.score:.3f}; parts by contribution, highest first:")
    for sample in (explanation.left, explanation.right):
        count = len(sample.parts)
        compared = f"{count} part{'s' if count != 1 else ''}"
        if sample.region.where:
            compared = f"{sk.region_choosers.describe_region(sample.region)}, {compared}"
        echo()
        echo(f"{one_line(sample.source, 100)}: {compared}")
        ranked = sample.ranked_parts
        table(
            [_unit(ranked[0]), "contribution"],
            [[_place(part), _rounded(part)] for part in ranked[:PARTS_SHOWN]],
        )
        if count > PARTS_SHOWN:
            last = ranked[-1]
            echo(
                f"… and {count - PARTS_SHOWN} more, down to {_place(last)} with"
                f" {_rounded(last):.3f}; --json lists them all"
            )


def _unit(part: Part) -> str:
    if part.text:
        return "words"
    if len(part.where) == 4:
        return "px of the crop"
    return "s of the recording" if part.in_recording else "s of the crop"


def _rounded(part: Part) -> float:
    return round(part.contribution, 3) + 0.0  # no -0.000


def _place(part: Part) -> str:
    if part.text:
        return one_line(part.text, 60)
    if len(part.where) == 4:
        return ",".join(f"{v:.0f}" for v in part.where)
    start, stop = part.in_recording or part.where
    return f"{start:.2f}-{stop:.2f}"
