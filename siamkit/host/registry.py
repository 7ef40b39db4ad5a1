"""One door for every plugin, ours or a stranger's: package entry points, read by name."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, distributions, entry_points
from inspect import unwrap
from itertools import chain
from typing import Any, Literal, TypeAlias, get_args

from siamkit.errors import PluginError, SiamkitError
from siamkit.host import contract, surroundings
from siamkit.host.stdout_guard import Aside, plugin_at_work
from siamkit.io.sources import shorten

Group: TypeAlias = Literal["siamkit.modalities", "siamkit.regions", "siamkit.indexes"]
_importing = threading.RLock()  # one plugin at a time, so that each puts back what it found
_made: dict[Plugin, Any] = {}
log = logging.getLogger("siamkit")
GROUPS: tuple[Group, ...] = get_args(Group)
# What is nobody's fault, or is said as it is: Ctrl-C, a generator's end, errors of our own kinds.
PASSED = (SiamkitError, MemoryError, RecursionError, KeyboardInterrupt, GeneratorExit)
PATIENCE = 10.0  # seconds of an import before a line says which one it is
OWN_PACKAGE = "siamkit"  # the package whose plugins nobody can replace


@dataclass(frozen=True, slots=True)
class Plugin:
    """What package metadata says of one plugin. Nothing of it has been imported."""

    group: Group
    name: str
    value: str  # 'package.module:Class'
    package: str
    version: str

    def __str__(self) -> str:
        return f"plugin {self.name} ({self.value}, package {self.package} {self.version})"


@cache
def found(group: Group) -> tuple[Plugin, ...]:
    """Every installed plugin of a group, by name, as of the first call. Imports none of them.

    A name may occur twice, from two packages: siamkit's own is taken, and between two strangers
    `load` refuses to choose.
    """
    plugins = {_plugin(group, point) for point in _entry_points(group)}
    return tuple(sorted(plugins, key=lambda p: (p.name, p.package)))


def load(group: Group, name: str) -> Any:
    """Import one plugin and construct it, once a process. Raises PluginError."""
    plugin = find(group, name)
    if plugin not in _made:  # what is there waits for nobody's import
        with _importing:
            if plugin not in _made:
                _made[plugin] = _construct(plugin)
    return _made[plugin]


def require_sole(plugin: Plugin) -> None:
    """Raise PluginError for a plugin whose name another one has, unless it is siamkit's own."""
    if (taken := find(plugin.group, plugin.name)) != plugin:
        raise PluginError(
            f"{plugin} is left out: {taken} has that name", hint=f"pip uninstall {plugin.package}"
        )


def find(group: Group, name: str) -> Plugin:
    """The one plugin of a name, not imported. Raises PluginError if there is none, or several."""
    matching = [p for p in found(group) if p.name == name]
    if not matching:
        names = sorted({p.name for p in found(group)})
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(names) or 'none'}"
        raise PluginError(f"no plugin {name!r} in {group}", hint=hint)
    if len(own := [p for p in matching if p.package == OWN_PACKAGE]) == 1:
        return own[0]  # a stranger's of that name takes nothing away
    if len(matching) > 1:
        raise PluginError(
            f"two plugins of {group} are called {name!r}: {matching[0]} and {matching[1]}",
            hint=f"`pip uninstall` one of {matching[0].package}, {matching[1].package}",
        )
    return matching[0]


def who(made: Any) -> str:
    """A constructed plugin, or a part of one, for people: with its package, if it is installed."""
    kind = type(made := unwrap(made))
    name = getattr(made, "name", "?")
    installed = [plugin for group in GROUPS for plugin in found(group)]
    for plugin in installed:
        if plugin.name == name and plugin.value.rpartition(":")[2] == kind.__qualname__:
            return str(plugin)
    top = kind.__module__.partition(".")[0]
    beside = [p for p in installed if p.value.partition(":")[0].partition(".")[0] == top]
    package = f", package {beside[0].package} {beside[0].version}" if beside else ""
    return f"plugin {name} ({kind.__module__}:{kind.__qualname__}{package})"


