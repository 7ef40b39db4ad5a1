"""siamkit explain"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import cut, emit_json, stderr, table
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.flows.explain import Explained, Explanation, Part
    from siamkit.types import Region

SHOWN = 10  # parts of a side in the table


@click.command(
    epilog="""\b
Examples:
  siamkit explain -m faces a.jpg b.jpg -o why.png      heat maps over both faces
  siamkit explain -m voices a.wav b.wav -o why.svg     segments of both recordings
  siamkit explain -m questions --text 'How do I sign in?' --text 'How can I log in?'
  siamkit explain signers doe.png contract.png --box 640,1150,1000,1300
  siamkit explain -m faces a.jpg b.jpg --json          every part, for a program

\b
Exit codes: 0 explained; 4 nothing to compare was found in a file.
"""
)
@click.argument("arguments", nargs=-1, metavar="[GALLERY] [A] [B]")
@options.texts
@options.modality
@options.encoder
@options.detector
@click.option(
    "--box", type=options.BoxType(),
    help="The region of B that counts, in pixels [default: the largest].",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="Save a picture of it: .png, .svg or .pdf.",
)  # fmt: skip
@options.store
@options.as_json
def explain(
    arguments: tuple[str, ...],
    texts: tuple[str, ...],
    modality: str | None,
    encoder: str | None,
    detector: str | None,
    box: tuple[float, float, float, float] | None,
    output: Path | None,
    store: Path,
    as_json: bool,
) -> int:
    """Why do A and B (files or texts) score as they do?

    Each part of one is hidden in turn: what the score loses is what the part contributes. Parts
    are cells of a picture, segments of a sound, words of a text.
    """
    gallery, *files = ("", *arguments) if modality else (arguments or ("",))
    probes: list[Path | str] = [*map(Path, files), *texts]
    if not (gallery or modality) or len(probes) != 2:
        raise click.UsageError("Give -m MODALITY A B, or GALLERY A B.")
    if gallery and (encoder or detector):
        raise click.UsageError("A gallery has its encoder and detector; these go with -m.")
    if box and texts:
        raise click.UsageError("--box is a place in a picture; it does not go with --text.")
    if output:
        _check(output, files)
    from siamkit.embed import region_choosers

    choose = region_choosers.within_box(box) if box else region_choosers.largest_region
    with options.workspace(store) as ws, steps() as progress:
        if texts:
            options.check_texts(modality or ws.modality_of(gallery))
        if modality:
            from siamkit.flows.explain import explain as run

            detector = options.default_or_none(detector)
            pipeline = ws.pipeline(modality, encoder=encoder, detector=detector)
            found = run(pipeline, *probes, choose=choose, progress=progress)
        else:
            found = ws.explain(gallery, *probes, choose=choose, progress=progress)
    _tell(found, boxed=box is not None)
    if as_json:
        emit_json(_facts(found))
    else:
        _print(found)
    if output:
        from siamkit.reports.explain import draw

        draw(found, output)
        stderr(f"saved {output}")
    return 0


def _check(output: Path, files: list[str]) -> None:
    """Raise UsageError or BadInput before anything is embedded in vain."""
    from siamkit.reports.explain import check

    check(output)
    for file in files:
        if output.exists() and Path(file).exists() and output.samefile(file):
            raise click.UsageError(f"--output would write over {file} itself.")


def _tell(found: Explanation, *, boxed: bool) -> None:
    """What a person should know before they believe it."""
    from siamkit.embed import region_choosers

    for side in (found.left, found.right):
        name = cut(side.source, 100)
        if side.seen > 1 and not (boxed and side is found.right):
            place = region_choosers.describe_region(side.region)
            stderr(f"Note: {name}: {side.seen} found, and the largest was compared: {place}")
        for problem in side.quality.problems if side.quality else ():
            stderr(f"Note: {name}: {problem}; the answer may be worth little")
        if len(side.parts) == 1:
            stderr(f"Note: {name}: it is one part, which carries the whole score")


def _facts(found: Explanation) -> dict[str, Any]:
    return {
        "score": round(found.score, 6),
        "left": _side(found.left),
        "right": _side(found.right),
    }


def _side(side: Explained) -> dict[str, Any]:
    from siamkit.sdk import regions

    return {
        "source": side.source,
        "seen": side.seen,
        "region": regions.to_dict(side.region),
        "problems": list(side.quality.problems) if side.quality else [],
        "parts": [_part(part) for part in side.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    out: dict[str, Any] = {"where": [round(v, 3) for v in part.where]}
    if part.text:
        out["text"] = part.text
    if part.heard:
        out["heard"] = [round(v, 3) for v in part.heard]
    return {**out, "contribution": round(part.contribution, 6)}


def _print(found: Explanation) -> None:
    """The score, and a table a side: what raises it most comes first."""
    click.echo(f"score {found.score:.3f}; the parts without which it would lose most:")
    for side in (found.left, found.right):
        click.echo()
        click.echo(f"{cut(side.source, 100)}: {_compared(side.region, len(side.parts))}")
        best = side.best
        table(
            [_head(best[0]), "contribution"],
            [[_place(part), _rounded(part)] for part in best[:SHOWN]],
        )
        if len(best) > SHOWN:
            last = best[-1]
            click.echo(
                f"… and {len(best) - SHOWN} more, down to {_place(last)} with"
                f" {_rounded(last):.3f}; --json lists them all"
            )


def _compared(region: Region, count: int) -> str:
    from siamkit.embed import region_choosers

    what = f"{region_choosers.describe_region(region)}, " if region.where else ""
    return f"{what}{count} part{'s' if count != 1 else ''}"


def _head(part: Part) -> str:
    if part.text:
        return "words"
    if len(part.where) == 4:
        return "px of the crop"
    return "s of the recording" if part.heard else "s of the crop"


def _rounded(part: Part) -> float:
    return round(part.contribution, 3) + 0.0  # no -0.000


def _place(part: Part) -> str:
    if part.text:
        return cut(part.text, 60)
    if len(part.where) == 4:
        return ",".join(f"{v:.0f}" for v in part.where)
    start, stop = part.heard or part.where
    return f"{start:.2f}-{stop:.2f}"
