"""Open a detector by name: a region plugin, a detector in the cache, or a detector folder."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.host import registry
from siamkit.io import foreign
from siamkit.io.places import expand, real
from siamkit.models import built
from siamkit.models.added import ADDED_NAME, install_added, require_name
from siamkit.models.cache import detector_shelf, is_folder, read_provenance
from siamkit.protocols import AddsDetectors, BuildsDetectors, Detector, OpensFolders
from siamkit.sdk.detector_folder import CARD, read_card

log = logging.getLogger("siamkit")
RESERVED = ("default", "none")  # words that `--detector` takes in place of a name


def open_detector(name: str) -> Detector[Any]:
    """Open a detector: a region plugin's, else one in the cache, else a detector folder's.

    One that a plugin builds is built first where it is absent, outdated or damaged, and a line is
    logged. Raises PluginError for an unknown name, MissingWeights if a folder is damaged.
    """
    if is_plugin(name):
        return registry.load("siamkit.regions", name)
    if name in cached_names():
        return _open_cached(name)
    if is_folder(name, CARD):
        return _open_folder(Path(name))
    if (maker := maker_of(name)) is not None:
        return _open(maker, built.ensure_detector_built(maker, name))
    raise PluginError(
        f"no detector {name!r}: neither a region plugin, nor added, nor a detector folder",
        hint=f"{registry.suggest(name, known_names())}; {add_command(name)} adds another",
    )


def detector_path(name: str) -> Path:
    """Return the folder of a detector in the cache, built first if a plugin builds it.

    Raises MissingWeights for any other name.
    """
    if (maker := maker_of(name)) is not None:
        return built.ensure_detector_built(maker, name)
    if name in cached_names():
        return cached_folder(name)
    if is_plugin(name):
        raise MissingWeights(
            f"detector {name!r} has no folder in the cache: its plugin carries its own weights",
            hint=f"`--detector {name}` takes it as it is",
        )
    raise MissingWeights(
        f"detector {name!r} has no folder in the cache: it was not added",
        hint=f"known: {', '.join(cached_names()) or 'none'}; {add_command(name)} adds another",
    )


def add_detector(name: str, spec: str, labels: Path | None = None) -> Path:
    """Make a detector folder of another model, 'ORIGIN:MODEL', and keep it under a name.

    labels: a file with the names of its classes. Raises BadInput for an origin or a name that
    cannot be used, MissingWeights if the model cannot be obtained.
    """
    origin, _, model = spec.partition(":")
    plugin = next((p for p in registry.load_regions() if origin in origins_of(p)), None)
    if plugin is None or not model:
        choices = [f"{prefix}:NAME is {text}" for prefix, text in all_origins().items()]
        raise BadInput(
            f"no plugin makes a detector of {spec!r}",
            hint="; ".join(choices) or "no installed plugin takes other models",
        )
    _require_free_name(name, spec)
    model, sources = _pin_files(model)
    spec = f"{origin}:{model}"

    if labels is not None:
        with foreign.open_file(labels):  # before the model is fetched
            sources.append(labels)

    def write(ready: Path) -> None:
        assert isinstance(plugin, AddsDetectors)
        plugin.add(origin, model, ready, labels=labels)

    return install_added(
        detector_shelf(plugin),
        name,
        spec,
        write,
        sources=sources,
        hint=add_command("another", spec),
    )


def _pin_files(model: str) -> tuple[str, list[Path]]:
    """Return a model whose path means the same from anywhere, and the path, if it has one.

    It is the whole model, or follows an @: NETWORK@WEIGHTS.pth.
    """
    network, separator, weights = model.rpartition("@")
    for prefix, path in (("", model), (network + separator, weights)):
        if path and (source := expand(Path(path))).exists():
            return f"{prefix}{real(source)}", [source]
    return model, []


def add_command(name: str, spec: str = "") -> str:
    """Return the command that adds a detector, from its model if that is recorded."""
    spec = spec or read_provenance(cached_folder(name)).partition(", content ")[0]
    if spec.partition(":")[0] not in all_origins():
        spec = "ORIGIN:MODEL"
    name = name if ADDED_NAME.fullmatch(name) else "NAME"
    return f"`siamkit detectors add {name} {shlex.quote(spec)}`"


def cached_folder(name: str) -> Path:
    """Return the folder of a named detector in the cache; it need not exist yet."""
    return detector_shelf(None).folder(name)


def cached_names() -> list[str]:
    """Return the names of the detectors in the cache, usable or not."""
    return detector_shelf(None).names()


def known_names() -> list[str]:
    """Return every name that `open_detector` takes: plugins', built and added ones."""
    plugins = [plugin.name for plugin in registry.installed("siamkit.regions")]
    built = [name for plugin in registry.load_regions() for name in builds_of(plugin)]
    return list(dict.fromkeys([*plugins, *built, *cached_names()]))