@contextmanager
def at_work(plugin: Any, step: str) -> Iterator[None]:
    """Run a plugin's code: what it prints is no answer, and what it did not mean to raise names it.

    Raises PluginError in place of that; errors of siamkit's own kinds pass.
    """
    try:
        with plugin_at_work():
            yield
    except PASSED:
        raise
    except BaseException as error:
        raise PluginError(
            f"{who(plugin)}: {step} failed: {type(error).__name__}: {shorten(str(error))}"
        ) from error


def _construct(plugin: Plugin) -> Any:
    if not EntryPoint.pattern.match(plugin.value):
        raise PluginError(
            f"{plugin} could not be loaded: its entry point should be MODULE:CLASS",
            hint=f"reinstall or remove the package {plugin.package}",
        )
    try:
        with _watched(plugin), _timed(plugin):
            made = EntryPoint(plugin.name, plugin.value, plugin.group).load()()
            fault = contract.plugin_fault(made, plugin.group, plugin.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module that calls sys.exit ends nothing but itself
        raise PluginError(
            f"{plugin} could not be loaded: {type(error).__name__}: {shorten(str(error))}",
            hint=f"reinstall or remove the package {plugin.package}",
        ) from error
    if fault:
        upgrade = f"pip install --upgrade siamkit {plugin.package}"
        raise PluginError(f"{plugin} {fault}", hint=upgrade)
    return made


class _Overheard(Aside):
    """Standard output, without what one thread writes to it until it is let go, which is kept.

    A module may keep it, and write to it ever after.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.said = ""
        self.thread: int | None = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() != self.thread:
            return int(self.stream.write(text))
        self.said += text
        return len(text)

    def _open(self) -> Any:
        return sys.stderr if threading.get_ident() == self.thread else self.stream


@contextmanager
def _watched(plugin: Plugin) -> Iterator[None]:
    """Keep what an import prints out of the answers, and undo what it does to the process.

    A line is logged of either.
    """
    overheard, before = _Overheard(sys.stdout), surroundings.state()
    try:
        with redirect_stdout(overheard), plugin_at_work():
            yield
    finally:
        overheard.thread = None
        moved = surroundings.put_back(before)
    for change in moved:
        log.warning(f"{plugin} changes {change} when it is imported; that is undone")
    if overheard.said.strip():
        log.warning(f"{plugin} prints when it is imported; that is left out")


@contextmanager
def _timed(plugin: Plugin) -> Iterator[None]:
    """Say which plugin it is that one waits for, if its import takes long."""
    late = f"{plugin}: importing it takes longer than {PATIENCE:g} s; Ctrl-C ends the wait"
    timer = threading.Timer(PATIENCE, log.warning, [late])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # or it would count as a thread of the plugin's


def _entry_points(group: Group) -> Iterable[EntryPoint]:
    try:
        return entry_points(group=group)
    except Exception:  # one package's list cannot be read, which must not cost the others theirs
        return [point for point in _one_by_one() if point.group == group]


@cache
def _one_by_one() -> list[EntryPoint]:
    """Those of every package whose list can be read; a line is logged of each other."""
    points: dict[str, Iterable[EntryPoint]] = {}
    for package in distributions():
        try:
            points.setdefault(package.name, package.entry_points)
        except Exception as error:  # importlib's parser raises what comes of it
            log.warning(
                f"left out: package {package.name}: its entry_points.txt cannot be read:"
                f" {type(error).__name__}: {shorten(str(error))}"
            )
    return [*chain.from_iterable(points.values())]


def _plugin(group: Group, point: EntryPoint) -> Plugin:
    facts: Any = point.dist.metadata if point.dist else {}  # or what an uninstall has left of it
    package, version = facts.get("Name", "?"), facts.get("Version", "?")
    return Plugin(group, point.name, point.value, package, version)
