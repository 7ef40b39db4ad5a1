"""The kit for an installed plugin, by name."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from siamkit.errors import PluginError
from siamkit.host import import_check, registry
from siamkit.testing.isolated import results_apart
from siamkit.testing.outcome import Result


def check_installed(name: str) -> Iterator[tuple[str, Result]]:
    """(entry point group, result) of every check of every plugin of that name.

    One that cannot be loaded fails the check `loads`, and one that ends the process, or does not
    come back, the check that was running. Raises PluginError if there is none.
    """
    installed = [plugin for group in registry.GROUPS for plugin in registry.found(group)]
    named = [plugin for plugin in installed if plugin.name == name]
    if not named:
        known = sorted({plugin.name for plugin in installed})
        near = get_close_matches(name, known, n=1)
        raise PluginError(
            f"no plugin {name!r} is installed",
            hint=f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(known)}",
        )
    for plugin in named:
        probe = import_check.probe(plugin)  # it might end this process, or pretend to be in order
        if not probe.usable:
            yield plugin.group, Result(str(plugin), "loads", "failed", probe.fault)
            continue
        yield plugin.group, Result(str(plugin), "loads", "ok")
        for result in results_apart(plugin):
            yield plugin.group, result
