"""A process that runs siamkit commands one after the other, so that it imports things once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


class Console:
    """Runs `siamkit …` in a process with an environment of its own. `close` ends it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, __file__], env=environment, **pipes)

    def __call__(self, folder: Path, out: str, err: str, *arguments: str) -> int:
        """Run one command in a folder, with its streams appended to files; return its exit code."""
        print(json.dumps([str(folder), out, err, arguments]), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


def serve(requests: Iterable[str]) -> None:
    from siamkit.cli import run

    answers = os.dup(1)
    for request in requests:
        folder, *streams, arguments = json.loads(request)
        os.chdir(folder)
        for number, name in enumerate(streams, start=1):
            file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.dup2(file, number)
            os.close(file)
        code = run(arguments)
        sys.stdout.flush()
        os.write(answers, f"{code}\n".encode())


if __name__ == "__main__":
    serve(sys.stdin)
