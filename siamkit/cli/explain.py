"""siamkit explain"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.options import ModelChoice
from siamkit.cli.output import emit_json, one_line, stderr, table
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.embed.pipeline import Pipeline
    from siamkit.flows.explain import ExplainedSample, Explanation, Part

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
@click.option(
    "--box",
    type=options.BoxType(),
    help="The region of B to compare, in pixels [default: the largest].",
)
@options.file_option(
    "-o", "--output", help="Save the explanation as a picture: .png, .svg or .pdf."
)
@options.store
@options.as_json
def explain(
    arguments: tuple[str, ...],
    texts: tuple[str, ...],
    models: ModelChoice,
    box: tuple[float, float, float, float] | None,
    output: Path | None,
    store: Path,
    as_json: bool,
) -> int:
    """Show which parts of A and B (files or texts) make them alike, and which make them different.

    Each part of one sample is hidden in turn; it contributes what the score then loses. Parts are
    cells of a picture, segments of a sound, or words of a text.
    """
    gallery, *files = ("", *arguments) if models.modality else (arguments or ("",))
    probes: list[Path | str] = [*map(Path, files), *texts]
    if not (gallery or models.modality) or len(probes) != 2:
        raise click.UsageError("Give -m MODALITY A B, or GALLERY A B.")
    if gallery and (models.encoder or models.detector):
        raise click.UsageError("--encoder and --detector need -m; a gallery has its own.")
    if box and texts:
        raise click.UsageError("--box is a region of a picture; it cannot be combined with --text.")
    if output:
        _check(output, files)
    from siamkit import region_choosers

    choose = region_choosers.within_box(box) if box else region_choosers.largest_region
    with options.workspace(store) as ws, steps() as progress:
        if texts:
            options.check_texts(models.modality or ws.modality_of(gallery))
        system: str | Pipeline = gallery
        if models.modality:
            detector = options.default_or_none(models.detector)
            system = ws.pipeline(models.modality, encoder=models.encoder, detector=detector)
        explanation = ws.explain(system, *probes, choose=choose, progress=progress)
    _print_notes(explanation, has_box=box is not None)
    if as_json:
        emit_json(_facts(explanation))
    else:
        _print(explanation)
    if output:
        from siamkit.reports.explain import draw

        draw(explanation, output)
        stderr(f"saved {output}")
    return 0


def _check(output: Path, files: list[str]) -> None:
    """Raise UsageError or BadInput if the picture cannot be saved; call it before the work."""
    from siamkit.io.atomic import require_writable
    from siamkit.reports.explain import DRAWN

    require_writable(output, DRAWN)
    for file in files:
        if output.exists() and Path(file).exists() and output.samefile(file):
            raise click.UsageError(f"--output would overwrite {file}.")


def _print_notes(explanation: Explanation, *, has_box: bool) -> None:
    """Print what limits the explanation."""
    from siamkit import region_choosers

    for sample in (explanation.left, explanation.right):
        name = one_line(sample.source, 100)
        if sample.region_count > 1 and not (has_box and sample is explanation.right):
            place = region_choosers.describe_region(sample.region)
            stderr(
                f"Note: {name}: {sample.region_count} found, and the largest was compared: {place}"
            )
        for problem in sample.quality.problems if sample.quality else ():
            stderr(f"Note: {name}: {problem}; the explanation may be unreliable")
        if len(sample.parts) == 1:
            stderr(f"Note: {name}: it is one part, which carries the whole score")


def _facts(explanation: Explanation) -> dict[str, Any]:
    return {
        "score": round(explanation.score, 6),
        "left": _sample_facts(explanation.left),
        "right": _sample_facts(explanation.right),
    }


def _sample_facts(sample: ExplainedSample) -> dict[str, Any]:
    from siamkit.sdk import regions

    return {
        "source": sample.source,
        "seen": sample.region_count,
        "region": regions.to_dict(sample.region),
        "problems": list(sample.quality.problems) if sample.quality else [],
        "parts": [_part_facts(part) for part in sample.parts],
    }


def _part_facts(part: Part) -> dict[str, Any]:
    facts: dict[str, Any] = {"where": [round(v, 3) for v in part.where]}
    if part.text:
        facts["text"] = part.text
    if part.in_recording:
        facts["heard"] = [round(v, 3) for v in part.in_recording]
    return {**facts, "contribution": round(part.contribution, 6)}


def _print(explanation: Explanation) -> None:
    """Print the score, then the parts of each sample, the highest contribution first."""
    click.echo(f"score {explanation.score:.3f}; parts by contribution, highest first:")
    for sample in (explanation.left, explanation.right):
        count = len(sample.parts)
        compared = f"{count} part{'s' if count != 1 else ''}"
        if sample.region.where:
            from siamkit import region_choosers

            compared = f"{region_choosers.describe_region(sample.region)}, {compared}"
        click.echo(f"\n{one_line(sample.source, 100)}: {compared}")
        ranked = sample.ranked_parts
        table(
            [_unit(ranked[0]), "contribution"],
            [[_place(part), _rounded(part)] for part in ranked[:PARTS_SHOWN]],
        )
        if count > PARTS_SHOWN:
            last = ranked[-1]
            click.echo(
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
