"""Options that choose regions of pictures, and pages of documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

import siamkit as sk
from siamkit.cli.options.base import ORIGIN, POSITIVE, F, bundle

if TYPE_CHECKING:
    from siamkit.embed.region_choosers import Chooser
    from siamkit.types import Box, Prompt


def parse_box(value: str) -> Box:
    """Parse LEFT,TOP,RIGHT,BOTTOM in pixels. Raises BadParameter for anything else."""
    try:
        left, top, right, bottom = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not four numbers separated by commas") from None
    if not (0 <= left < right < float("inf") and 0 <= top < bottom < float("inf")):
        raise click.BadParameter(f"{value!r} is not a box: LEFT < RIGHT and TOP < BOTTOM")
    return left, top, right, bottom


def parse_point(value: str) -> tuple[float, float]:
    """Parse X,Y in pixels. Raises BadParameter for anything else."""
    try:
        x, y = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not two numbers separated by a comma") from None
    if not (0 <= x < float("inf") and 0 <= y < float("inf")):
        raise click.BadParameter(f"{value!r} is not a point in a picture")
    return x, y


def box(help: str) -> Callable[[F], F]:
    """Return the option --box with its help."""
    return click.option("--box", type=parse_box, metavar="LEFT,TOP,RIGHT,BOTTOM", help=help)


box_of_first = click.option(
    "--box-a",
    "box_a",
    type=parse_box,
    metavar="LEFT,TOP,RIGHT,BOTTOM",
    help="The region of the first FILE.",
)


def page(command: F) -> F:
    """Add --page to a command; those of its files that are PDFs become pages of them."""

    @wraps(command)
    def with_pages(*args: Any, page: int | None, **values: Any) -> Any:
        if page is not None:
            name = next(name for name in ("files", "arguments") if name in values)
            values[name] = _at_page(values[name], page)
        return command(*args, **values)

    option = click.option(
        "--page",
        type=POSITIVE,
        metavar="N",
        help="The page of FILES that are PDFs; also FILE.pdf#page=N.",
    )
    return cast(F, option(with_pages))


def _at_page(files: tuple[Any, ...], page: int) -> tuple[Any, ...]:
    """Return paths, or arguments among which are some, with the page of each PDF."""
    from siamkit.io import pages

    is_document = [pages.is_document(Path(file)) for file in files]
    if not any(is_document):
        raise click.UsageError("--page: none of the files is a PDF.")
    return tuple(
        type(file)(pages.at_page(Path(file), page)) if of_document else file
        for file, of_document in zip(files, is_document, strict=True)
    )


def tiles(help: str) -> Callable[[F], F]:
    """Return the option --tiles with its help."""
    return click.option("--tiles", type=POSITIVE, metavar="PX", help=help)


def _prompt(
    points: tuple[tuple[float, float], ...],
    not_points: tuple[tuple[float, float], ...],
    box: Box | None,
) -> Prompt | None:
    from siamkit.types import Prompt

    if not_points and not (points or box):
        raise click.UsageError("--not-point needs a --point or --box that marks the object.")
    return Prompt(points, not_points, box) if points or box else None


# --point, --not-point and --box, which the command gets as `prompt`: a Prompt, or None.
prompt = bundle(
    "prompt",
    _prompt,
    click.option(
        "--point",
        "points",
        type=parse_point,
        multiple=True,
        metavar="X,Y",
        help="A point on the object, in pixels; may be repeated.",
    ),
    click.option(
        "--not-point",
        "not_points",
        type=parse_point,
        multiple=True,
        metavar="X,Y",
        help="A point on something else; may be repeated.",
    ),
    box("The box round the object, in pixels."),
)


@dataclass(frozen=True, slots=True)
class FindChoice:
    """The detector and the tiles of a search in pictures; None where the option is absent."""

    detector: str | None  # may be "none"
    tiles: int | None

    @property
    def options(self) -> str:
        """The options as they are typed."""
        detector = f" --detector {self.detector}" if self.detector else ""
        return detector + (f" --tiles {self.tiles}" if self.tiles else "")


find_setup = bundle(
    "setup",
    FindChoice,
    click.option(
        "--detector",
        "-d",
        type=ORIGIN,
        metavar="NAME|FOLDER|none",
        help="Proposes the regions to compare; `none` compares whole pictures alone [default: the"
        " gallery's, or proposals].",
    ),
    tiles("Also look into overlapping tiles of this side, for small things."),
)


def choose_regions(largest: bool) -> Chooser:
    """Return the chooser of --largest, or of every region without it."""
    return sk.region_choosers.largest_region if largest else sk.region_choosers.all_regions
