"""Standard output is for answers: what plugins and their threads print goes to standard error."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_here = threading.local()


@contextmanager
def plugin_at_work() -> Iterator[None]:
    """Mark that this thread runs a plugin's code, and gives no answer meanwhile. May be nested."""
    before = getattr(_here, "answering", False)
    _here.answering = False
    try:
        yield
    finally:
        _here.answering = before


class Aside:
    """A stream that takes only what the thread that answers writes, while no plugin works there."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return int(self._open().write(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """It is nobody's to close."""

    def __getattr__(self, name: str) -> Any:  # its buffer among them
        return getattr(self._open(), name)

    def _open(self) -> Any:
        return self.stream if getattr(_here, "answering", False) else sys.stderr


def stop_answering() -> None:
    """Let nothing more be an answer, of this thread either."""
    _here.answering = False


def claim_stdout() -> None:
    """Keep standard output for this thread, for good: also from libraries below Python.

    What they write to the file itself goes where standard error goes.
    """
    _here.answering = True
    if sys.stdout is None:  # closed: nothing that is opened later may take its place
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    try:
        kept = os.dup(sys.stdout.fileno())
    except (OSError, ValueError):  # no file
        return
    sys.stdout.flush()
    os.dup2(2, 1)
    stream: Any = os.fdopen(
        kept, "w", encoding=sys.stdout.encoding, errors="backslashreplace", closefd=False,
        buffering=1 if sys.stdout.isatty() else -1,
    )  # fmt: skip
    sys.stdout = Aside(stream)
