"""The encoder cache: one folder per encoder, written elsewhere and renamed in once it opens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.host import registry
from siamkit.io import foreign
from siamkit.io.atomic import settle, sync
from siamkit.io.cache_root import cache_root, writing_to_cache
from siamkit.io.unfinished import scratch
from siamkit.protocols import Modality
from siamkit.sdk.model_folder import Card, read_card

BUILT_BY = "built-by.txt"  # the plugin's package and code, or the model that was added
EXAMPLES = "examples.json"  # vectors of some of the plugin's examples, as first embedded
OWN_FILES = (BUILT_BY, EXAMPLES)  # siamkit's files in a folder; the others are the encoder's


def cached_folder(plugin: Modality[Any], name: str) -> Path:
    """Return the folder of a named encoder in the cache; it need not exist yet.

    Raises PluginError if the plugin's name would lead out of the cache.
    """
    if Path(str(plugin.name)).name != str(plugin.name):
        raise PluginError(f"{registry.describe(plugin)}: its name is not usable as a folder name")
    return cache_root() / "encoders" / str(plugin.name) / name


def is_usable(plugin: Modality[Any], folder: Path) -> bool:
    """True if the plugin can open the folder, which checks every file in it."""
    try:
        with registry.calling(plugin, "opening its encoder"):
            plugin.encoder(folder)
    except Exception:  # of any class: a damaged file may break any reader
        return False
    return True


def usable_card(plugin: Modality[Any], folder: Path) -> Card | None:
    """Return the card of a usable folder; None if it is damaged or absent."""
    try:
        return read_card(folder) if is_usable(plugin, folder) else None
    except MissingWeights:  # a plugin may open a folder that has no card
        return None


def read_provenance(folder: Path) -> str:
    """Return 'ORIGIN:MODEL' or the plugin that built an encoder; '' if nothing was recorded."""
    try:
        return foreign.read_text(folder / BUILT_BY)
    except BadInput:
        return ""


@writing_to_cache()
def install(
    plugin: Modality[Any],
    name: str,
    write: Callable[[Path], str],
    *,
    require_replaceable: Callable[[Path, str], None] = lambda folder, provenance: None,
) -> Path:
    """Write an encoder folder beside its place in the cache, and rename it in once it opens.

    write: fills an empty folder and returns its provenance.
    require_replaceable: called with a usable folder that another process has put in place
    meanwhile, and with the new provenance. Unless it raises, that folder is replaced.
    """
    folder = cached_folder(plugin, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch(folder.parent) as unfinished:
        ready = unfinished / name
        ready.mkdir()
        with registry.calling(plugin, f"making encoder {name}"):
            provenance = write(ready)
            plugin.encoder(ready)  # a folder that cannot be opened never reaches the cache
        (ready / BUILT_BY).write_text(provenance, encoding="utf-8")
        settle(ready, private=False)
        for _ in range(10):
            try:
                os.rename(ready, folder)
                break
            except OSError:  # the place is taken: by another process's folder, or a damaged one
                usable = is_usable(plugin, folder)
                if usable and read_provenance(folder) == provenance:
                    break
                if usable:
                    require_replaceable(folder, provenance)
                shutil.rmtree(folder, ignore_errors=True)
    if not is_usable(plugin, folder):
        raise MissingWeights(f"encoder {plugin.name}/{name} could not be moved to {folder}")
    sync(folder.parent)
    return folder
