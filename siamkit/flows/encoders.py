"""Encoder folders of the installed modalities: list, build, add and locate them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from siamkit.errors import MissingWeights, PluginError
from siamkit.host import registry
from siamkit.models import added, built, cache, names, pick_modality
from siamkit.protocols import AddsEncoders, BuildsEncoders, Modality


@dataclass(frozen=True, slots=True)
class EncoderState:
    """A named encoder of a modality, and the state of its folder in the user's cache.

    Examples:
        >>> "faces" in {encoder.modality for encoder in ws.encoders()}
        True
    """

    modality: str
    name: str
    state: Literal["built", "damaged", "absent"]
    fingerprint: str | None  # None, like the licence, unless it is built
    licence: str | None
    weights: str | None  # where the weights come from
    path: Path  # of the folder, whether or not it exists yet


def list_encoders() -> list[EncoderState]:
    """List every encoder that the installed modalities name, and every one that was added.

    Modalities that fail to import are left out, with a line in the log.

    Examples:
        >>> "questions" in {encoder.modality for encoder in ws.encoders()}
        True
    """
    return [
        _state(plugin, name)
        for plugin in _makers()
        for name in [*_own_names(plugin), *added.list_added(plugin)]
    ]


def build_encoders(modality: str | None = None, name: str | None = None) -> list[EncoderState]:
    """Build the encoders of all modalities, of one, or one by name, where they are not built yet.

    Raises PluginError for a modality that builds none, MissingWeights for an unknown name.

    Examples:
        >>> ws.build_encoders("questions")  # doctest: +SKIP
    """
    states = []
    for plugin in [_maker(modality)] if modality else _makers():
        if name:
            _require_own(plugin, name)
        for own_name in [name] if name else _own_names(plugin):
            folder = built.ensure_built(plugin, own_name)
            if not cache.is_usable(cache.encoder_shelf(plugin), folder):
                built.build_encoder(plugin, own_name)
            states.append(_state(plugin, own_name))
    return states


def add_encoder(
    modality: str | None, model: str, *, name: str | None = None, kind: str | None = None
) -> EncoderState:
    """Export another model, 'ORIGIN:MODEL', into an encoder folder, and keep it under a name.

    modality: None picks the only one whose samples are of `kind` and which takes that origin.
    name: None takes the model's own. Needs torch.
    Raises BadInput for a modality, origin or name that cannot be used, MissingWeights if the model
    is not here and cannot be fetched.

    Examples:
        >>> folder = ws.add_encoder("images", "timm:resnet50")  # doctest: +SKIP
    """
    plugin = _modality(modality or pick_modality.for_encoder(model, kind))
    return _state(plugin, added.add_encoder(plugin, model, name).name)


def encoder_path(modality: str, name: str | None = None) -> Path:
    """Locate an encoder folder, named after its encoder; build it first if it is absent.

    name: None takes the modality's default.
    Raises PluginError for a modality that builds none, MissingWeights for an unknown name.

    Examples:
        >>> ws.encoder_path("questions")  # doctest: +SKIP
    """
    plugin = _maker(modality)
    choices = [*_own_names(plugin), *added.list_added(plugin)]
    if not name and getattr(plugin, "ships_default", False):
        hint = f"the others are: {', '.join(choices)}"
        raise MissingWeights(f"{plugin.name} carry their default encoder with them", hint=hint)
    name = name or next(iter(choices), "")
    if name not in choices:
        _require_own(plugin, name)
    names.resolve(plugin, name)
    return cache.cached_folder(plugin, name)


def _modality(name: str) -> Modality[Any]:
    plugin: Modality[Any] = registry.load("siamkit.modalities", name)
    return plugin


def _maker(modality: str) -> Modality[Any]:
    plugin = _modality(modality)
    if not isinstance(plugin, BuildsEncoders | AddsEncoders):
        raise PluginError(f"{modality} carries its own weights: there is nothing to build")
    return plugin


def _makers() -> list[Modality[Any]]:
    modalities = registry.load_modalities()
    return [plugin for plugin in modalities if isinstance(plugin, BuildsEncoders | AddsEncoders)]


def _own_names(plugin: Modality[Any]) -> Mapping[str, str]:
    """Map the names of the encoders that a plugin builds to the origin of their weights."""
    return plugin.encoders if isinstance(plugin, BuildsEncoders) else {}


def _require_own(plugin: Modality[Any], name: str) -> None:
    own_names = _own_names(plugin)
    if name not in own_names:
        hint = f"known: {', '.join(own_names) or 'none'}"
        if cache.cached_folder(plugin, name).exists():
            hint = f"{added.add_command(plugin, name)} adds it again; {hint}"
        raise MissingWeights(f"{plugin.name} has no encoder {name!r} to build", hint=hint)


def _state(plugin: Modality[Any], name: str) -> EncoderState:
    folder = cache.cached_folder(plugin, name)
    card = cache.usable_card(cache.encoder_shelf(plugin), name)
    return EncoderState(
        modality=plugin.name,
        name=name,
        state="built" if card else "damaged" if folder.exists() else "absent",
        fingerprint=card.fingerprint if card else None,
        licence=card.licence if card else None,
        weights=_own_names(plugin).get(name) or (card.source if card else None),
        path=folder,
    )
