"""Keep standard output for answers: what plugins and their threads print goes to standard error."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_thread = threading.local()


@contextmanager
def divert_prints() -> Iterator[None]:
    """Send what this thread prints to standard error. May be nested."""
    before = getattr(_thread, "answering", False)
    _thread.answering = False
    try:
        yield
    finally:
        _thread.answering = before


class AnswerStream:
    """Standard output for the thread that answers, while no plugin runs in it; else stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream if getattr(_thread, "answering", False) else sys.stderr, name)


def claim_stdout() -> None:
    """Keep standard output for this thread, also from libraries below Python.

    What those write to file descriptor 1 goes where standard error goes.
    """
    _thread.answering = True
    if sys.stdout is None:  # closed: no file that is opened later may become descriptor 1
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    try:
        descriptor = os.dup(sys.stdout.fileno())
    except (OSError, ValueError):  # not a file
        return
    sys.stdout.flush()
    os.dup2(2, 1)
    answers = os.fdopen(
        descriptor,
        "w",
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        closefd=False,
        buffering=1 if sys.stdout.isatty() else -1,
    )
    sys.stdout = AnswerStream(answers)
