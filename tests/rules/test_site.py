"""The documentation site builds without a warning, is complete, and loads nothing from outside."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
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


def commands(command: click.Command, *names: str) -> Iterator[tuple[str, click.Command]]:
    """(names joined as in the reference's anchors, command) of a command and those below it."""
    yield "-".join(names), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if not below.hidden:
                yield from commands(below, *names, name)


def reference_sections(site: Path) -> dict[str, str]:
    """The text that the command reference shows, by anchor."""
    page = (site / "reference" / "commands.html").read_text()
    _, *pieces = re.split(r'<h[23] id="([^"]+)">', page)
    shown = (html.unescape(re.sub(r"<[^>]+>", "", piece)) for piece in pieces[1::2])
    return dict(zip(pieces[::2], shown, strict=True))


def test_the_reference_shows_every_command_with_its_arguments_and_options(site):
    sections = reference_sections(site)
    assert len(sections) > 50
    missing = [
        f"{anchor}: {name}"
        for anchor, command in commands(cli, "siamkit")
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
        for name in names_of(parameter)
        if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", sections[anchor])
    ]
    assert not missing


def names_of(parameter: click.Parameter) -> list[str]:
    if isinstance(parameter, click.Argument):
        return [parameter.metavar or parameter.name.upper()]
    return [*parameter.opts, *parameter.secondary_opts]


def test_every_public_name_has_a_section(site):
    reference = "".join(f.read_text() for f in (site / "reference").glob("*.html"))
    for name in siamkit.__all__:
        home = getattr(getattr(siamkit, name), "__module__", None)  # a version has none
        ids = {f'id="siamkit.{name}"', f'id="{home}.{name}"'}
        assert home is None or any(one in reference for one in ids), name


def test_links_of_the_readme_lead_to_pages_of_the_site(site):
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(docs/([^)#]+)(?:#([^)]+))?\)", readme)
    assert len(links) > 10
    for path, anchor in links:
        target = site / path
        if path.endswith(".md"):
            target = target.with_suffix(".html")
        assert target.exists(), path
        assert not anchor or f'id="{anchor}"' in target.read_text(), f"{path}#{anchor}"


@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("enroll", "reference/commands.html"),
        ("remove", "howto/delete.html"),
        ("compare", "reference/commands.html"),
        ("webcam", "howto/web.html"),
        ("flask", "howto/web.html"),
    ],
)
def test_the_search_finds_what_people_type(site, word, page):
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    pages = {
        entry["location"].partition("#")[0]
        for entry in entries
        if re.search(rf"\b{word}\b", f"{entry['title']} {entry['text']}", re.IGNORECASE)
    }
    assert page in pages


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
