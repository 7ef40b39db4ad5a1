"""Files of a run: each is whole or absent, and a full disk is an error that names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siamkit.errors import SiamkitError
from siamkit.io import atomic
from siamkit.io.sources import to_text
from siamkit.train.folder import FACTS


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which is moved to `path` once it is durable.

    What was at `path` stays until then. Raises SiamkitError for what the disk refuses.
    """
    try:
        with atomic.replacing(path) as temporary:
            yield temporary
    except OSError as error:
        prepared = (path.parent / FACTS).exists()
        raise SiamkitError(
            f"{to_text(path)} could not be written: {error.strerror or error}",
            hint="make room, then go on with --resume" if prepared else "make room and start again",
        ) from error
