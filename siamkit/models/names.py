"""Which encoder a name means: one that a plugin builds, one that was added, or a folder's path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamkit.errors import MissingWeights
from siamkit.models import built
from siamkit.models.added import ADDED_NAME, add, added, adding, origins
from siamkit.models.cache import cached_folder
from siamkit.sdk.model_folder import CARD


def resolve(plugin: Any, wanted: str | None) -> Path | None:
    """The encoder folder for a name, a folder's path, or None for the modality's default.

    A named encoder that is not in the cache yet, or is damaged there, is built first, and a
    line is logged. Returns None if the plugin carries its own weights.
    Raises MissingWeights for a name that nobody knows, PluginError for a trained encoder that the
    plugin's code of today gives other vectors.
    """
    names: Mapping[str, str] = getattr(plugin, "encoders", {})
    wanted = wanted or built.default_name(plugin)
    if wanted is None:
        return None
    if wanted in names:
        return built.ensure(plugin, wanted)
    if wanted in added(plugin):
        return cached_folder(plugin, wanted)
    if _is_folder(wanted):
        built.require_same_vectors(plugin, Path(wanted))
        return Path(wanted)
    again = f"; {adding(plugin, wanted)} makes one"
    raise MissingWeights(
        f"no encoder {wanted!r} for {plugin.name}: neither a folder nor a known name",
        hint=f"known names: {', '.join([*names, *added(plugin)]) or 'none'}"
        f"{again if origins(plugin) and ADDED_NAME.fullmatch(wanted) else ''}",
    )


def lasting(plugin: Any, wanted: str | None) -> str | None:
    """An encoder as a gallery keeps it: a folder by its whole path, so that it opens anywhere.

    Of another model, 'ORIGIN:MODEL', one is made, and kept by its name. Raises as `add` does.
    """
    if wanted is None or wanted in (*getattr(plugin, "encoders", {}), *added(plugin)):
        return wanted
    if _is_folder(wanted):
        return str(Path(wanted).resolve())
    another = wanted.partition(":")[0] in origins(plugin)
    return add(plugin, wanted).name if another else wanted


def _is_folder(wanted: str) -> bool:
    """A bare name is that of an encoder, unless an encoder folder bears it."""
    return (Path(wanted) / CARD).exists() or (os.sep in wanted and Path(wanted).is_dir())
