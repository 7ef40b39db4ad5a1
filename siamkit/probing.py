"""Try a plugin's import in a process of its own: whatever it does there, it does not do here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from siamkit import __version__
from siamkit.encoder_cache import cache_root
from siamkit.registry import GROUPS, Plugin, found

SECONDS = 60.0  # a plugin that takes longer to import is reported as failing
MEMORY = "plugins.json"  # in the cache: which plugins were found sound, in which state
WORKS = 3  # exit code of a plugin that can be used, and yet does what it should not
_SCRIPT = f"""
import logging, sys, threading
from siamkit import registry
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("siamkit").addHandler(handler)
try:
    registry.load(sys.argv[1], sys.argv[2])
except registry.PluginError as error:
    print(error, file=sys.stderr, flush=True)
    sys.exit(1)
plugin = registry.find(sys.argv[1], sys.argv[2])
if left := [t.name for t in threading.enumerate() if t is not threading.main_thread()]:
    said.append(f"{{plugin}} starts threads when it is imported: {{', '.join(left)}}")
if said:
    import os
    print("; ".join(said), file=sys.stderr, flush=True)
    os._exit({WORKS})  # its threads are not waited for
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of an import."""

    fault: str = ""  # '' if all is well, else one line
    usable: bool = True  # it can be loaded, whatever else it does


def probe(plugin: Plugin) -> Probe:
    """Import and construct a plugin in another process."""
    command = [sys.executable, "-c", _SCRIPT, plugin.group, plugin.name]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return Probe(f"{plugin}: importing it takes longer than {SECONDS:.0f} s", usable=False)
    if run.returncode == 0:
        return Probe()
    lines = run.stderr.strip().splitlines()
    ended = f"{plugin}: importing it ended the process with code {run.returncode}"
    known = lines and run.returncode in (1, WORKS)
    return Probe(lines[-1] if known else ended, usable=run.returncode == WORKS)


def probe_all(*, anew: bool = False) -> list[tuple[Plugin, Probe]]:
    """Every installed plugin, and what came of its import. Imports none of them here.

    What was sound is believed until a file of the plugin, or what is installed beside it,
    changes; `anew` tries all of them again.
    """
    plugins = [plugin for group in GROUPS for plugin in found(group)]
    states = _states(plugins)
    sound = {} if anew else _remembered()
    doubtful = [p for p in plugins if sound.get(_key(p)) != states[_key(p)] or _twice(p, plugins)]
    with ThreadPoolExecutor() as pool:
        probes = dict(zip(doubtful, pool.map(probe, doubtful), strict=True))
    if doubtful:
        good = [p for p in plugins if not probes.get(p, Probe()).fault]
        _remember({_key(p): states[_key(p)] for p in good})
    return [(plugin, probes.get(plugin, Probe())) for plugin in plugins]


def _key(plugin: Plugin) -> str:
    return f"{plugin.group} {plugin.name} {plugin.value} {plugin.package} {plugin.version}"


def _twice(plugin: Plugin, plugins: Iterable[Plugin]) -> bool:
    return sum((p.group, p.name) == (plugin.group, plugin.name) for p in plugins) > 1


def _states(plugins: Iterable[Plugin]) -> dict[str, str]:
    """What an import depends on, of each plugin: its files, and what else is installed."""
    here = ("", os.getcwd())  # on the path of `python -m`, and another one every time
    beside = [f"{sys.version} {__version__}", *(_installed(e) for e in sys.path if e not in here)]
    return {_key(p): json.dumps([*beside, *_files(p)]) for p in plugins}


def _installed(entry: str) -> str:
    """An entry of the path; where packages are installed, with the time of the last change."""
    if Path(entry).name not in ("site-packages", "dist-packages"):
        return entry
    try:
        return f"{entry} {os.stat(entry).st_mtime_ns}"
    except OSError:
        return entry


def _files(plugin: Plugin) -> list[str]:
    """Name, size and time of change of the plugin's source files. Imports nothing."""
    top = plugin.value.partition(":")[0].partition(".")[0].strip()
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return ["not to be found"]
    if spec is None or spec.origin is None:
        return ["not to be found"]
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    try:
        return [f"{f} {(s := f.stat()).st_size} {s.st_mtime_ns}" for f in files]
    except OSError:
        return ["changing"]


def _remembered() -> dict[str, str]:
    try:
        kept = json.loads((cache_root() / MEMORY).read_text(encoding="utf-8"))
        return kept if isinstance(kept, dict) else {}
    except (OSError, ValueError):
        return {}


def _remember(sound: dict[str, str]) -> None:
    path = cache_root() / MEMORY
    aside = path.with_name(f".{MEMORY}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(sound), encoding="utf-8")
        os.replace(aside, path)
    except OSError:
        pass  # the next listing takes as long as this one
