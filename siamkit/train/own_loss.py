"""Find, check and call a loss of the user's, which `loss = "module:function"` names."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, PluginError
from siamkit.io.sources import shorten
from siamkit.train.loss_settings import PARAMETERS, Term

Function = Callable[..., Any]


def require(terms: Iterable[Term]) -> None:
    """Raise as `find` does for the terms that are the user's, before anything is prepared."""
    for term in terms:
        if term.name not in PARAMETERS:
            find(term.name, term.parameters)


def find(name: str, parameters: Mapping[str, Any]) -> Function:
    """Import the function or class that module:name names, also from the current folder.

    Raises BadInput if there is none, or if it does not take these parameters; PluginError if the
    module fails.
    """
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise PluginError(f"loss {name}: {error}") from error
        raise BadInput(
            f"loss = {name!r}: there is no module {error.name!r}",
            hint=f"run this in the folder of {error.name}.py, or install it",
        ) from error
    except Exception as error:  # the module may raise anything
        raise PluginError(
            f"loss {name}: {module_name} cannot be imported: {type(error).__name__}:"
            f" {shorten(str(error))}"
        ) from error
    target = getattr(module, attribute, None)
    if not callable(target):
        near = get_close_matches(attribute, vars(module), n=1)
        raise BadInput(
            f"loss = {name!r}: {module_name} has no function or class {attribute!r}",
            hint=f"did you mean {near[0]!r}?" if near else "",
        )
    _require_signature(name, target, parameters)
    return target  # type: ignore[no-any-return]


def _require_signature(name: str, target: Function, parameters: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(target)
    except ValueError:  # of a built-in
        return
    try:
        if inspect.isclass(target):
            signature.bind(**{**offers(target, {"classes": 2, "dim": 2}), **parameters})
        else:
            signature.bind(None, None, None, **parameters)
    except TypeError as error:
        takes = [] if inspect.isclass(target) else ["(embeddings, relations, triplets)"]
        takes += [str(dict(parameters))] if parameters else []
        what = " and ".join(takes) or "no parameters"
        hint = 'write the parameters beside the name: {name = "…", margin = 0.3}'
        raise BadInput(
            f"loss {name}{signature} does not take {what}: {error}",
            hint=hint if parameters or inspect.isclass(target) else "",
        ) from error


def offers(target: Function, offered: Mapping[str, int]) -> dict[str, int]:
    """Return what is offered and a class asks for by name."""
    parameters = inspect.signature(target).parameters
    return {key: value for key, value in offered.items() if key in parameters}


def call(name: str, function: Function, *arguments: Any, **parameters: Any) -> Any:
    """Call it. Raises PluginError for whatever it raises, naming the line."""
    try:
        return function(*arguments, **parameters)
    except Exception as error:  # it may raise anything
        frames = traceback.extract_tb(error.__traceback__)[1:]
        module = getattr(sys.modules.get(name.partition(":")[0]), "__file__", None)
        inside = [frame for frame in frames if frame.filename == module] or frames
        places = [f"{Path(frame.filename).name}, line {frame.lineno}" for frame in inside]
        raise PluginError(
            f"loss {name}: {type(error).__name__}: {shorten(str(error))}",
            hint=f"see {places[-1]}" if places else "",
        ) from error
