"""Encoders made from other people's models, 'ORIGIN:MODEL', and kept in the cache under a name."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.folders import files_under
from siamkit.io.places import expand, real
from siamkit.models.cache import (
    Shelf,
    cached_folder,
    encoder_shelf,
    install,
    is_usable,
    read_provenance,
)
from siamkit.protocols import AddsEncoders, Modality

ADDED_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")  # names that an added model may have


def origins(plugin: Modality[Any]) -> Mapping[str, str]:
    """Return prefix -> description of the origins that a modality takes models from."""
    return plugin.origins if isinstance(plugin, AddsEncoders) else {}


def list_added(plugin: Modality[Any]) -> list[str]:
    """Return the names of a modality's encoders that `add_encoder` has put into the cache."""
    builds = getattr(plugin, "encoders", {})
    return [name for name in encoder_shelf(plugin).names() if name not in builds]


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

    return install_added(
        encoder_shelf(plugin),
        name,
        spec,
        lambda ready: plugin.add(origin, model, ready),
        sources=[source] if source.is_dir() else [],
        hint=_use_another_name(plugin, spec),
    )


def install_added(
    shelf: Shelf,
    name: str,
    spec: str,
    write: Callable[[Path], None],
    *,
    sources: Sequence[Path],
    hint: str,
) -> Path:
    """Install another model, unless it is there already, and record where it is from.

    sources: the local files and folders that it is made of. Raises BadInput, with the hint, if the
    name is that of a model made from something else.
    """

    def provenance() -> str:
        return f"{spec}, content {_hash_files(sources)}" if sources else spec

    def require_provenance(folder: Path, provenance: str) -> None:
        if (existing := read_provenance(folder)) != provenance:
            changed = existing.startswith(f"{spec}, ")
            model = "an earlier content of its files" if changed else existing
            raise BadInput(
                f"{_article(shelf.kind)} {name!r} already exists, made from {model}", hint=hint
            )

    def write_recorded(ready: Path) -> str:
        write(ready)
        return provenance()

    folder = shelf.folder(name)
    if is_usable(shelf, folder):
        require_provenance(folder, provenance())
        return folder
    return install(shelf, name, write_recorded, require_replaceable=require_provenance)


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _require_free_name(plugin: Modality[Any], spec: str, name: str) -> None:
    """Raise BadInput for a name that the plugin's own encoders have, or that is not allowed."""
    if name in getattr(plugin, "encoders", {}):
        raise BadInput(
            f"{plugin.name} have an encoder {name!r} of their own",
            hint=_use_another_name(plugin, spec),
        )
    require_name(name, "an encoder", _use_another_name(plugin, spec))


def require_name(name: str, owner: str, hint: str) -> None:
    """Raise BadInput, with the hint, for a name that is not allowed. owner: "an encoder" say."""
    if not ADDED_NAME.fullmatch(name):
        raise BadInput(
            f"{name[:80]!r} cannot be {owner}'s name: lower-case letters, digits, dots and"
            " hyphens only, at most 64",
            hint=hint,
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


def _hash_files(sources: Sequence[Path]) -> str:
    """Hash files, and all files of folders with their names."""
    digest = hashlib.sha256()
    for source in sources:
        for path in [source] if source.is_file() else files_under(source):
            digest.update(str(path.relative_to(source)).encode("utf-8", "surrogateescape"))
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
