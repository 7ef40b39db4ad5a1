"""Replace a file of a run; a full disk is an error that names the file."""

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
    """Replace a file, see siamkit.io.atomic. Raises SiamkitError if it cannot be written."""
    try:
        with atomic.replacing(path) as temporary:
            yield temporary
    except OSError as error:
        prepared = (path.parent / FACTS).exists()
        raise SiamkitError(
            f"{to_text(path)} could not be written: {error.strerror or error}",
            hint="make room, then --resume" if prepared else "make room and start again",
        ) from error
