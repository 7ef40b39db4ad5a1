"""Runs the README's `$ siamkit …` lines: `python tests/rules/readme.py` writes what they print.

A block ```console whose lines begin with `$ siamkit` is run in one folder, from top to bottom,
with the demo's photographs, voices and questions at hand. Other blocks are left alone.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n(\$ siamkit .*?)```", re.DOTALL)


def run(text: str, folder: Path) -> str:
    """The README with every output as it comes out in a folder."""
    demo = runpy.run_path(str(ROOT / "examples" / "demo.py"))
    demo["make_photos"](folder / "photos")
    for photo in (folder / "photos").iterdir():
        photo.rename(folder / photo.name)
    (folder / "photos").rmdir()
    demo["make_signatures"](folder)
    demo["make_voices"](folder)
    for table in (ROOT / "examples").glob("*.csv"):
        shutil.copy(table, folder)
    return BLOCK.sub(lambda match: _block(match[1], folder), text)


def _block(block: str, folder: Path) -> str:
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "```console\n" + "".join(f"{line}\n{_output(line, folder)}" for line in commands) + "```"


def _output(line: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": "", "SIAMKIT_STORE": str(folder / ".siamkit")}
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(line.removeprefix("$ "))],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    talk = [said for said in done.stderr.splitlines() if not said.startswith("siamkit: ")]
    return done.stdout + "".join(f"{said}\n" for said in talk)


def comparable(text: str) -> str:
    """Scores to two places, no boxes: processors differ in the last digits."""
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
    return re.sub(r"\d+(,\d+){3} *", "BOX ", text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        README.write_text(run(README.read_text(), Path(made)))
