"""Try a plugin's import in a process of its own: whatever it does there, it does not do here."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

from siamkit import __version__
from siamkit.errors import PluginError
from siamkit.host.child import process
from siamkit.host.registry import GROUPS, OWN_PACKAGE, Group, Plugin, found, load
from siamkit.io.atomic import replace_text
from siamkit.io.cache_root import cache_root

SECONDS = 20.0  # a plugin that takes longer to import is reported as failing
LOOK = 0.02  # seconds from one look at an import to the next
NEVER = Event()  # is never set
log = logging.getLogger("siamkit")
INSTALLED = (".dist-info", ".egg-info", ".egg-link", ".pth")
MEMORY = "plugins.json"  # in the cache: which plugins were found sound, in which state


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of an import."""

    fault: str = ""  # '' if all is well, else one line
    usable: bool = True  # it can be loaded, whatever else it does


def probe(plugin: Plugin, stop: Event = NEVER) -> Probe:
    """Import and construct a plugin in another process. stop: set, what takes long is given up."""
    with tempfile.TemporaryDirectory(prefix="siamkit-probe-") as folder:
        told = Path(folder) / "told.json"
        # No pipes: a process that the import starts might keep them open.
        with process("siamkit.host.import_trial", [str(told), *astuple(plugin)]) as running:
            late = time.monotonic() + SECONDS
            while (code := running.poll()) is None and time.monotonic() < late:
                if stop.wait(LOOK):
                    break
        try:
            return Probe(**json.loads(told.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            ended = f"{plugin}: importing it ended the process with code {code}"
            longer = f"{plugin}: importing it takes longer than {SECONDS:.0f} s"
            return Probe(longer if code is None else ended, usable=False)


def loadable(group: Group) -> list[Any]:
    """Every plugin of a group that can be used; a line is logged of each other.

    A stranger's is imported in a process of its own before, which it might end or block.
    """
    tried = _tried([plugin for plugin in found(group) if plugin.package != OWN_PACKAGE])
    made = []
    for plugin in found(group):
        try:
            if plugin in tried and not tried[plugin].usable:
                raise PluginError(tried[plugin].fault)
            made.append(load(group, plugin.name))
        except PluginError as error:
            log.warning(f"left out: {error}")
    return made


def probe_all(*, anew: bool = False) -> list[tuple[Plugin, Probe]]:
    """Every installed plugin, and what came of its import. Imports none of them here.

    What was sound is believed until a file of the plugin, or what is installed beside it,
    changes; `anew` tries all of them again.
    """
    plugins = [plugin for group in GROUPS for plugin in found(group)]
    tried = _tried(plugins, anew=anew)
    return [(plugin, tried[plugin]) for plugin in plugins]


def _tried(plugins: Sequence[Plugin], *, anew: bool = False) -> dict[Plugin, Probe]:
    if not plugins:
        return {}
    states, known = _states(plugins), _remembered()
    sound = {} if anew else known
    doubtful = [
        p
        for p in plugins
        if (state := states[_key(p)]) is None or sound.get(_key(p)) != state or _twice(p, plugins)
    ]
    stop = Event()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            probes = dict(zip(doubtful, pool.map(partial(probe, stop=stop), doubtful), strict=True))
        finally:
            stop.set()  # at Ctrl-C too
    if doubtful:
        good = {
            _key(p): state
            for p in plugins
            if (state := states[_key(p)]) and not probes.get(p, Probe()).fault
        }
        _remember({key: state for key, state in known.items() if key not in states} | good)
    return {plugin: probes.get(plugin, Probe()) for plugin in plugins}


def _key(plugin: Plugin) -> str:
    return f"{plugin.group} {plugin.name} {plugin.value} {plugin.package} {plugin.version}"


def _twice(plugin: Plugin, plugins: Iterable[Plugin]) -> bool:
    return sum((p.group, p.name) == (plugin.group, plugin.name) for p in plugins) > 1


def _states(plugins: Iterable[Plugin]) -> dict[str, str | None]:
    """What an import depends on, of each plugin: its files, and what else is installed.

    None: it cannot be told, so that nothing is believed.
    """
    here = {"", os.getcwd()}  # on the path of `python -m`, and another one every time
    beside = [sys.version, __version__, *(_installed(e) for e in sys.path if e not in here)]
    common = hashlib.sha256(json.dumps(beside).encode("utf-8", "surrogateescape"))
    states: dict[str, str | None] = {}
    for plugin in plugins:
        state, own = common.copy(), _files(plugin)
        state.update(json.dumps(own).encode())
        states[_key(plugin)] = state.hexdigest() if own else None
    return states


def _installed(entry: str) -> list[str]:
    """An entry of the path and what lies in it; of what says what is installed, since when."""
    try:
        beside = sorted(os.scandir(entry), key=lambda each: each.name)
        return [
            entry,
            *(
                f"{each.name} {each.stat().st_mtime_ns}"
                if each.name.endswith(INSTALLED)
                else each.name
                for each in beside
                if not each.name.startswith((".", "__pycache__"))
            ),
        ]
    except OSError:  # no folder
        return [entry]


def _files(plugin: Plugin) -> list[str] | None:
    """Name, size and time of change of the package's files; None: they cannot be told.

    Imports nothing.
    """
    top = plugin.value.partition(":")[0].partition(".")[0].strip()
    try:
        spec = find_spec(top)
        if spec is None:
            return None
        if folders := spec.submodule_search_locations:
            files = sorted(f for folder in folders for f in Path(folder).rglob("*"))
        else:
            files = [Path(spec.origin or "")]
        return [
            f"{f} {(s := f.stat()).st_size} {s.st_mtime_ns}"
            for f in files
            if "__pycache__" not in f.parts and not f.is_dir()
        ]
    except (ImportError, ValueError, AttributeError, OSError):
        return None


def _remembered() -> dict[str, str]:
    try:
        kept = json.loads((cache_root() / MEMORY).read_text(encoding="utf-8"))
        return kept if isinstance(kept, dict) else {}
    except (OSError, ValueError):
        return {}


def _remember(sound: dict[str, str]) -> None:
    path = cache_root() / MEMORY
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(sound))
    except OSError:
        pass  # the next listing takes as long as this one
