"""The README names every command and option, and every command's help has an example."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from siamkit.cli import cli

sys.path.insert(0, str(Path(__file__).parent))
import readme

README = (Path(__file__).parents[2] / "README.md").read_text()


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")


ALL = dict(commands(cli))


@pytest.mark.parametrize("name", ALL)
def test_the_readme_names_every_command_and_its_options(name):
    assert f"siamkit {name}" in README
    for parameter in ALL[name].params:
        if isinstance(parameter, click.Option):
            assert max(parameter.opts, key=len) in README, f"{name}: {parameter.opts}"


@pytest.mark.parametrize("name", [n for n, c in ALL.items() if " " not in n])
def test_help_has_examples(name):
    epilog = ALL[name].epilog or ""
    assert "Example" in epilog
    assert f"siamkit {name}" in epilog


def test_the_readme_shows_what_the_commands_print(tmp_path):
    assert len(readme.BLOCK.findall(README)) >= 5
    assert readme.comparable(readme.run(README, tmp_path)) == readme.comparable(README)


def test_the_example_programs_run(tmp_path):
    for name in ("enrol_and_query.py", "demo.py"):
        done = subprocess.run(
            [sys.executable, Path(__file__).parents[2] / "examples" / name],
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    sheet = (tmp_path / "demo-out" / "contact-sheet.html").read_text()
    assert sheet.count("<b>Grace Hopper</b>") == sheet.count("<b>Eileen Collins</b>") == 3
