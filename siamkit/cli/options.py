"""Options that several commands share, and the workspace that --store names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from siamkit.cli.output import log_to_stderr

if TYPE_CHECKING:
    from siamkit.flows.decide import DecisionRule
    from siamkit.workspace import Workspace

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


class WithinType(click.ParamType[Any]):
    """A number within an interval, which includes its ends if `closed`; not NaN."""

    name = "NUMBER"

    def __init__(self, low: float, high: float, *, closed: bool) -> None:
        self.low, self.high, self.closed = low, high, closed

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        within = self.low < number < self.high
        if not within and not (self.closed and number in (self.low, self.high)):
            low, high = f"{self.low:g}", f"{self.high:g}"
            if self.closed:
                self.fail(f"{value} is out of range: give {low} to {high}", param, ctx)
            self.fail(f"{value} must be greater than {low} and less than {high}", param, ctx)
        return number


COSINE, RATE = WithinType(-1, 1, closed=True), WithinType(0, 1, closed=False)
store = click.option(
    "--store",
    type=click.Path(path_type=Path),
    callback=_inherited,
    envvar="SIAMKIT_STORE",
    default=".siamkit",
    show_default=True,
    show_envvar=True,
    help="The store directory.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
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
    metavar="NAME|FOLDER",
    help="An encoder; for a new gallery also ORIGIN:MODEL [default: the modality's own].",
)
detector = click.option(
    "--detector",
    metavar="NAME|none",
    help="A region plugin; `none` embeds whole samples [default: the modality's own].",
)
index = click.option(
    "--index",
    metavar="NAME",
    help="An index backend (`siamkit plugins list`) [default: faiss].",
)


class BoxType(click.ParamType[Any]):
    """LEFT,TOP,RIGHT,BOTTOM in pixels."""

    name = "LEFT,TOP,RIGHT,BOTTOM"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            left, top, right, bottom = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not four numbers separated by commas", param, ctx)
        if not (0 <= left < right < float("inf") and 0 <= top < bottom < float("inf")):
            self.fail(f"{value!r} is not a box: LEFT < RIGHT and TOP < BOTTOM", param, ctx)
        return left, top, right, bottom


class SizeType(click.ParamType[Any]):
    """A number of bytes, such as 8G, 500M, 2.5g, or 8GiB in powers of 1024."""

    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        size = 0
        if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(i?)B?", str(value), re.IGNORECASE):
            base = 1024 if match[3] else 1000
            size = int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))
        if not size:
            self.fail(f"{value!r} is not a size: write 8G or 500M", param, ctx)
        return size


def file_option(*names: str, help: str, metavar: str = "FILE") -> Callable[[F], F]:
    """Return an option that takes the path of a file."""
    return click.option(*names, type=click.Path(path_type=Path), metavar=metavar, help=help)


column = click.option("--column", metavar="NAME", help="The column that holds the texts.")
id_column = click.option(
    "--id", "id_column", metavar="NAME", help="The column that names the rows [default: id]."
)
table = click.option("--table", "table_name", metavar="NAME", help="The table of a database.")


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
fpir = click.option(
    "--fpir",
    type=RATE,
    metavar="RATE",
    help="Maximum false positive identification rate, at any gallery size, by the calibration.",
)
rerank = click.option(
    "--rerank",
    metavar="NAME|none",
    callback=_or_none,
    help="Let a reranker decide by its probability [default: none].",
)


def bundle(name: str, make: Callable[..., Any], *decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add options to a command, and hand it one object made of their values.

    name: the command's parameter for the object. make: takes the values of the options by name.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def bundled(*args: Any, **values: Any) -> Any:
            values[name] = make(**{option: values.pop(option) for option in options})
            return command(*args, **values)

        parameters = bundled.__dict__.setdefault("__click_params__", [])
        count = len(parameters)  # of the options outside the bundle
        for decorator in reversed(decorators):
            decorator(bundled)
        options = [parameter.name for parameter in parameters[count:]]
        return cast(F, bundled)

    return decorate


def _make_rule(
    threshold: float | None = None,
    fmr: float | None = None,
    fpir: float | None = None,
    rerank: str | None = None,
) -> DecisionRule:
    from siamkit import DecisionRule

    return DecisionRule(threshold, fmr, fpir, rerank)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models that -m, --encoder and --detector name; None where the option is absent."""

    modality: str | None
    encoder: str | None
    detector: str | None  # may be "none"


def decision_rule(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Add some of --threshold, --fmr, --fpir and --rerank; the command gets a DecisionRule."""
    return bundle("rule", _make_rule, *decorators)


model_choice = bundle("models", ModelChoice, modality, encoder, detector)


def default_or_none(name: str | None) -> str | None:
    """Resolve --detector or --rerank: "none" to None, and an absent option to DEFAULT."""
    from siamkit import DEFAULT

    return DEFAULT if name is None else None if name == "none" else name


def check_texts(modality: str) -> None:
    """Raise UsageError for texts given to a modality of files."""
    from siamkit import Workspace

    if Workspace.kind(modality) != "text":
        raise click.UsageError(
            f"--text and --column need a text modality; {modality} are not texts."
        )


def check_report(report: Path | None) -> None:
    """Raise UsageError, before the work begins, for a page that cannot be written."""
    if report and report.suffix != ".html":
        raise click.UsageError("--report takes a name that ends in .html.")
    if report:
        check_writable("--report", report)


def check_writable(option: str, file: Path, *sources: Path | None) -> None:
    """Raise UsageError, before the work begins, for a file that cannot or should not be written.

    sources: files that are read, and must not be replaced.
    """
    if file.is_dir() or not file.parent.is_dir():
        raise click.UsageError(f"{option} {file}: it is a folder, or its folder does not exist.")
    if not os.access(file.parent, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise click.UsageError(f"{option} {file}: it is not writable.")
    for source in sources:
        if source and file.exists() and source.exists() and file.samefile(source):
            raise click.UsageError(f"{option} {file} is the source itself: give another name.")


@contextmanager
def workspace(store: Path) -> Iterator[Workspace]:
    """Open the workspace of --store, and show what the library logs on stderr."""
    from siamkit.workspace import Workspace

    with log_to_stderr(), Workspace(store) as ws:
        yield ws


def confirm(question: str, yes: bool) -> None:
    """Ask a person at a terminal; scripts are not asked."""
    import sys

    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
