"""Options that several commands share, and the workspace that --store names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

import siamkit as sk
from siamkit.io.places import expand, expand_text

if TYPE_CHECKING:
    from siamkit.embed.region_choosers import Chooser
    from siamkit.types import Box, Prompt

F = TypeVar("F", bound=Callable[..., Any])


def _inherited(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Take --store from before or after the command; the one after it wins."""
    parent = context.parent
    if context.get_parameter_source("store") != click.core.ParameterSource.COMMANDLINE:
        while parent is not None:
            if "store" in parent.params:
                inherited: Path = parent.params["store"]
                return inherited
            parent = parent.parent
    return value


class _Path(click.Path):
    """A path, in which `~` is the home directory however the option was written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return expand(cast(Path, super().convert(value, param, ctx)))


class _Origin(click.types.StringParamType):
    """A path or something else: a name, `-` or `gallery:NAME`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return expand_text(super().convert(value, param, ctx))


PATH, ORIGIN = _Path(path_type=Path), _Origin()
COSINE = click.FloatRange(-1, 1)
RATE = click.FloatRange(0, 1, min_open=True, max_open=True)
POSITIVE = click.IntRange(min=1)
store = click.option(
    "--store",
    type=PATH,
    callback=_inherited,
    envvar="SIAMKIT_STORE",
    default=".siamkit",
    show_default=True,
    show_envvar=True,
    help="The store directory.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
raw = click.option(
    "--raw", is_flag=True, help="Write CSV cells such as `=1+1` without the `'` that defuses them."
)
yes = click.option("--yes", is_flag=True, help="Do not ask.")
fusion = click.option(
    "--fusion",
    type=click.Choice(["best", "mean"]),
    help="Score an identity by its nearest sample, or by the mean of its templates"
    " [default: as measured for the modality].",
)
modality = click.option(
    "-m", "--modality", metavar="NAME", help="faces, … (`siamkit plugins list`)."
)
encoder = click.option(
    "--encoder",
    type=ORIGIN,
    metavar="NAME|FOLDER",
    help="An encoder; for a new gallery also ORIGIN:MODEL [default: the modality's own].",
)
detector = click.option(
    "--detector",
    metavar="NAME|FOLDER|none",
    help="A detector (`siamkit detectors list`); `none` embeds whole samples [default: the"
    " modality's own].",
)
other_detector = click.option(
    "--detector",
    metavar="NAME|FOLDER|none",
    help="A detector for this call; `none` takes whole samples [default: the gallery's].",
)
index = click.option(
    "--index", metavar="NAME", help="An index backend (`siamkit plugins list`) [default: faiss]."
)


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


def path(*names: str, help: str, metavar: str = "FILE", **settings: Any) -> Callable[[F], F]:
    """Return an option that takes a path."""
    return click.option(*names, type=PATH, metavar=metavar, help=help, **settings)


def count(*names: str, help: str) -> Callable[[F], F]:
    """Return an option that takes a whole number from 1, and is 5 by default."""
    return click.option(*names, type=POSITIVE, default=5, show_default=True, help=help)


def report(help: str) -> Callable[[F], F]:
    """Return the option --report with its help."""
    return path("--report", metavar="FILE.html", help=help)


files = click.argument("files", nargs=-1, type=PATH)


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


column = click.option("--column", "text", metavar="NAME", help="The column that holds the texts.")
id_column = click.option(
    "--id", metavar="NAME", help="The column that names the rows [default: id]."
)


def _columns(context: click.Context, parameter: click.Parameter, values: Any) -> dict[str, str]:
    pairs = [value.rpartition("=") for value in values]
    columns = {kind.strip() or "sample": name.strip() for kind, _, name in pairs}
    if len(columns) < len(pairs) or not all(columns.values()):
        raise click.BadParameter("each kind has one NAME", context, parameter)
    return columns


columns = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="[KIND=]NAME",
    callback=_columns,
    help="The column that holds the samples; or what KIND says: label, a, b, score, negative, …",
)
label_column = click.option(
    "--id", metavar="NAME", help="The column that names the identities [default: label]."
)
top_score = click.option(
    "--top-score",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SCORE",
    help="The score of two samples that are the same [default: 1].",
)
table = click.option("--table", metavar="NAME", help="The table of a database, or the sheet.")


