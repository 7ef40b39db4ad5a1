"""The kit on an installed plugin in a process of its own, which the plugin may end or block.

That process runs `main`: the checks from a number on, and says of each, a JSON line, when it begins
and what came of it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from siamkit.host import registry
from siamkit.host.child import GRACE, end_with_parent, lines, process
from siamkit.testing.apart import SECONDS
from siamkit.testing.outcome import Result

if TYPE_CHECKING:
    from siamkit.host.registry import Plugin

PATIENCE = SECONDS + 60  # for a check, which may wait for a process of its own


def results_apart(plugin: Plugin) -> Iterator[Result]:
    """All checks; one that ends or blocks the process has failed, and the rest go on."""
    begun, running = 0, "loads"
    failed: list[str] = []
    while True:
        count = begun
        for told in _told(plugin, begun, failed):
            if "state" in told:
                yield (result := Result(**told))
                if result.state == "failed":
                    failed.append(result.check)
            elif "check" in told:
                running, begun = told["check"], begun + 1
            elif "done" in told:
                return
            else:
                got = told["ended"]
        wanted = f"wanted an answer; got {got}; fix: raise an error instead"
        yield Result(str(plugin), running, "failed", wanted)  # or what came of it soon after
        failed.append(running)
        if begun == count:  # it does not get as far as a check
            return


def _told(plugin: Plugin, first: int, failed: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the process says of the checks from `first` on, and, if it is not done, how it ended."""
    asked = [plugin.group, plugin.name, str(first), *failed]
    with process(__name__, asked, stdout=subprocess.PIPE, stderr=None) as running:
        try:
            for line in lines(running, PATIENCE):
                yield json.loads(line)
            ended = f"the end of the process, code {running.wait(GRACE)}"
        except (TimeoutError, subprocess.TimeoutExpired) as silence:
            ended = str(silence)
    yield {"ended": ended}


def main(group: Any, name: str, first: str, *failed: str) -> None:
    from siamkit.testing.run import run, title
    from siamkit.testing.running import checks_of
    from siamkit.testing.subjects import SUBJECTS

    end_with_parent()
    logging.basicConfig(format="siamkit: %(message)s")
    try:
        with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
            os.dup2(2, 1)  # what a plugin prints is no answer
            seen = SUBJECTS[group](registry.load(group, name))
            seen.results |= {check: Result(seen.label, check, "failed") for check in failed}
            for check in checks_of(seen)[int(first) :]:
                print(json.dumps({"check": title(check)}), file=answers, flush=True)
                print(json.dumps(asdict(run(check, seen))), file=answers, flush=True)
            print(json.dumps({"done": True}), file=answers, flush=True)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(0)  # a plugin's thread must not keep this process
