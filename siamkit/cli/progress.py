"""A bar with rate and ETA on stderr, if it is a terminal; otherwise nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

from siamkit.types import Progress


@contextmanager
def bar(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yields a function that says how many items are done so far."""
    started, done = time.monotonic(), 0

    def rate(_: object) -> str:
        return f"{done / max(time.monotonic() - started, 1e-9):,.1f}/s"

    with click.progressbar(
        length=total or 0,
        label=label,
        show_pos=True,
        show_eta=total is not None,
        item_show_func=rate,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as drawn:

        def update(now: int) -> None:
            nonlocal done
            step, done = now - done, now
            drawn.update(step)

        yield update


@contextmanager
def steps() -> Iterator[Progress]:
    """Draw one bar per step; a step whose total is 0 has no ETA."""
    with ExitStack() as stack:
        drawn = ""
        update: Callable[[int], None] = lambda _: None  # noqa: E731

        def report(step: str, done: int, total: int) -> None:
            nonlocal drawn, update
            if step != drawn:
                stack.close()
                drawn, update = step, stack.enter_context(bar(step, total or None))
            update(done)

        yield report
