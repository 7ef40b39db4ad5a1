"""Try a plugin's import in a process of its own: whatever it does there, it does not do here."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from siamkit.registry import GROUPS, Plugin, found

SECONDS = 60.0  # a plugin that takes longer to import is reported as failing
_SCRIPT = """
import sys
from siamkit import registry
try:
    registry.load(sys.argv[1], sys.argv[2])
except registry.PluginError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


def probe(plugin: Plugin) -> str:
    """'' if a plugin imports and can be constructed, else one line of why not."""
    command = [sys.executable, "-c", _SCRIPT, plugin.group, plugin.name]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"importing it takes longer than {SECONDS:.0f} s"
    if run.returncode == 0:
        return ""
    lines = run.stderr.strip().splitlines()
    return lines[-1] if lines else f"importing it ended the process with code {run.returncode}"


def probe_all() -> list[tuple[Plugin, str]]:
    """Every installed plugin with its fault, '' for none. Imports none of them here."""
    plugins = [plugin for group in GROUPS for plugin in found(group)]
    with ThreadPoolExecutor() as pool:
        return list(zip(plugins, pool.map(probe, plugins), strict=True))
