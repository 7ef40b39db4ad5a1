"""Find an encoder's folder: built by a plugin, added by the user, or given as a path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamkit.errors import MissingWeights
from siamkit.io.commands import suggest
from siamkit.io.places import real
from siamkit.models import built
from siamkit.models.added import ADDED_NAME, add_command, add_encoder, list_added, origins
from siamkit.models.cache import cached_folder, is_folder
from siamkit.protocols import Modality
from siamkit.sdk.model_folder import CARD

RUN, ENCODER = "run.json", "encoder"  # in a training run, see siamkit.train.folder


def resolve(plugin: Modality[Any], encoder: str | None) -> Path | None:
    """Return the folder of an encoder, given by name or path; None means the modality's default.

    A named encoder that is absent from the cache, or damaged there, is built first, and a line is
    logged. Returns None if the plugin carries its own weights.
    Raises MissingWeights for an unknown name, PluginError for a trained encoder whose vectors the
    plugin's present code would change.
    """
    builds: Mapping[str, str] = getattr(plugin, "encoders", {})
    encoder = encoder or built.default_name(plugin)
    if encoder is None:
        return None
    if encoder in builds:
        return built.ensure_built(plugin, encoder)
    if encoder in list_added(plugin):
        return cached_folder(plugin, encoder)
    if is_folder(encoder, CARD):
        built.require_same_vectors(plugin, Path(encoder))
        return Path(encoder)
    run = Path(encoder).parent
    if Path(encoder).name == ENCODER and (run / RUN).exists():
        raise MissingWeights(
            f"no encoder {encoder!r} for {plugin.name}: {run} has exported nothing",
            hint=f"`{suggest('train export', str(run))}` does, or says why it cannot",
        )
    hint = f"known names: {', '.join([*builds, *list_added(plugin)]) or 'none'}"
    if origins(plugin) and ADDED_NAME.fullmatch(encoder):
        hint += f"; {add_command(plugin, encoder)} makes one"
    raise MissingWeights(
        f"no encoder {encoder!r} for {plugin.name}: neither a folder nor a known name", hint=hint
    )


def pin_encoder(plugin: Modality[Any], encoder: str | None) -> str | None:
    """Return the form of an encoder that a gallery stores, so that it opens from any directory.

    A folder becomes its absolute path; another model, 'ORIGIN:MODEL', is added and becomes the
    name it was added under. Raises as `add_encoder` does.
    """
    if encoder is None or encoder in (*getattr(plugin, "encoders", {}), *list_added(plugin)):
        return encoder
    if is_folder(encoder, CARD):
        return str(real(Path(encoder)))
    if encoder.partition(":")[0] in origins(plugin):
        return add_encoder(plugin, encoder).name
    return encoder
