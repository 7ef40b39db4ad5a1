"""siamkit style"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options, style_optimise
from siamkit.cli.output import echo, emit_json, one_line, print_error, print_rows, stderr
from siamkit.cli.progress import steps
from siamkit.errors import SiamkitError
from siamkit.io.listed_sources import has_folder
from siamkit.io.sources import to_text

if TYPE_CHECKING:
    from siamkit.types import Progress

EXIT_PARTLY = 1  # of a batch in which some pictures failed
LARGE = 2000  # px: the longer side from which strokes, of some 20 px, look fine


@click.command(
    epilog="""\b
Examples:
  siamkit style photo.jpg --like painting.jpg -o out.png
  siamkit style photo.jpg --like painting.jpg -o out.png --strength 0.6 --preserve-colour
  siamkit style photo.jpg --like waves.jpg=0.7 --like ink.jpg=0.3 -o out.png
  siamkit style photo.jpg --like painted-7 -o out.jpg --size 1200
  siamkit style photos/ --like painting.jpg -o painted/       a folder; run again to go on
  siamkit style photo.jpg --like painting.jpg -o out.png --optimise --frames frames
  siamkit style photo.jpg --like painting.jpg -o layers/ --reconstruct

\b
Pictures of any size are painted whole or, above a megapixel, in tiles without seams. Strokes have
one size in px, so they look finer on a larger picture: --size 1000 makes them broad.

\b
--optimise is the way of Gatys, Ecker and Bethge (2015): the pixels themselves are changed, step by
step, until the picture has the content of one and the style of the other. It needs siamkit[train]
and minutes; interrupted, the same command goes on. `siamkit encoders add styles torchvision:vgg19`
adds the network of the paper, which is used from then on.

