"""siamkit explain"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import siamkit as sk
from siamkit.cli import checks, options, pairs
from siamkit.cli.explain_layers import LayerOptions, explain_layers, layer_options
from siamkit.cli.output import echo, emit_json, one_line, stderr, table
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.flows.explain import ExplainedSample, Part
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
  siamkit explain --layers -m images --from photos -o layers.html    what each layer sees

\b
Exit codes: 0 explained; 4 nothing to compare in one of the files.
"""
)
@click.argument("arguments", nargs=-1, metavar="[GALLERY] [A] [B]")
@options.texts
@options.model_choice
@options.box("The region of B to compare, in pixels [default: the largest].")
@layer_options
@options.output(
    "Save the explanation as a picture: .png, .svg or .pdf; with --layers, a page: .html."
)
@options.page
@options.workspace
@options.as_json
def explain(
    ws: sk.Workspace,
    arguments: tuple[str, ...],
    texts: tuple[str, ...],
    models: options.ModelChoice,
    box: Box | None,
    shown: LayerOptions,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show which parts of A and B (files or texts) make them alike, and which make them different.

    Each part of one sample is hidden in turn; it contributes what the score then loses. Parts are
    cells of a picture, segments of a sound, or words of a text.

    --layers shows what the layers of the encoder respond to instead: the places of a set of samples
    where a channel is strongest, and its response to A; of texts, the attention to each token.
    """
    if shown.are_layers:
        if box:
            raise click.UsageError("--box is of a comparison; it cannot be combined with --layers.")
        explain_layers(ws, arguments, texts, models, shown, output, as_json)
        return
    shown.require_layers()
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
    """Print the verdict, then how much the parts of each sample count, the highest first."""
    for line in explanation.lines:
        echo(line)
    sides = (explanation.left, explanation.right)
    if len(sides[0].parts[0].where) == 4:
        _print_areas(sides)
        return
    for letter, sample in zip("AB", sides, strict=True):
        ranked, shares = sample.ranked_parts, sample.shares
        echo()
        echo(f"{letter}: {one_line(sample.source, 100)}{_describe_region(sample)}")
        table(
            [_unit(ranked[0]), "  share", "score lost without it"],
            [
                [_place(part), _percent(shares[part]), _rounded(part)]
                for part in ranked[:PARTS_SHOWN]
            ],
        )
        if (more := len(ranked) - PARTS_SHOWN) > 0:
            least = f"{_place(ranked[-1])} with {_rounded(ranked[-1]):.3f}"
            echo(f"… and {more} more, down to {least}; --json lists them all")


def _print_areas(sides: Sequence[ExplainedSample]) -> None:
    """Print the shares of nine areas of two pictures in one table."""
    for letter, sample in zip("AB", sides, strict=True):
        echo(f"{letter}: {one_line(sample.source, 100)}{_describe_region(sample)}")
    areas = [sample.areas() for sample in sides]
    names = sorted(areas[0], key=lambda name: -sum(shares[name] for shares in areas))
    echo()
    head = ["area of the crop", "   in A", "   in B"]
    table(head, [[name, *(_percent(shares[name]) for shares in areas)] for name in names])
    echo("a share below 0 makes the two less alike; --json lists every cell, -o FILE draws them")


def _describe_region(sample: ExplainedSample) -> str:
    if not sample.region.where:
        return ""
    return f" ({sk.region_choosers.describe_region(sample.region)})"


def _percent(share: float) -> str:
    return f"{round(100 * share):>5} %"


def _unit(part: Part) -> str:
    if part.text:
        return "words"
    return "s of the recording" if part.in_recording else "s of the crop"


def _rounded(part: Part) -> float:
    return round(part.contribution, 3) + 0.0  # no -0.000


def _place(part: Part) -> str:
    if part.text:
        return one_line(part.text, 60)
    start, stop = part.in_recording or part.where[:2]
    return f"{start:.2f}-{stop:.2f}"
