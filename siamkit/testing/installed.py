"""Run the kit on an installed plugin, by name."""

from __future__ import annotations

from collections.abc import Iterator

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.testing.checks import results
from siamkit.testing.outcome import Result
from siamkit.testing.subjects import SUBJECTS


def check_installed(name: str) -> Iterator[tuple[str, Result]]:
    """Yield (entry point group, result) for every check of every plugin of that name.

    One that cannot be loaded fails the check `loads`. Raises PluginError if there is none.
    """
    plugins = registry.all_installed()
    matching = [plugin for plugin in plugins if plugin.name == name]
    if not matching:
        hint = registry.suggest(name, [plugin.name for plugin in plugins])
        raise PluginError(f"no plugin {name!r} is installed", hint=hint)
    for plugin in matching:
        try:
            loaded = registry.load(plugin.group, plugin.name)
        except PluginError as error:
            yield plugin.group, Result(str(plugin), "loads", "failed", str(error))
            continue
        yield plugin.group, Result(str(plugin), "loads", "ok")
        for result in results(SUBJECTS[plugin.group](loaded)):
            yield plugin.group, result
