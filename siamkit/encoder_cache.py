"""Named encoders: built once from installed weights, then kept in the user's cache."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamkit import registry
from siamkit.encoders import CARD, GRAPH, read_folder
from siamkit.errors import MissingWeights
from siamkit.protocols import BuildsEncoders

BUILT_BY = "built-by.txt"  # package and version of the plugin that built the folder
log = logging.getLogger("siamkit")


def cache_root() -> Path:
    """Where built encoders live: SIAMKIT_CACHE, else the platform's cache directory."""
    if given := os.environ.get("SIAMKIT_CACHE"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("siamkit")


def default_name(plugin: Any) -> str | None:
    """The encoder that a modality takes if none is named; None if it carries its own weights."""
    return next(iter(plugin.encoders)) if isinstance(plugin, BuildsEncoders) else None


def lasting(wanted: str | None) -> str | None:
    """An encoder as a gallery keeps it: a folder by its whole path, so that it opens anywhere."""
    return str(Path(wanted).resolve()) if wanted and Path(wanted).is_dir() else wanted


def resolve(plugin: Any, wanted: str | None) -> Path | None:
    """The encoder folder for a name, a folder's path, or None for the modality's default.

    A named encoder that is not in the cache yet, or is damaged there, is built first, and a
    line is logged. Returns None if the plugin carries its own weights.
    Raises MissingWeights for a name that nobody knows.
    """
    names: Mapping[str, str] = getattr(plugin, "encoders", {})
    wanted = wanted or default_name(plugin)
    if wanted is None:
        return None
    if wanted in names:
        return ensure(plugin, wanted)
    if Path(wanted).is_dir():
        return Path(wanted)
    raise MissingWeights(
        f"no encoder {wanted!r} for {plugin.name}: neither a folder nor a known name",
        hint=f"known names: {', '.join(names) or 'none'}",
    )


def cached_folder(plugin: Any, name: str) -> Path:
    """Where a named encoder lives once it is built, whether or not it is."""
    return cache_root() / "encoders" / str(plugin.name) / name


def is_sound(folder: Path) -> bool:
    """True if the folder holds a graph and a card that match each other."""
    try:
        read_folder(folder)
    except MissingWeights:
        return False
    return True


def ensure(plugin: Any, name: str) -> Path:
    """The cached folder of a named encoder, built if it is absent or damaged.

    Two processes may build at once: each builds in a folder of its own, and the first to
    rename it into place wins; the other takes what is there.
    """
    folder = cached_folder(plugin, name)
    if (folder / CARD).exists() and (folder / GRAPH).exists() and _is_current(plugin, folder):
        return folder  # whoever opens it checks it against its fingerprint
    return build(plugin, name)


def _is_current(plugin: Any, folder: Path) -> bool:
    """False for a folder that another version of the plugin built: its recipe may have changed."""
    try:
        return (folder / BUILT_BY).read_text(encoding="utf-8") == _origin(plugin)
    except OSError:
        return False


def _origin(plugin: Any) -> str:
    found = registry.find("siamkit.modalities", plugin.name)
    return f"{found.package} {found.version}"


def build(plugin: Any, name: str) -> Path:
    """Build a named encoder into the cache, in place of a damaged or absent one."""
    folder = cached_folder(plugin, name)
    log.warning(f"building encoder {plugin.name}/{name} once, from {plugin.encoders[name]}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as made:
        ready = Path(made) / name
        ready.mkdir()
        plugin.build(name, ready)
        (ready / BUILT_BY).write_text(_origin(plugin), encoding="utf-8")
        read_folder(ready)  # a folder that cannot be opened never reaches the cache
        for _ in range(10):
            try:
                os.rename(ready, folder)
                break
            except OSError:  # the place is taken: by another process's folder, or a damaged one
                if is_sound(folder) and _is_current(plugin, folder):
                    break
                shutil.rmtree(folder, ignore_errors=True)
    if not is_sound(folder):
        raise MissingWeights(f"encoder {plugin.name}/{name} could not be put into {folder}")
    log.warning(f"encoder {plugin.name}/{name} is ready in {folder}")
    return folder
