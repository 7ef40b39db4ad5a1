"""Runs the blocks of README.md and docs/: `python tests/support/pages.py [PAGE…]`.

It writes what the commands print into the pages. Each page has a folder of its own, with
`examples/` in it, and what `examples/samples.py` writes, unless the page runs that itself. Its
blocks ```console run from top to bottom; a line that begins with `$ ` is a command, which goes on
in the next line if it ends with a backslash. In an output, `...` stands for anything, and alone on
a line for any lines. Its blocks ```python run, too, in one namespace; a block ```text right below
one holds what it prints. A block that cannot be run has the reason above it:
<!-- not run: needs the LFW data -->
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

from console import PROGRAM, Console

from siamkit.io.cache_root import cache_root

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"```(?P<language>console|python)\n(?P<body>.*?)^```$"
    r"(?P<below>\n\n```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
ELIDED = "..."
SAMPLES = "examples/samples.py"
PRINTED = "printed"  # the file with what it prints
SYNTAX = {"|", ">", ">>", "<", "&&", "||", ";"}  # what only bash can run


def runs(text: str) -> bool:
    """Whether a page has a block to run."""
    return any(not block["reason"] for block in BLOCK.finditer(text))


def run(text: str, folder: Path) -> str:
    """The page with every output as it comes out in an empty folder."""
    run_blocks = [block["body"] for block in BLOCK.finditer(text) if not block["reason"]]
    if not any(SAMPLES in body for body in run_blocks):
        copy_samples(folder)
    (folder / "examples").symlink_to(ROOT / "examples")
    shell = Shell(folder)
    try:
        return BLOCK.sub(lambda block: block[0] if block["reason"] else _run(block, shell), text)
    finally:
        shell.close()


def copy_samples(folder: Path) -> None:
    shutil.copytree(_shared() / "samples", folder, dirs_exist_ok=True)


@functools.cache
def _shared() -> Path:
    """What all pages of a run have in common: samples, and a cache of encoders.

    The cache begins with those of siamkit's own plugins that are built already, and no others.
    """
    shared = Path(tempfile.mkdtemp(prefix="siamkit-pages-"))
    atexit.register(shutil.rmtree, shared, ignore_errors=True)
    (shared / "samples").mkdir()
    (shared / PRINTED).write_bytes(
        subprocess.check_output([sys.executable, ROOT / SAMPLES], cwd=shared / "samples")
    )
    (shared / "cache" / "encoders").mkdir(parents=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in project["entry-points"]["siamkit.modalities"]:
        if (built := cache_root() / "encoders" / name).is_dir():
            (shared / "cache" / "encoders" / name).symlink_to(built)
    return shared


class Shell:
    """Runs one command after the other; `cd` lasts. What a page installs goes to an environment
    of its own, which sees the packages of this one, and is known to a console of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own: Console | None = None  # once the page has installed something
        self.python = folder / ".venv" / "bin" / "python"
        self.environment = environment()
        venv.create(folder / ".venv", symlinks=True)
        (packages,) = (folder / ".venv" / "lib").glob("*/site-packages")
        (packages / "outer.pth").write_text(sysconfig.get_path("purelib"))
        commands = folder / ".venv" / "bin"
        for name in ("siamkit", "pip"):
            (commands / name).write_text(f'#!/bin/sh\nexec python -m {name} "$@"\n')
            (commands / name).chmod(0o755)
        self.environment["PATH"] = os.pathsep.join([str(commands), self.environment["PATH"]])

    def __call__(self, command: str) -> str:
        if command == f"python ../{SAMPLES}":  # as it was run once
            copy_samples(self.folder)
            return (_shared() / PRINTED).read_text()
        run = self._in_process if self._is_plain(command) else self._in_bash
        said = run(command).splitlines(keepends=True)
        if command.startswith("pip install "):
            self.close()
            self.own = Console(self.environment, str(self.python))
        return "".join(line for line in said if not line.startswith("siamkit: "))

    def close(self) -> None:
        """End the page's own console."""
        if self.own:
            self.own.close()

    def _is_plain(self, command: str) -> bool:
        """Tell whether it is `siamkit` with arguments."""
        words = shlex.shlex(command, posix=True, punctuation_chars=True)
        return command.startswith("siamkit ") and SYNTAX.isdisjoint(words)

    def program(self, text: str) -> str:
        """Run a Python program, after those above it; return what it prints to stdout.

        Raises RuntimeError if it fails.
        """
        with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
            console = self.own or _console()
            if console(self.folder, out.name, err.name, PROGRAM, text):
                raise RuntimeError(f"{text}\n{err.read()}")
            return out.read()

    def _in_process(self, command: str) -> str:
        print_words = 'siamkit() { printf "%s\\0" "$@"; }'
        words = subprocess.check_output(
            ["bash", "-c", f"{print_words}\n{command}"], cwd=self.folder, text=True
        )
        with tempfile.NamedTemporaryFile("r") as output:
            console = self.own or _console()
            console(self.folder, output.name, output.name, *words.split("\0")[:-1])
            return output.read()

    def _in_bash(self, command: str) -> str:
        with tempfile.NamedTemporaryFile("r") as place:
            done = subprocess.run(
                ["bash", "-c", f"{command}\npwd > {place.name}"],
                cwd=self.folder, env=self.environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            self.folder = Path(place.read().rstrip("\n"))
        return done.stdout


def environment() -> dict[str, str]:
    sources = os.pathsep.join(str(ROOT / name) for name in (".", "plugins", "indexes"))
    environment = {
        **os.environ,
        "PYTHONPATH": sources,
        "OMP_NUM_THREADS": "1",  # the last digits of scores depend on it
        "PYTHONUNBUFFERED": "1",  # results and errors in the order of a terminal
        "SIAMKIT_CACHE": str(_shared() / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as: do not isolate
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    environment.pop("SIAMKIT_STORE", None)
    return environment


@functools.cache
def _console() -> Console:
    """The process that runs the commands of all pages: most of their time went to imports."""
    console = Console(environment())
    atexit.register(console.close)
    return console


def _run(block: re.Match[str], shell: Shell) -> str:
    """The block with what it prints now."""
    if block["language"] == "python":
        return _run_program(block, shell)
    parts = []
    for command, shown in commands(block["body"]):
        printed = shell(command)
        parts += [f"$ {command}\n", shown if same(shown, printed) else printed]
    return "```console\n" + "".join(parts) + "```" + (block["below"] or "")


def _run_program(block: re.Match[str], shell: Shell) -> str:
    shown, printed = block["printed"] or "", shell.program(block["body"])
    text = shown if same(shown, printed) else printed
    return f"```python\n{block['body']}```" + (f"\n\n```text\n{text}```" if text else "")


def commands(body: str) -> Iterator[tuple[str, str]]:
    """(command, output) of a block. Raises ValueError for one that begins with neither."""
    first, *rest = re.split(r"^\$ ", body, flags=re.MULTILINE)
    if first or not rest:
        raise ValueError(f"a console block begins with `$ `, this one does not:\n{body}")
    for part in rest:
        lines = part.splitlines(keepends=True)
        length = 1 + next(at for at, line in enumerate(lines) if not line.endswith("\\\n"))
        yield "".join(lines[:length]).rstrip("\n"), "".join(lines[length:])


def same(shown: str, printed: str) -> bool:
    """Whether an output with parts left out stands for what was printed."""
    if ELIDED not in shown:
        return shown == printed
    shown, printed = comparable(shown), comparable(printed)
    pattern = re.escape(shown).replace(re.escape(ELIDED), ".*")
    pattern = re.sub(r"^\.\*(\\\n|\n)", "(?:.*\n)*", pattern, flags=re.MULTILINE)
    return re.fullmatch(pattern, printed) is not None


def comparable(text: str) -> str:
    """Scores to two places, no boxes: processors differ in the last digits."""
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
    return re.sub(r"\d+(,\d+){3} *", "BOX ", text)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]) if sys.argv[1:] else PAGES:
        with tempfile.TemporaryDirectory() as made:
            page.write_text(run(page.read_text(), Path(made)))
