"""Progress bars with rate and ETA, on stderr if it is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from siamkit.io.printable import printable

if TYPE_CHECKING:
    from siamkit.types import Progress


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


@contextmanager
def steps() -> Iterator[Progress]:
    """Draw one bar per step; a step whose total is 0 has no ETA."""
    with ExitStack() as stack:
        current = ""
        update: Callable[[int], None] = lambda _: None  # noqa: E731

        def report(step: str, done: int, total: int) -> None:
            nonlocal current, update
            if step != current:
                stack.close()
                current, update = step, stack.enter_context(bar(step, total or None))
            update(done)

        yield report
