"""What belongs to the whole process, which a plugin's import might change for everybody."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

NUMPY = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}  # as it begins


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it has been deleted, which is nobody's doing here
        return ""


def _errors() -> Mapping[str, str]:
    numpy: Any = sys.modules.get("numpy")
    return numpy.geterr() if numpy else NUMPY


def _set_errors(handling: Mapping[str, str]) -> None:
    sys.modules["numpy"].seterr(**handling)


def _handle(number: int) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    return lambda: signal.getsignal(number), lambda handler: signal.signal(number, handler)


PARTS: Mapping[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {  # how to read, and to set
    "the working directory": (_folder, os.chdir),
    "what Ctrl-C does": _handle(signal.SIGINT),
    "what a request to end does": _handle(signal.SIGTERM),
    "the level of the root logger": (lambda: logging.root.level, logging.root.setLevel),
    "the level below which nothing is logged": (
        lambda: logging.root.manager.disable,
        logging.disable,
    ),
    "how deep calls may go": (sys.getrecursionlimit, sys.setrecursionlimit),
    "what numpy does about overflow": (_errors, _set_errors),
}


def state() -> dict[str, Any]:
    """Each part as it is."""
    return {part: read() for part, (read, _) in PARTS.items()}


def changed(before: Mapping[str, Any]) -> list[str]:
    """What is another now: 'how deep calls may go from 1000 to 60', a line each."""
    now = state()
    return [f"{part} from {was} to {now[part]}" for part, was in before.items() if was != now[part]]


def put_back(before: Mapping[str, Any]) -> list[str]:
    """What `changed` says, and all of it set as it was; signals only in the main thread."""
    told = changed(before)
    for part, was in before.items() if told else ():
        with suppress(ValueError, OSError, TypeError):
            PARTS[part][1](was)
    return told
