"""The documentation site builds without a warning, is complete, and loads nothing from outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import siamkit
from siamkit.cli import cli

pytest.importorskip("mkdocs", reason="pip install 'siamkit[docs]'")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site):
    loads = re.compile(
        r"<(?:script|link|img|iframe|source|video|audio|object|embed|image|use)\b[^>]*?"
        r"\b(?:src|srcset|href|data)=[\"']?((?:https?:)?//[^\"'> ]+)"
        r"|url\([\"']?((?:https?:)?//[^\"')]+)|@import [\"']((?:https?:)?//[^\"']+)"
    )
    files = [f for f in site.rglob("*") if f.suffix in (".html", ".css", ".svg")]
    assert len(files) > 20
    found = {f.name: hits for f in files if (hits := loads.findall(f.read_text()))}
    assert not found


def test_every_command_has_a_section(site):
    page = (site / "reference" / "commands.html").read_text()

    def check(command: click.Command, name: str) -> None:
        assert f'id="{name}"' in page
        for below in getattr(command, "commands", {}).values():
            check(below, f"{name}-{below.name}")

    check(cli, "siamkit")


def test_every_public_name_has_a_section(site):
    reference = "".join(f.read_text() for f in (site / "reference").glob("*.html"))
    for name in siamkit.__all__:
        home = getattr(getattr(siamkit, name), "__module__", None)  # a version has none
        ids = {f'id="siamkit.{name}"', f'id="{home}.{name}"'}
        assert home is None or any(one in reference for one in ids), name
