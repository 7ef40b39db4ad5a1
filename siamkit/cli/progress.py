"""A bar with rate and ETA on stderr, if it is a terminal; otherwise nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


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
