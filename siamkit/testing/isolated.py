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
from collections.abc import Iterator
from dataclasses import asdict
from threading import Timer
from typing import TYPE_CHECKING, Any

from siamkit import registry
from siamkit.testing.apart import SECONDS, surroundings
from siamkit.testing.outcome import Result

if TYPE_CHECKING:
    from siamkit.registry import Plugin

SCRIPT = "import sys; from siamkit.testing.isolated import main; main(*sys.argv[1:])"


def results_apart(plugin: Plugin) -> Iterator[Result]:
    """All checks; one that ends or blocks the process has failed, and the rest go on."""
    begun = 0
    while True:
        running, count = "", begun
        for told in _told(plugin, begun):
            if "state" in told:
                running = ""
                yield Result(**told)
            elif "check" in told:
                running, begun = told["check"], begun + 1
            elif told["code"] == 0:
                return
            else:
                got = told["ended"]
        wanted = f"wanted an answer; got {got}; fix: raise an error instead"
        yield Result(str(plugin), running or "loads", "failed", wanted)
        if begun == count:  # it does not get as far as a check
            return


def _told(plugin: Plugin, first: int) -> Iterator[dict[str, Any]]:
    """What the process says, and how it ended."""
    command = [sys.executable, "-c", SCRIPT, plugin.group, plugin.name, str(first)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=surroundings(),
    ) as process:
        assert process.stdout is not None
        try:
            while True:
                patience = Timer(SECONDS, process.kill)
                patience.daemon = True
                patience.start()
                line = process.stdout.readline()
                blocked = not patience.is_alive()
                patience.cancel()
                if not line:
                    break
                yield json.loads(line)
        except BaseException:  # nobody listens any more
            process.kill()
            raise
    code = process.returncode
    late = f"nothing within {SECONDS:.0f} s"
    yield {"code": code, "ended": late if blocked else f"the end of the process, code {code}"}


def main(group: Any, name: str, first: str) -> None:
    from siamkit.testing.running import checks_of, run, title
    from siamkit.testing.subjects import SUBJECTS

    logging.basicConfig(format="siamkit: %(message)s")
    try:
        with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
            os.dup2(2, 1)  # what a plugin prints is no answer
            seen = SUBJECTS[group](registry.load(group, name))
            for check in checks_of(seen)[int(first) :]:
                print(json.dumps({"check": title(check)}), file=answers, flush=True)
                print(json.dumps(asdict(run(check, seen))), file=answers, flush=True)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(0)  # a plugin's thread must not keep this process
