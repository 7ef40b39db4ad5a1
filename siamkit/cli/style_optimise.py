"""siamkit style --optimise: paint by gradient descent."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import echo, emit_json, one_line, print_rows, stderr
from siamkit.cli.progress import bar, steps
from siamkit.io.picture_write import PICTURES
from siamkit.io.sources import to_text

if TYPE_CHECKING:
    from siamkit.cli.options.base import F
    from siamkit.train.pictures.events import PaintingStarted, PaintingStep
    from siamkit.train.pictures.painting import Painting

LEAST_SHADES = 1.0  # deviation of a channel, of 255: JPEG gives a single colour less
EVERY = 10.0  # seconds between two lines of progress, where there is no terminal
DEFAULTS = {
    field.name: field.default
    for field in fields(sk.DescentSettings)
    if field.default is not MISSING
}


@dataclass(frozen=True, slots=True)
class DescentOptions:
    """Options of gradient descent: what the user gave, None where nothing was."""

    optimise: bool
    reconstruct: bool
    encoder: str | None
    frames: Path | None
    settings: Mapping[str, Any]  # of DescentSettings, without `size`

    @property
    def is_used(self) -> bool:
        return self.optimise or self.reconstruct

    def check(self) -> None:
        """Raise UsageError for options of gradient descent without it, or of both kinds at once."""
        if self.optimise and self.reconstruct:
            raise click.UsageError("--optimise and --reconstruct are two different things.")
        if self.reconstruct and (self.frames or self.settings.get("init")):
            raise click.UsageError("--reconstruct goes with none of --frames and --init.")
        given = ["encoder"] if self.encoder else []
        given += ["frames"] if self.frames else []
        given += self.settings
        if given and not self.is_used:
            name = given[0].replace("_", "-")
            raise click.UsageError(f"--{name} goes with --optimise.")


def _gather(**values: Any) -> DescentOptions:
    own = {name: values.pop(name) for name in ("optimise", "reconstruct", "encoder", "frames")}
    settings = {name: value for name, value in values.items() if value not in (None, ())}
    for name in ("content_layers", "style_layers"):
        if name in settings:
            settings[name] = tuple(filter(None, map(str.strip, settings[name].split(","))))
    return DescentOptions(**own, settings=settings)


def _setting(
    name: str, help: str, kind: Any = None, metavar: str | None = None
) -> Callable[[F], F]:
    default = DEFAULTS[name]
    text = f"{default:g}" if isinstance(default, int | float) else default
    text = text or "those that suit the network"
    option = f"--{name.replace('_', '-')}"
    return click.option(option, name, type=kind, metavar=metavar, help=f"{help} [default: {text}]")


WEIGHT = click.FloatRange(min=0)
descent = options.bundle(
    "descent",
    _gather,
    click.option(
        "--optimise",
        "--optimize",
        is_flag=True,
        help="Paint by gradient descent, in minutes, not a second.",
    ),
    click.option(
        "--reconstruct",
        is_flag=True,
        help="Paint what each layer tells of CONTENT, and of a style, into a folder.",
    ),
    click.option(
        "--encoder",
        metavar="NAME|DIR",
        help="The network to descend by [default: vgg19 if it was added, else the shipped one].",
    ),
    options.path("--frames", "frames", metavar="DIR", help="Save the picture of every 10th step."),
    _setting("content_layers", "Layers that content is compared in.", metavar="NAME,NAME"),
    _setting("style_layers", "Layers that style is compared in.", metavar="NAME,NAME"),
    _setting("content_weight", "Weight of the content.", WEIGHT, "W"),
    _setting("style_weight", "Weight of the style.", WEIGHT, "W"),
    _setting("tv_weight", "Weight of the total variation; higher is smoother.", WEIGHT, "W"),
    _setting("steps", "Steps of the descent.", options.POSITIVE, "N"),
    _setting("seed", "Seed of --init noise.", click.IntRange(min=0), "N"),
    _setting("init", "Begin with CONTENT, or with noise.", click.Choice(["content", "noise"])),
    _setting("optimiser", "What descends.", click.Choice(["adam", "lbfgs"])),
)


def optimise(
    ws: sk.Workspace,
    content: Path,
    likes: Sequence[tuple[str, float]],
    choice: DescentOptions,
    as_json: bool,
    output: Path,
    **details: Any,
) -> int:
    """Paint one picture, and print what came of it."""
    painting = ws.paint(
        content,
        likes,
        output,
        encoder=choice.encoder,
        frames=choice.frames,
        **choice.settings,
        **details,
    )
    follow(painting)
    painted = painting.painted
    if as_json:
        emit_json(painted.to_dict())
        return 0
    size = f"{painted.width:,} x {painted.height:,} px"
    echo(f"{one_line(painted.source, 100)}: {size} to {to_text(output)}")
    echo(
        f"style distance {painted.style_distance:.2f}, {painted.distance_before:.2f} before;"
        f" content loss {painted.content:.2f} (0 matches; a picture of one colour has about 1)"
    )
    if painting.content.pixels.std((0, 1)).max() < LEAST_SHADES:
        stderr("the content loss tells nothing here: CONTENT itself is of one colour")
    if painted.steps and painted.style_distance >= painted.distance_before:
        stderr("the style is no nearer than before: raise --style-weight or --steps")
    return 0


def reconstruct(
    ws: sk.Workspace,
    content: Path,
    likes: Sequence[tuple[str, float]],
    choice: DescentOptions,
    as_json: bool,
    output: Path,
    **details: Any,
) -> int:
    """Paint what each layer tells of a content and a style, and print the losses."""
    if len(likes) > 1:
        raise click.UsageError("--reconstruct takes one style.")
    if output.suffix.lower() in PICTURES and not output.is_dir():
        raise sk.BadInput(f"{to_text(output)} is the name of one picture", hint="name a folder")
    with steps() as progress:
        shown = ws.reconstruct(
            content,
            output,
            like=likes[0][0] if likes else None,
            encoder=choice.encoder,
            progress=progress,
            **choice.settings,
            **details,
        )
    if as_json:
        emit_json(shown.to_dict())
        return 0
    rows = [
        {
            "of": item.kind,
            "layer": item.layers[-1],
            "loss": f"{item.loss:.3f}",
            "file": to_text(item.output or output),
        }
        for item in shown.reconstructions
    ]
    print_rows(False, rows, ["of", "layer", "loss", "file"])
    echo(f"by {shown.encoder}; a style is of all layers up to the one that is named")
    echo(f"all on one sheet: {to_text(shown.output or output)}")
    return 0


def follow(painting: Painting) -> None:
    """Paint to the end, and show the losses; if interrupted, print what is saved."""
    saved: int | None = None
    try:
        with shown_steps() as show:
            for event in painting.events():
                if isinstance(event, sk.painting_events.PaintingStarted):
                    stderr(_start_line(event))
                    saved = event.step or None
                elif isinstance(event, sk.painting_events.PaintingStep):
                    show(event)
                else:
                    saved = event.step
    except KeyboardInterrupt:
        state = f"step {saved:,} is saved; the same command continues from there"
        stderr(state if saved else "nothing is saved yet", before="\n")
        raise


def _start_line(started: PaintingStarted) -> str:
    content, style = ", ".join(started.content_layers), ", ".join(started.style_layers)
    resumed = f"; resumed after step {started.step:,}" if started.step else ""
    return (
        f"painting by {started.encoder}, content in {content}, style in {style};"
        f" {started.width:,} x {started.height:,} px, {started.device}{resumed}"
    )


@contextmanager
def shown_steps() -> Iterator[Callable[[PaintingStep], None]]:
    """Draw a progress bar with both losses; print a line now and then where there is no terminal.

    Yields a function that takes each step.
    """
    last = time.monotonic()
    with ExitStack() as stack:
        update: Callable[[int, str], None] | None = None

        def show(step: PaintingStep) -> None:
            nonlocal last, update
            losses = f"content {step.content:.3f}  style {step.style:.4f}"
            if sys.stderr.isatty():
                if update is None:
                    update = stack.enter_context(bar("painting", step.steps))
                update(step.step, losses)
            elif time.monotonic() - last >= EVERY:
                last = time.monotonic()
                stderr(f"step {step.step:,}/{step.steps:,}  {losses}")

        yield show
