"""Options of every command: the workspace of --store, paths, files to write, and bundles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

import siamkit as sk
from siamkit.io.places import expand, expand_text

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


def refuse_empty(value: Any) -> None:
    """Raise UsageError for the file name "", which would mean this folder."""
    if value == "":
        raise click.UsageError("an empty file name")


class _Path(click.Path):
    """A path, in which `~` is the home directory however the option was written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        refuse_empty(value)
        return expand(cast(Path, super().convert(value, param, ctx)))


class _Origin(click.types.StringParamType):
    """A path or something else: a name, `-` or `gallery:NAME`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        refuse_empty(value)
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


def workspace(command: F) -> F:
    """Add --store to a command, and pass it the workspace of that store as `ws`."""

    @wraps(command)
    def with_workspace(*args: Any, store: Path, **values: Any) -> Any:
        with sk.Workspace(store) as ws:
            return command(*args, ws=ws, **values)

    return cast(F, store(with_workspace))


def given_store() -> list[str]:
    """Return --store as it was given, for a command that continues this one; [] if it was not."""
    context = click.get_current_context()
    is_given = context.get_parameter_source("store") is ParameterSource.COMMANDLINE
    return ["--store", str(context.params["store"])] if is_given else []


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
raw = click.option(
    "--raw", is_flag=True, help="Write CSV cells such as `=1+1` without the `'` that defuses them."
)
verbose = click.option("-v", "--verbose", is_flag=True, help="Show everything that is known.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")


def path(*names: str, help: str, metavar: str = "FILE", **settings: Any) -> Callable[[F], F]:
    """Return an option that takes a path."""
    return click.option(*names, type=PATH, metavar=metavar, help=help, **settings)


def output(
    help: str, name: str = "output", *, metavar: str = "FILE", **settings: Any
) -> Callable[[F], F]:
    """Return the option -o/--output with its help. name: the command's parameter for it."""
    return path("-o", "--output", name, metavar=metavar, help=help, **settings)


def top_k(help: str) -> Callable[[F], F]:
    """Return the option -k, the number of matches to show, with its help."""
    return click.option("-k", type=POSITIVE, default=5, show_default=True, metavar="N", help=help)


def limit(rows: str) -> Callable[[F], F]:
    """Return the option --limit of a command that lists some kind of rows."""
    return click.option("--limit", type=POSITIVE, metavar="N", help=f"Show at most N {rows}.")


def after(metavar: str, help: str) -> Callable[[F], F]:
    """Return the option --after of a command that lists rows in pages, with its help."""
    kind = POSITIVE if metavar == "ID" else str
    return click.option("--after", type=kind, default=None, metavar=metavar, help=help)


search = click.option(
    "--search",
    default="",
    metavar="TEXT",
    help="List only labels that contain TEXT, in any case of a-z.",
)


def report(help: str) -> Callable[[F], F]:
    """Return the option --report with its help."""
    return path("--report", metavar="FILE.html", help=help)


files = click.argument("files", nargs=-1, type=PATH)


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


def default_or_none(name: str | None) -> str | None:
    """Resolve --detector or --rerank: "none" to None, and an absent option to DEFAULT."""
    return sk.DEFAULT if name is None else None if name == "none" else name
