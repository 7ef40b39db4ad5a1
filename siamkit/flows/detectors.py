"""Detectors by name: list them, and build, add and locate the folders of those in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from siamkit.errors import MissingWeights
from siamkit.host import registry
from siamkit.models import built, cache, detectors
from siamkit.sdk.detector_folder import DetectorCard


@dataclass(frozen=True, slots=True)
class DetectorState:
    """A detector that can be named, and the state of its folder if it is one of the cache's.

    Examples:
        >>> "facefinder" in {detector.name for detector in ws.detectors()}
        True
    """

    name: str
    plugin: str | None  # the region plugin that runs it; None if its folder is damaged
    state: Literal["installed", "built", "damaged", "absent"]  # installed: needs no folder
    labels: tuple[str, ...]  # that its regions may have; () if they have none, or are not known
    fingerprint: str | None  # None, like the licence, unless there is a folder that is not damaged
    licence: str | None
    weights: str | None  # where the weights come from
    path: Path | None  # of the folder, whether or not it exists yet


def list_detectors() -> list[DetectorState]:
    """List every detector that can be named: installed plugins, what they build, what was added.

    Plugins that fail to import are left out, with a line in the log.

    Examples:
        >>> "facefinder" in {detector.name for detector in ws.detectors()}
        True
    """
    plugins = registry.load_regions()
    own = {name: plugin for plugin in plugins for name in detectors.builds_of(plugin)}
    added = [name for name in detectors.cached_names() if name not in own]
    return [
        *(_installed(plugin) for plugin in plugins),
        *(_state(name) for name in [*own, *added]),
    ]


def build_detectors(name: str | None = None) -> list[DetectorState]:
    """Build every detector that the installed plugins build, or one, where it is not built yet.

    Raises MissingWeights for a name that no plugin builds.

    Examples:
        >>> ws.build_detectors("segments")  # doctest: +SKIP
    """
    makers = {n: p for p in registry.load_regions() for n in detectors.builds_of(p)}
    if name is not None and name not in makers:
        hint = f"known: {', '.join(makers) or 'none'}"
        if name in detectors.cached_names():
            hint = f"{detectors.add_command(name)} adds it again; {hint}"
        raise MissingWeights(f"no plugin builds a detector {name!r}", hint=hint)
    states = []
    for own_name in [name] if name else makers:
        plugin = makers[own_name]
        folder = built.ensure_detector_built(plugin, own_name)
        if not cache.is_usable(cache.detector_shelf(plugin), folder):
            built.build_detector(plugin, own_name)
        states.append(_state(own_name))
    return states


def add_detector(name: str, model: str, *, labels: Path | None = None) -> DetectorState:
    """Export another model, 'ORIGIN:MODEL', into a detector folder, and keep it under a name.

    labels: a file with the names of its classes, for a model that does not hold them. Raises
    BadInput for an origin, name or model that cannot be used, MissingWeights if the model is not
    here and cannot be fetched.

    Examples:
        >>> path = ws.add_detector("onnx:yolo.onnx")  # doctest: +SKIP
    """
    detectors.add_detector(name, model, labels)
    return _state(name)


def detector_path(name: str) -> Path:
    """Locate the folder of a detector in the cache; build it first if a plugin builds it.

    Raises MissingWeights for any other name.

    Examples:
        >>> ws.detector_path("segments")  # doctest: +SKIP
    """
    return detectors.detector_path(name)


def _installed(plugin: Any) -> DetectorState:
    labels = tuple(getattr(plugin, "labels", ()))
    return DetectorState(plugin.name, plugin.name, "installed", labels, None, None, None, None)


def _state(name: str) -> DetectorState:
    folder = detectors.cached_folder(name)
    maker = detectors.maker_of(name)
    card = _usable_card(name)
    origin = detectors.builds_of(maker).get(name)
    return DetectorState(
        name=name,
        plugin=card.plugin if card else maker.name if maker else None,
        state="built" if card else "damaged" if folder.exists() else "absent",
        labels=card.labels if card else (),
        fingerprint=card.fingerprint if card else None,
        licence=card.licence if card else None,
        weights=origin or (card.source if card else None),
        path=folder,
    )


def _usable_card(name: str) -> DetectorCard | None:
    """Return the card of a detector whose folder opens; None if it does not."""
    try:
        shelf = cache.detector_shelf(detectors.opener_of(detectors.cached_folder(name)))
    except Exception:  # the card, or the plugin on it, is damaged or absent
        return None
    card = cache.usable_card(shelf, name)
    return card if isinstance(card, DetectorCard) else None
