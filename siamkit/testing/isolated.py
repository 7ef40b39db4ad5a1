"""The kit on an installed plugin in a process of its own, which the plugin may end or block.

That process runs `main`: the checks from a number on, and says of each, a JSON line, when it begins
and what came of it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

from siamkit import registry
from siamkit.testing.apart import SECONDS, end, end_with_parent, process
from siamkit.testing.outcome import Result

if TYPE_CHECKING:
    from siamkit.registry import Plugin

PATIENCE = SECONDS + 60  # for a check, which may wait for a process of its own
SCRIPT = "import sys; from siamkit.testing.isolated import main; main(*sys.argv[1:])"


def results_apart(plugin: Plugin) -> Iterator[Result]:
    """All checks; one that ends or blocks the process has failed, and the rest go on."""
    begun, running = 0, "loads"
    while True:
        count = begun
        for told in _told(plugin, begun):
            if "state" in told:
                yield Result(**told)
            elif "check" in told:
                running, begun = told["check"], begun + 1
            elif "done" in told:
                return
            else:
                got = told["ended"]
        wanted = f"wanted an answer; got {got}; fix: raise an error instead"
        yield Result(str(plugin), running, "failed", wanted)  # or what came of it soon after
        if begun == count:  # it does not get as far as a check
            return


def _told(plugin: Plugin, first: int) -> Iterator[dict[str, Any]]:
    """What the process says, and, where that is not "done", how it ended."""
    command = [sys.executable, "-c", SCRIPT, plugin.group, plugin.name, str(first)]
    with process(command, stdout=subprocess.PIPE) as running:

        def watch() -> None:
            running.wait()
            end(running)  # what it has started would keep the pipe open

        Thread(target=watch, daemon=True).start()
        ended = ""

        def give_up() -> None:
            nonlocal ended
            ended = f"nothing within {PATIENCE:.0f} s"
            end(running)

        while line := _line(running, give_up):
            yield json.loads(line)
        code = running.wait()
    yield {"ended": ended or f"the end of the process, code {code}"}


def _line(running: subprocess.Popen[str], give_up: Callable[[], None]) -> str:
    """What it says next; '' at its end, which `give_up` brings about where it takes too long."""
    assert running.stdout is not None
    patience = Timer(PATIENCE, give_up)
    patience.daemon = True
    patience.start()
    try:
        return running.stdout.readline()
    finally:
        patience.cancel()


def main(group: Any, name: str, first: str) -> None:
    from siamkit.testing.running import checks_of, run, title
    from siamkit.testing.subjects import SUBJECTS

    end_with_parent()
    logging.basicConfig(format="siamkit: %(message)s")
    try:
        with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
            os.dup2(2, 1)  # what a plugin prints is no answer
            seen = SUBJECTS[group](registry.load(group, name))
            for check in checks_of(seen)[int(first) :]:
                print(json.dumps({"check": title(check)}), file=answers, flush=True)
                print(json.dumps(asdict(run(check, seen))), file=answers, flush=True)
            print(json.dumps({"done": True}), file=answers, flush=True)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(0)  # a plugin's thread must not keep this process