def pin_detector(name: str | None) -> str | None:
    """Return the form of a detector that a gallery stores, so that it opens from any directory."""
    if name is None or is_plugin(name) or name in cached_names() or not is_folder(name, CARD):
        return name
    return str(real(Path(name)))


def is_plugin(name: str) -> bool:
    """True for the name of a region plugin."""
    return any(plugin.name == name for plugin in registry.installed("siamkit.regions"))


def builds_of(plugin: object) -> Mapping[str, str]:
    """Map the names of the detectors that a plugin builds to the origin of their weights."""
    return plugin.detectors if isinstance(plugin, BuildsDetectors) else {}


def origins_of(plugin: object) -> Mapping[str, str]:
    """Return prefix -> description of the origins that a plugin takes models from."""
    return plugin.origins if isinstance(plugin, AddsDetectors) else {}


def all_origins() -> dict[str, str]:
    """Return prefix -> description of every plugin's origins."""
    return {o: text for p in registry.load_regions() for o, text in origins_of(p).items()}


def maker_of(name: str) -> Detector[Any] | None:
    """Return the plugin that builds a detector of that name, if any does."""
    return next((p for p in registry.load_regions() if name in builds_of(p)), None)


def opener_of(folder: Path) -> OpensFolders:
    """Return the plugin on a detector folder's card.

    Raises MissingWeights without a card, PluginError if the plugin is absent or opens no folders.
    """
    name = read_card(folder).plugin
    try:
        plugin = registry.load("siamkit.regions", name)
    except PluginError as error:
        message = f"detector folder {folder} needs the plugin {name!r}: {error}"
        raise PluginError(message, hint=error.hint) from error
    if not isinstance(plugin, OpensFolders):
        raise PluginError(f"{registry.describe(plugin)} opens no detector folders")
    return plugin


def _open_cached(name: str) -> Detector[Any]:
    """Open a detector in the cache; rebuild it if it is damaged and a plugin builds it."""
    try:
        plugin = opener_of(cached_folder(name))
        if name in builds_of(plugin):
            return _open(plugin, built.ensure_detector_built(plugin, name))
        return _open(plugin, cached_folder(name))
    except MissingWeights as error:
        if (maker := maker_of(name)) is None:
            hint = f"{add_command(name)} makes it again"
            raise MissingWeights(str(error), hint=hint) from error
        log.warning(f"{error}; rebuilding it")
        return _open(maker, built.build_detector(maker, name))


def _open_folder(folder: Path) -> Detector[Any]:
    return _open(opener_of(folder), folder)


def _open(plugin: object, folder: Path) -> Detector[Any]:
    detector: Detector[Any] = detector_shelf(plugin).open(folder)
    return detector


def _require_free_name(name: str, spec: str) -> None:
    """Raise BadInput for a name that a plugin has, or that is not allowed."""
    hint = add_command("another", spec)
    if is_plugin(name) or maker_of(name) is not None or name in RESERVED:
        raise BadInput(f"{name!r} is taken: it means a detector already", hint=hint)
    require_name(name, "a detector", hint)
