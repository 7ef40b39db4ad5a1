"""Encoders made from other people's models, 'ORIGIN:MODEL', and kept in the cache under a name."""

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
from siamkit.io.folders import files_under
from siamkit.io.places import expand, real
from siamkit.models.cache import cached_folder, install, is_usable, read_provenance
from siamkit.protocols import AddsEncoders, Modality
from siamkit.sdk.model_folder import CARD

ADDED_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")  # names that an added encoder may have


def origins(plugin: Modality[Any]) -> Mapping[str, str]:
    """Return prefix -> description of the origins that a modality takes models from."""
    return plugin.origins if isinstance(plugin, AddsEncoders) else {}


def list_added(plugin: Modality[Any]) -> list[str]:
    """Return the names of a modality's encoders that `add_encoder` has put into the cache."""
    builds = getattr(plugin, "encoders", {})
    cards = (cache_root() / "encoders" / str(plugin.name)).glob(f"*/{CARD}")
    names = [card.parent.name for card in cards]
    return sorted(name for name in names if not name.startswith(".") and name not in builds)


def add_encoder(plugin: Modality[Any], spec: str, name: str | None = None) -> Path:
    """Make an encoder folder of another model, 'ORIGIN:MODEL', and keep it under a name.

    name: the model's own if None. Raises BadInput for a modality, an origin or a name that
    cannot be used, MissingWeights if the model cannot be obtained.
    """
    origin, _, model = spec.partition(":")
    if not isinstance(plugin, AddsEncoders) or origin not in plugin.origins or not model:
        descriptions = [f"{prefix}:NAME is {text}" for prefix, text in origins(plugin).items()]
        raise BadInput(
            f"{plugin.name} cannot make an encoder of {spec!r}",
            hint="; ".join(descriptions) or f"{plugin.name} take no other models",
        )
    if (source := expand(Path(model))).is_dir():  # the path must mean the same from anywhere
        model = str(real(source))
        spec = f"{origin}:{model}"
    if name is None:
        name = re.sub(r"[^a-z0-9.-]+", "-", Path(model).name.lower()).strip("-.")[:64]
    _require_free_name(plugin, spec, name)

    def provenance() -> str:
        return f"{spec}, content {_hash_files(source)}" if source.is_dir() else spec

    def write(ready: Path) -> str:
        plugin.add(origin, model, ready)
        return provenance()

    folder = cached_folder(plugin, name)
    if is_usable(plugin, folder):
        _require_provenance(plugin, folder, provenance())
        return folder
    require_replaceable = partial(_require_provenance, plugin)
    return install(plugin, name, write, require_replaceable=require_replaceable)


def _require_free_name(plugin: Modality[Any], spec: str, name: str) -> None:
    """Raise BadInput for a name that the plugin's own encoders have, or that is not allowed."""
    if name in getattr(plugin, "encoders", {}):
        raise BadInput(
            f"{plugin.name} have an encoder {name!r} of their own",
            hint=_use_another_name(plugin, spec),
        )
    if not ADDED_NAME.fullmatch(name):
        raise BadInput(
            f"{name[:80]!r} cannot be an encoder's name: lower-case letters, digits, dots and"
            " hyphens only, at most 64",
            hint=_use_another_name(plugin, spec),
        )


def add_command(plugin: Modality[Any], name: str) -> str:
    """Return the command that adds an encoder again, with its model if the cache still has it."""
    spec = _spec(read_provenance(cached_folder(plugin, name)))
    if spec.partition(":")[0] not in origins(plugin):  # not in the cache, or built by a plugin
        spec = "ORIGIN:MODEL"
    return _command(plugin, spec, name)


def _use_another_name(plugin: Modality[Any], spec: str) -> str:
    """Return a hint for a name that is taken or not allowed; it fits every command."""
    return f"{_command(plugin, spec, 'another')}, then --encoder another"


def _command(plugin: Modality[Any], spec: str, name: str) -> str:
    return f"`siamkit encoders add {plugin.name} {shlex.quote(spec)} --name {name}`"


def _spec(provenance: str) -> str:
    """Return the 'ORIGIN:MODEL' part of an added encoder's provenance."""
    return re.sub(r", content [0-9a-f]+$", "", provenance)


def _hash_files(folder: Path) -> str:
    """Hash all files of a folder with their names."""
    digest = hashlib.sha256()
    for path in files_under(folder):
        digest.update(str(path.relative_to(folder)).encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _require_provenance(plugin: Modality[Any], folder: Path, provenance: str) -> None:
    """Raise BadInput if the encoder in `folder` was made from something else."""
    existing = read_provenance(folder)
    if existing != provenance:
        spec = _spec(provenance)
        changed = existing.startswith(f"{spec}, ")
        model = "an earlier content of that folder" if changed else existing
        raise BadInput(
            f"an encoder {folder.name!r} already exists, made from {model}",
            hint=_use_another_name(plugin, spec),
        )