\b
Exit codes: 0 all were rendered, or exist already; 1 some failed; else that of the error.
"""
)
@click.argument("contents", nargs=-1, type=options.PATH, metavar="CONTENT|DIR...")
@click.option(
    "--like",
    "likes",
    multiple=True,
    type=options.ORIGIN,
    metavar="FILE|NAME[=SHARE]",
    help="The style: a picture, or a name of --styles; may be repeated, to blend them.",
)
@click.option(
    "-o",
    "--output",
    type=options.ORIGIN,  # a path would lose the slash of a folder
    metavar="FILE|DIR",
    help="Write the picture, or several to a folder.",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    metavar="0-1",
    help="From the picture's own style to the other.",
)
@click.option(
    "--preserve-colour",
    "--preserve-color",
    is_flag=True,
    help="Keep the colours, and change the brightness only.",
)
@click.option(
    "--size",
    type=options.POSITIVE,
    metavar="PX",
    help="The longer side of the outcome [default: that of CONTENT; if it is painted by gradient"
    " descent, at most 512, and for --reconstruct 256].",
)
@click.option("--overwrite", is_flag=True, help="Render again what is in the folder already.")
@style_optimise.descent
@click.option("--styles", is_flag=True, help="List the named styles.")
@click.option(
    "-m", "--modality", default="styles", show_default=True, metavar="NAME", help="What renders."
)
@options.workspace
@options.as_json
def style(
    ws: sk.Workspace,
    styles: bool,
    as_json: bool,
    descent: style_optimise.DescentOptions,
    **values: Any,
) -> int:
    """Render CONTENT in the style of other pictures.

    CONTENT are pictures; of a folder or a pattern, all files in it.
    """
    request = StyleRequest(**values)
    if styles:
        return list_styles(ws, request.modality, as_json)
    descent.check()
    request.check(needs_style=not descent.reconstruct)
    if descent.is_used:
        return request.descend(ws, descent, as_json)
    tally, facts = Tally(), []
    shown_output = to_text(Path(request.output or ""))
    with steps() as progress:
        for stylised in request.run(ws, progress):
            if stylised.error and not (request.is_batch or as_json):
                raise stylised.error
            tally.add(stylised)
            if as_json:
                facts.append(stylised.to_dict())
            elif stylised.error:
                print_error(stylised.error)
            elif stylised.output and stylised.status == "rendered" and not request.is_batch:
                size = f"{stylised.width:,} x {stylised.height:,} px"
                echo(f"{one_line(stylised.source, 100)}: {size} to {to_text(stylised.output)}")
    if as_json:
        emit_json({"output": shown_output, "pictures": facts})
    elif request.is_batch:
        echo(f"{tally.summary()} ({shown_output})")
    for line in tally.hints(request):
        stderr(line)
    return tally.exit_code()


def list_styles(ws: sk.Workspace, modality: str, as_json: bool) -> int:
    """Print the named styles of a modality."""
    named = ws.named_styles(modality)
    rows = [{"name": name, "description": text} for name, text in named.items()]
    print_rows(as_json, rows, ["name", "description"])
    return 0


@dataclass(frozen=True, slots=True)
class StyleRequest:
    """Options of one `style` command: what to render, in which style, and where to."""

    contents: tuple[Path, ...]
    likes: tuple[str, ...]
    output: str | None
    strength: float
    preserve_colour: bool
    size: int | None
    overwrite: bool
    modality: str

    @property
    def is_batch(self) -> bool:
        return len(self.contents) > 1 or has_folder(self.contents)

    def check(self, *, needs_style: bool = True) -> None:
        """Raise UsageError for what is missing, or an output that is an input."""
        if not self.contents:
            raise click.UsageError("Give CONTENT, the picture to render.")
        if needs_style and not self.likes:
            raise click.UsageError("Give --like, a picture or a name of `siamkit style --styles`.")
        if not self.output:
            raise click.UsageError("Give -o, the file or the folder to write.")
        if self.output == "-":
            raise click.UsageError("Pictures are not written to standard output: -o takes a file.")
        checks.require_separate([Path(self.output)], self.contents)

    def run(self, ws: sk.Workspace, progress: Progress) -> Iterator[sk.Stylised]:
        """Yield what becomes of each picture."""
        named = ws.named_styles(self.modality)
        return ws.stylise_many(
            self.contents,
            [read_like(like, named) for like in self.likes],
            self.output,
            overwrite=self.overwrite,
            progress=progress,
            strength=self.strength,
            preserve_colour=self.preserve_colour,
            size=self.size,
            modality=self.modality,
        )

    def descend(
        self, ws: sk.Workspace, descent: style_optimise.DescentOptions, as_json: bool
    ) -> int:
        """Paint the picture by gradient descent. Raises UsageError for what does not go with it."""
        option = "--optimise" if descent.optimise else "--reconstruct"
        if self.is_batch:
            raise click.UsageError(f"{option} takes one picture at a time.")
        if self.strength != 1:
            raise click.UsageError(f"--strength goes without {option}: use --style-weight.")
        likes = [read_like(like, {}) for like in self.likes]
        assert self.output  # see `check`
        output = Path(self.output)
        checks.require_separate([output], [Path(name) for name, _ in likes])
        common: dict[str, Any] = {
            "output": output,
            "size": self.size,
            "modality": self.modality,
        }
        if descent.optimise:
            common["preserve_colour"] = self.preserve_colour
            return style_optimise.optimise(ws, self.contents[0], likes, descent, as_json, **common)
        if self.preserve_colour:
            raise click.UsageError("--preserve-colour goes without --reconstruct.")
        common["overwrite"] = self.overwrite
        return style_optimise.reconstruct(ws, self.contents[0], likes, descent, as_json, **common)


def read_like(text: str, named: Any) -> tuple[str, float]:
    """Split FILE=SHARE, in which the name of a file may hold a `=` as well."""
    name, equals, share = text.rpartition("=")
    if not equals or text in named or Path(text).exists():
        return text, 1.0
    try:
        return name, float(share)
    except ValueError:
        return text, 1.0


@dataclass(slots=True)
class Tally:
    """Counts over the pictures of one command."""

    rendered: int = 0
    existing: int = 0
    longest: int = 0  # px, of the sides of what was rendered
    errors: list[SiamkitError] = field(default_factory=list)

    def add(self, stylised: sk.Stylised) -> None:
        self.rendered += stylised.status == "rendered"
        self.existing += stylised.status == "exists"
        self.longest = max(self.longest, stylised.width, stylised.height)
        if stylised.error:
            self.errors.append(stylised.error)

    def summary(self) -> str:
        """Return one line for people."""
        exist = "exists" if self.existing == 1 else "exist"
        existing = f", {self.existing:,} {exist} already" if self.existing else ""
        failed = f", {len(self.errors):,} failed" if self.errors else ""
        return f"{self.rendered:,} rendered{existing}{failed}"

    def hints(self, request: StyleRequest) -> Iterator[str]:
        """Yield lines on what to type next, for people and scripts alike."""
        if self.existing:
            exist, them = ("exists", "it") if self.existing == 1 else ("exist", "them")
            yield f"{self.existing:,} {exist} already; `--overwrite` renders {them} again"
        if self.longest > LARGE and not request.size:
            yield f"strokes look fine on {self.longest:,} px; `--size 1000` makes them broad"

    def exit_code(self) -> int:
        """Return that of the errors if nothing was rendered, 1 if some failed, else 0."""
        if self.errors and not (self.rendered or self.existing):
            return min(error.exit_code for error in self.errors)
        return EXIT_PARTLY if self.errors else 0
