"""Run siamkit commands in one process: each line of stdin is JSON of (folder, output, arguments).

What a command prints, on either stream, goes to the file `output`. A line of stdout follows.
"""

from __future__ import annotations

import json
import os
import sys

from siamkit.cli import run

if __name__ == "__main__":
    answers = os.dup(1)
    for line in sys.stdin:
        folder, output, arguments = json.loads(line)
        os.chdir(folder)
        with open(output, "wb") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            run(arguments)
        os.write(answers, b"\n")
