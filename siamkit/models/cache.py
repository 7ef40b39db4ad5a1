"""Where encoders are kept on this machine: each is made aside, and moved in once it is sound."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from siamkit.errors import MissingWeights, PluginError
from siamkit.host import registry
from siamkit.io.cache_root import cache_root
from siamkit.sdk.model_folder import Card, read_card

BUILT_BY = "built-by.txt"  # what of the plugin made it, or the model that was added
EXAMPLES = "examples.json"  # the vectors of some of the plugin's examples, as it was made
OWN_FILES = (BUILT_BY, EXAMPLES)  # files in a folder that are not of the encoder
ABANDONED = 86_400.0  # seconds after which a folder that is being made is nobody's


def cached_folder(plugin: Any, name: str) -> Path:
    """Where a named encoder lives once it is built, whether or not it is.

    Raises PluginError for a plugin's name that would leave the cache.
    """
    if Path(str(plugin.name)).name != str(plugin.name):
        raise PluginError(f"{registry.who(plugin)}: its name is that of another folder")
    return cache_root() / "encoders" / str(plugin.name) / name


def is_sound(plugin: Any, folder: Path) -> bool:
    """True if the plugin can open the folder, which checks every file of it."""
    try:
        with registry.at_work(plugin, "opening its encoder"):
            plugin.encoder(folder)
    except Exception:  # of whatever kind: a damaged file may break any reader
        return False
    return True


def sound_card(plugin: Any, folder: Path) -> Card | None:
    """What a sound folder says of itself; None for one that is damaged or absent."""
    try:
        return read_card(folder) if is_sound(plugin, folder) else None
    except MissingWeights:  # a plugin may open what has no card
        return None


def made_of(folder: Path) -> str:
    """What an encoder was made of: 'ORIGIN:MODEL', or a plugin's package; '' where nothing says."""
    try:
        return (folder / BUILT_BY).read_text(encoding="utf-8")
    except (OSError, ValueError):  # ValueError: not UTF-8, or a NUL byte in the path
        return ""


def put(
    plugin: Any,
    name: str,
    make: Callable[[Path], str],
    *,
    yielding: Callable[[Path, str], None] = lambda folder, made_by: None,
) -> Path:
    """Have a folder made, and move it to its place in the cache once it is sound.

    make: fills an empty folder, and says what it was made of.
    yielding: is told of a sound folder that took the place meanwhile, and of what this one was made
    of. If it raises nothing, that folder makes way.
    """
    folder = cached_folder(plugin, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(".*-*"):  # by a process that was killed
        with suppress(FileNotFoundError):  # its process has ended in order meanwhile
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as made:
        ready = Path(made) / name
        ready.mkdir()
        with registry.at_work(plugin, f"making encoder {name}"):
            made_by = make(ready)
            plugin.encoder(ready)  # a folder that cannot be opened never reaches the cache
        (ready / BUILT_BY).write_text(made_by, encoding="utf-8")
        for _ in range(10):
            try:
                os.rename(ready, folder)
                break
            except OSError:  # the place is taken: by another process's folder, or a damaged one
                sound = is_sound(plugin, folder)
                if sound and made_of(folder) == made_by:
                    break
                if sound:
                    yielding(folder, made_by)
                shutil.rmtree(folder, ignore_errors=True)
    if not is_sound(plugin, folder):
        raise MissingWeights(f"encoder {plugin.name}/{name} could not be put into {folder}")
    return folder
