"""The folder for files that siamkit can rebuild, so that they may be deleted at any time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siamkit.errors import MissingWeights, SiamkitError
from siamkit.io.places import expand

CACHE_HINT = "set SIAMKIT_CACHE to a folder that you can write to"
NOWHERE = Path(os.devnull, "no-home")  # cannot be made, nor written


def cache_root() -> Path:
    """Return SIAMKIT_CACHE if it is set, else the platform's cache directory.

    Without a home directory, as some containers have none, that is NOWHERE.
    """
    try:
        if root := os.environ.get("SIAMKIT_CACHE"):
            return Path(os.path.abspath(expand(Path(root))))
        from platformdirs import user_cache_path

        path = expand(user_cache_path("siamkit"))
    # RuntimeError of platformdirs; OSError if the path is relative and its folder was deleted.
    except (SiamkitError, RuntimeError, OSError):
        return NOWHERE
    return path if path.is_absolute() else NOWHERE


@contextmanager
def writing_to_cache() -> Iterator[None]:
    """Raise MissingWeights, with the way out, if the cache cannot be written."""
    try:
        yield
    except OSError as error:
        root = cache_root()
        if root == NOWHERE:
            message = "there is no place for the cache: the home directory is unknown"
        else:
            message = f"the cache {root} cannot be written: {error.strerror or error}"
        raise MissingWeights(message, hint=CACHE_HINT) from error


def is_in_cache(name: object) -> bool:
    """Return True for the path of a file in the cache, as an OSError names it."""
    return isinstance(name, str | bytes | os.PathLike) and Path(os.fsdecode(name)).is_relative_to(
        cache_root()
    )
