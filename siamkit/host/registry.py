"""Find plugins by name through package entry points, and load the one that is needed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from inspect import unwrap
from typing import Any, Literal, TypeAlias, get_args, overload

from siamkit.errors import PluginError, SiamkitError
from siamkit.host.stdout_guard import divert_prints
from siamkit.io.sources import shorten
from siamkit.protocols import Detector, IndexBackend, Modality
from siamkit.sdk import forks

Group: TypeAlias = Literal["siamkit.modalities", "siamkit.regions", "siamkit.indexes"]
GROUPS: tuple[Group, ...] = get_args(Group)
log = logging.getLogger("siamkit")
_loaded: dict[Plugin, Any] = {}
_loading = forks.Lock()  # nests: a plugin may load another one, its detector say


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin's package metadata. Reading it imports nothing of the plugin."""

    group: Group
    name: str
    value: str  # 'package.module:Class'
    package: str
    version: str

    def __str__(self) -> str:
        return f"plugin {self.name} ({self.value}, package {self.package} {self.version})"


@cache
def all_installed() -> tuple[Plugin, ...]:
    """Every installed plugin, by group and name, as of the first call. Imports none of them."""
    points = entry_points()  # reads the metadata of every installed package
    plugins = {_plugin(group, point) for group in GROUPS for point in points.select(group=group)}
    return tuple(sorted(plugins, key=lambda p: (GROUPS.index(p.group), p.name, p.package)))


def installed(group: Group) -> list[Plugin]:
    """The installed plugins of a group, by name.

    Two packages may bring the same name; `find` then refuses to choose.
    """
    return [plugin for plugin in all_installed() if plugin.group == group]


def find(group: Group, name: str) -> Plugin:
    """The plugin of that name, not imported. Raises PluginError if there is none, or several."""
    plugins = installed(group)
    matching = [plugin for plugin in plugins if plugin.name == name]
    if not matching:
        raise PluginError(
            f"no plugin {name!r} in {group}", hint=suggest(name, [p.name for p in plugins])
        )
    if len(matching) > 1:
        raise PluginError(
            f"two plugins of {group} are called {name!r}: {matching[0]} and {matching[1]}",
            hint=f"`pip uninstall` one of {matching[0].package}, {matching[1].package}",
        )
    return matching[0]


def suggest(name: str, names: list[str]) -> str:
    """A hint for an unknown plugin name: the nearest of the installed names, or all of them."""
    if near := get_close_matches(str(name), names, n=1):
        return f"did you mean {near[0]!r}?"
    return f"installed: {', '.join(sorted(set(names))) or 'none'}"


@overload
def load(group: Literal["siamkit.modalities"], name: str) -> Modality[Any]: ...
@overload
def load(group: Literal["siamkit.regions"], name: str) -> Detector[Any]: ...
@overload
def load(group: Literal["siamkit.indexes"], name: str) -> IndexBackend: ...
def load(group: Group, name: str) -> Any:
    """Import a plugin and construct it, once per process. Raises PluginError."""
    plugin = find(group, name)
    if plugin not in _loaded:
        with _loading.held:
            if plugin not in _loaded:
                _loaded[plugin] = _construct(plugin)
    return _loaded[plugin]


def load_modalities() -> list[Modality[Any]]:
    """Load every modality; log one line for each that cannot be loaded."""
    return _load_all("siamkit.modalities")


def load_regions() -> list[Detector[Any]]:
    """Load every region plugin; log one line for each that cannot be loaded."""
    return _load_all("siamkit.regions")


def _load_all(group: Group) -> list[Any]:
    plugins = []
    for name in dict.fromkeys(plugin.name for plugin in installed(group)):
        try:
            plugins.append(load(group, name))
        except PluginError as error:
            log.warning(f"left out: {error}")
    return plugins


def describe(plugin: object) -> str:
    """Return a plugin's name and package, for messages; a part of a plugin has no package."""
    plugin = unwrap(plugin)  # type: ignore[arg-type]
    if entry := entry_of(plugin):
        return str(entry)
    kind, name = type(plugin), getattr(plugin, "name", "?")
    top = kind.__module__.partition(".")[0]
    neighbours = [
        entry for entry in all_installed() if entry.value.partition(":")[0].partition(".")[0] == top
    ]
    package = f", package {neighbours[0].package} {neighbours[0].version}" if neighbours else ""
    return f"plugin {name} ({kind.__module__}:{kind.__qualname__}{package})"


def entry_of(plugin: object) -> Plugin | None:
    """Return the metadata of a plugin; None for a class that is not installed."""
    name, kind = getattr(plugin, "name", None), type(plugin).__qualname__
    entries = (e for e in all_installed() if e.name == name and e.value.endswith(f":{kind}"))
    return next(entries, None)


@contextmanager
def calling(plugin: object, step: str) -> Iterator[None]:
    """Run a plugin's code: keep its prints off standard output, and name it in its errors.

    An exception of the plugin's becomes a PluginError. Errors of siamkit's own kinds, which a
    plugin raises on purpose, and MemoryError pass.
    """
    try:
        with divert_prints():
            yield
    except (SiamkitError, MemoryError):
        raise
    except Exception as error:
        raise PluginError(
            f"{describe(plugin)}: {step} failed: {type(error).__name__}: {shorten(str(error))}"
        ) from error


def _construct(plugin: Plugin) -> Any:
    from siamkit.host import contract  # not needed to list plugins

    try:
        with divert_prints():
            constructed = EntryPoint(plugin.name, plugin.value, plugin.group).load()()
            fault = contract.plugin_fault(constructed, plugin.group, plugin.name)
    except Exception as error:
        raise PluginError(
            f"{plugin} could not be loaded: {type(error).__name__}: {shorten(str(error))}",
            hint=f"reinstall or remove the package {plugin.package}",
        ) from error
    if fault:
        upgrade = f"`pip install --upgrade siamkit {plugin.package}`"
        outdated = contract.protocol_fault(constructed)
        raise PluginError(f"{plugin} {fault}", hint=upgrade if outdated else "")
    return constructed


def _plugin(group: Group, point: EntryPoint) -> Plugin:
    package, version = _package(point.dist) if point.dist else ("?", "?")
    return Plugin(group, point.name, point.value, package, version)


@cache
def _package(distribution: Distribution) -> tuple[str, str]:
    """Name and version of a package, parsed once for all of its plugins."""
    metadata: Any = distribution.metadata
    return metadata.get("Name", "?"), metadata.get("Version", "?")
