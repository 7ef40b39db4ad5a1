"""Open a detector by name: a region plugin, a detector in the cache, or a detector folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.io.cache_root import cache_root
from siamkit.protocols import Detector, OpensFolders
from siamkit.sdk.detector_folder import CARD, read_card


def open_detector(name: str) -> Detector[Any]:
    """Open a detector: a region plugin's, else one in the cache, else a detector folder's.

    Raises PluginError for an unknown name, MissingWeights if the folder is damaged.
    """
    if any(plugin.name == name for plugin in registry.installed("siamkit.regions")):
        return registry.load("siamkit.regions", name)
    if name in list_cached():
        return open_folder(cached_folder(name))
    if is_folder(name):
        return open_folder(Path(name))
    known = [plugin.name for plugin in registry.installed("siamkit.regions")]
    raise PluginError(
        f"no detector {name!r}: neither a region plugin, nor added, nor a detector folder",
        hint=registry.suggest(name, [*known, *list_cached()]),
    )


def open_folder(folder: Path) -> Detector[Any]:
    """Open a detector folder by the plugin on its card.

    Raises MissingWeights if it is damaged, PluginError if the plugin is absent or opens no folders.
    """
    plugin = registry.load("siamkit.regions", read_card(folder).plugin)
    if not isinstance(plugin, OpensFolders):
        raise PluginError(f"{registry.describe(plugin)} opens no detector folders")
    with registry.calling(plugin, f"opening {folder}"):
        return plugin.open(folder)


def cached_folder(name: str) -> Path:
    """Return the folder of a detector in the cache; it need not exist yet."""
    return cache_root() / "detectors" / name


def list_cached() -> list[str]:
    """Return the names of the detectors in the cache."""
    names = [card.parent.name for card in cached_folder("").glob(f"*/{CARD}")]
    return sorted(name for name in names if not name.startswith("."))


def is_folder(name: str) -> bool:
    """True for a path of a folder, and for a bare name only if it is that of a detector folder."""
    return (Path(name) / CARD).exists() or (os.sep in name and Path(name).is_dir())
