"""Encoders made of other people's models, 'ORIGIN:MODEL', and kept under a name."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.cache_root import cache_root
from siamkit.io.sources import files_under
from siamkit.models.cache import cached_folder, is_sound, made_of, put
from siamkit.protocols import AddsEncoders
from siamkit.sdk.model_folder import CARD

ADDED_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")  # that an added encoder may have


def origins(plugin: Any) -> Mapping[str, str]:
    return plugin.origins if isinstance(plugin, AddsEncoders) else {}


def added(plugin: Any) -> list[str]:
    """The encoders of a modality that `add` has put into the cache."""
    names = getattr(plugin, "encoders", {})
    folders = (cache_root() / "encoders" / str(plugin.name)).glob(f"*/{CARD}")
    return sorted(
        name for folder in folders if (name := folder.parent.name)[0] != "." and name not in names
    )


def add(plugin: Any, spec: str, name: str | None = None) -> Path:
    """Make an encoder folder of another model, 'ORIGIN:MODEL', and keep it under a name.

    name: None takes the model's own. Raises BadInput for a modality, an origin or a name that
    cannot be used, MissingWeights where the model is not to be had.
    """
    known, whose = origins(plugin), str(plugin.name)
    origin, _, model = spec.partition(":")
    if not isinstance(plugin, AddsEncoders) or origin not in known or not model:
        raise BadInput(
            f"{plugin.name} cannot make an encoder of {spec!r}",
            hint="; ".join(f"{o}:NAME is {what}" for o, what in known.items())
            or f"{plugin.name} take no other models",
        )
    if (place := Path(model).expanduser()).is_dir():  # the same words may mean another elsewhere
        model = str(place.resolve())
        spec = f"{origin}:{model}"
    if name is None:
        name = re.sub(r"[^a-z0-9.-]+", "-", Path(model).name.lower()).strip("-.")[:64]
    if name in getattr(plugin, "encoders", {}):
        raise BadInput(
            f"{whose} have an encoder {name!r} of their own", hint=_by_another(plugin, spec)
        )
    if not ADDED_NAME.fullmatch(name):
        raise BadInput(
            f"{name[:80]!r} cannot be an encoder's name: small letters, digits, dots and hyphens,"
            " 64 at most",
            hint=_by_another(plugin, spec),
        )

    def made_by() -> str:
        return f"{spec}, content {_content(place)}" if place.is_dir() else spec

    def make(ready: Path) -> str:
        plugin.add(origin, model, ready)
        return made_by()

    folder = cached_folder(plugin, name)
    if is_sound(plugin, folder):
        _require_made_by(plugin, folder, made_by())
        return folder
    return put(plugin, name, make, yielding=partial(_require_made_by, plugin))


def adding(plugin: Any, name: str) -> str:
    """The command that adds an encoder again, with its model if the cache still tells it."""
    spec = _spec(made_of(cached_folder(plugin, name)))
    if spec.partition(":")[0] not in origins(plugin):  # not in the cache, or built by a plugin
        spec = "ORIGIN:MODEL"
    return _command(plugin, spec, name)


def _by_another(plugin: Any, spec: str) -> str:
    """What to do where a name is not to be had; true of every command."""
    return f"{_command(plugin, spec, 'another')}, then --encoder another"


def _command(plugin: Any, spec: str, name: str) -> str:
    return f"`siamkit encoders add {plugin.name} {shlex.quote(spec)} --name {name}`"


def _spec(made_by: str) -> str:
    """The 'ORIGIN:MODEL' of what an added encoder was made of."""
    return re.sub(r", content [0-9a-f]+$", "", made_by)


def _content(folder: Path) -> str:
    """A hash of all files of a folder with their names."""
    digest = hashlib.sha256()
    for path in files_under(folder):
        digest.update(str(path.relative_to(folder)).encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _require_made_by(plugin: Any, folder: Path, made_by: str) -> None:
    """Raise BadInput for an encoder that was added of something else."""
    if (before := made_of(folder)) != made_by:
        spec = _spec(made_by)
        other = "what that folder held before" if before.startswith(f"{spec}, ") else before
        raise BadInput(
            f"there is an encoder {folder.name!r} already, of {other}",
            hint=_by_another(plugin, spec),
        )
