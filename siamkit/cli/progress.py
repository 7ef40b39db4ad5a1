"""Progress bars with rate and ETA, on stderr if it is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

from siamkit.io.printable import printable


@contextmanager
def bar(label: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Draw one bar; yields a function of the number of items done so far, and of a note on them.

    total: None if it is not known; then there is no ETA.
    """
    started, done, note = time.monotonic(), 0, ""

    def rate(_: object) -> str:
        return f"{done / max(time.monotonic() - started, 1e-9):,.1f}/s  {note}".rstrip()

    with click.progressbar(
        length=total or 0,
        label=printable(label),
        show_pos=True,
        show_eta=total is not None,
        item_show_func=rate,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as progress_bar:

        def update(now: int, text: str = "") -> None:
            nonlocal done, note
            step, done, note = now - done, now, text  # first, as the bar asks for them
            progress_bar.update(step)

        yield update


class Steps:
    """Bars of several steps, one after another. Called with a step, and how much of it is done."""

    def __init__(self, stack: ExitStack) -> None:
        self.step = ""  # the one that is at work
        self._stack = stack
        self._update: Callable[[int], None] = lambda _: None

    def __call__(self, step: str, done: int, total: int) -> None:
        """Draw the bar of a step, after the end of the one before; without ETA if total is 0."""
        if step != self.step:
            self._stack.close()
            self.step, self._update = step, self._stack.enter_context(bar(step, total or None))
        self._update(done)


@contextmanager
def steps() -> Iterator[Steps]:
    """Draw one bar per step; a step whose total is 0 has no ETA."""
    with ExitStack() as stack:
        yield Steps(stack)
