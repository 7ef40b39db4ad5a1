"""What runs in a process of siamkit.host.import_check: one plugin's import."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.host.child import end_with_parent
from siamkit.host.registry import Plugin


def main(out: str, *facts: Any) -> None:
    """Import a plugin, and write what is to be said of that."""
    end_with_parent()
    plugin, before, said = Plugin(*facts), set(threading.enumerate()), list[str]()

    def hear(record: logging.LogRecord) -> None:
        if str(plugin) in record.getMessage():
            said.append(record.getMessage())

    handler = logging.Handler()
    handler.emit = hear  # type: ignore[method-assign]
    logging.getLogger("siamkit").addHandler(handler)
    usable = True
    try:
        registry.require_sole(plugin)
        registry.load(plugin.group, plugin.name)
    except PluginError as error:
        said, usable = [str(error)], False
    if left := [t.name for t in threading.enumerate() if t not in before]:
        said.append(f"{plugin} starts threads when it is imported: {', '.join(left)}")
    told = {"fault": "; ".join(said), "usable": usable}
    Path(out).write_text(json.dumps(told), encoding="utf-8")
    os._exit(0)  # its threads are not waited for
