"""A process that runs siamkit commands one after the other, so that it imports things once.

It runs Python programs, too: those of one folder share their names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PROGRAM = "-c"  # in place of a command: the text of a Python program follows


class Console:
    """Runs `siamkit …` in a process with an environment of its own. `close` ends it."""

    def __init__(self, environment: Mapping[str, str], python: str = sys.executable) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([python, __file__], env=environment, **pipes)

    def __call__(self, folder: Path, out: str, err: str, *arguments: str) -> int:
        """Run a command, or (PROGRAM, text), in a folder; return its exit code.

        What it writes is appended to the files `out` and `err`.
        """
        print(json.dumps([str(folder), out, err, arguments]), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


def serve(requests: Iterable[str]) -> None:
    from siamkit.cli import run

    answers = os.dup(1)
    names: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for request in requests:
        folder, *streams, arguments = json.loads(request)
        os.chdir(folder)
        for number, name in enumerate(streams, start=1):
            file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.dup2(file, number)
            os.close(file)
        if arguments[0] == PROGRAM:
            code = run_program(arguments[1], names[folder])
        else:
            code = run(arguments)
        sys.stdout.flush()
        os.write(answers, f"{code}\n".encode())


def run_program(text: str, names: dict[str, Any]) -> int:
    """Run a program among the names that others have bound; return its exit code."""
    try:
        exec(compile(text, "<page>", "exec"), names)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    serve(sys.stdin)