def _known_encoding(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    from siamkit.io import encodings

    return value and encodings.require_known(value)


encoding = click.option(
    "--encoding",
    metavar="NAME",
    callback=_known_encoding,
    help="Encoding of a table that is not UTF-8 or UTF-16: windows-1252, …",
)


def _not_empty(context: click.Context, parameter: click.Parameter, values: Any) -> Any:
    if not all(value.strip() for value in values):
        raise click.BadParameter("a text is empty", context, parameter)
    return values


def _or_none(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    return None if value == "none" else value


texts = click.option(
    "--text",
    "texts",
    multiple=True,
    metavar="TEXT",
    callback=_not_empty,
    help="A text itself, instead of a file.",
)
threshold = click.option(
    "--threshold",
    type=COSINE,
    metavar="T",
    help="Cosine (with --rerank, probability) at or above which two samples count as the same"
    " [default: the gallery's].",
)
fmr = click.option(
    "--fmr",
    type=RATE,
    metavar="RATE",
    help="Maximum false match rate of one comparison, by the calibration; 1e-3, for example.",
)
find_threshold = click.option(
    "--threshold",
    type=COSINE,
    metavar="T",
    help="Cosine (with --rerank, probability) from which a thing counts as present [default: by the"
    " calibration].",
)
find_fpir = click.option(
    "--fpir",
    type=RATE,
    metavar="RATE",
    help="Maximum share of pictures without anything enrolled that get a box, by the calibration.",
)
fpir = click.option(
    "--fpir",
    type=RATE,
    metavar="RATE",
    help="Maximum false positive identification rate, at any gallery size, by the calibration.",
)
rerank = click.option(
    "--rerank",
    "reranker",
    metavar="NAME|none",
    callback=_or_none,
    help="Let a reranker decide by its probability [default: none].",
)


def tiles(help: str) -> Callable[[F], F]:
    """Return the option --tiles with its help."""
    return click.option("--tiles", type=POSITIVE, metavar="PX", help=help)


def bundle(
    name: str, kind: str | Callable[..., Any], *decorators: Callable[[F], F]
) -> Callable[[F], F]:
    """Add options to a command, and hand it one object made of their values.

    name: the command's parameter for the object. kind: takes the values of the options by name;
    a string names a class of siamkit, which is imported when the command runs.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def bundled(*args: Any, **values: Any) -> Any:
            make = getattr(sk, kind) if isinstance(kind, str) else kind
            values[name] = make(**{option: values.pop(option) for option in options})
            return command(*args, **values)

        parameters = bundled.__dict__.setdefault("__click_params__", [])
        count = len(parameters)  # of the options outside the bundle
        for decorator in reversed(decorators):
            decorator(bundled)
        options = [parameter.name for parameter in parameters[count:]]
        return cast(F, bundled)

    return decorate


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


def decision_rule(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add some of --threshold, --fmr, --fpir and --rerank; the command gets them as `rule`."""
    return bundle("rule", "DecisionRule", *decorators)


def text_columns(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add --encoding and some of --column, --id and --table; the command gets them as `columns`."""
    return bundle("columns", "TextColumns", *decorators, encoding)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models that -m, --encoder and --detector name; None where the option is absent."""

    modality: str | None
    encoder: str | None
    detector: str | None  # may be "none"


model_choice = bundle("models", ModelChoice, modality, encoder, detector)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files to write, None where absent, and the format of standard output."""

    output: Path | None = None
    pairs: Path | None = None
    report: Path | None = None
    scores: Path | None = None
    raw: bool = False
    as_json: bool = False


def outputs(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add --json and the options of files to write; the command gets them as `outputs`."""
    return bundle("outputs", Outputs, *decorators, as_json)


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


def default_or_none(name: str | None) -> str | None:
    """Resolve --detector or --rerank: "none" to None, and an absent option to DEFAULT."""
    return sk.DEFAULT if name is None else None if name == "none" else name


def choose_regions(largest: bool) -> Chooser:
    """Return the chooser of --largest, or of every region without it."""
    return sk.region_choosers.largest_region if largest else sk.region_choosers.all_regions


def workspace(command: F) -> F:
    """Add --store to a command, and pass it the workspace of that store as `ws`."""

    @wraps(command)
    def with_workspace(*args: Any, store: Path, **values: Any) -> Any:
        with sk.Workspace(store) as ws:
            return command(*args, ws=ws, **values)

    return cast(F, store(with_workspace))
