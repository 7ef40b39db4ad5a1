"""siamkit plugins [list | check | new]"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import echo, emit_json, print_outcome, table
from siamkit.cli.spellings import Group


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  siamkit plugins list
  siamkit plugins check faces
  siamkit plugins new logos --kind image
""",
)
def plugins() -> None:
    """Modalities, region detectors and indexes, from any installed package."""


@plugins.command(
    "list",
    short_help="List the installed plugins",
    epilog="\b\nExamples:\n  siamkit plugins list --json",
)
@options.as_json
def list_(as_json: bool) -> None:
    """List every installed plugin with its package.

    Nothing is imported: `siamkit doctor` tries each import, `siamkit plugins check` all rules.
    """
    from siamkit.host.registry import all_installed  # not Workspace, which takes 0.1 s to import

    rows = [
        {
            "group": plugin.group,
            "name": plugin.name,
            "package": plugin.package,
            "version": plugin.version,
            "entry_point": plugin.value,
        }
        for plugin in all_installed()
    ]
    if as_json:
        emit_json(rows)
    else:
        table(["group", "name", "package", "version", "class"], [[*row.values()] for row in rows])


@plugins.command(
    short_help="Check an installed plugin by every rule",
    epilog="""\b
Examples:
  siamkit plugins check faces          every rule: ok, failed with the fix, or skipped
  siamkit plugins check faces --json

\b
Exit code 1 if a check failed.
""",
)
@click.argument("name")
@options.as_json
def check(name: str, as_json: bool) -> int:
    """Run the conformance kit on the installed plugin NAME."""
    rows = []
    for group, result in sk.Workspace.check_plugin(name):
        rows.append({"group": group, **asdict(result), "message": result.message or None})
        if not as_json:
            if result.check == "loads":
                echo(f"{result.plugin}, {group}")
            message = f"  {result.message}" if result.message else ""
            echo(f"  {result.state:<7}  {result.check}{message}")
    counts = {s: sum(r["state"] == s for r in rows) for s in ("ok", "failed", "skipped")}
    print_outcome(as_json, rows, ", ".join(f"{count} {state}" for state, count in counts.items()))
    return 1 if counts["failed"] else 0


@plugins.command(
    short_help="Write a package with a plugin that works",
    epilog="""\b
Examples:
  siamkit plugins new logos --kind image                the folder siamkit-logos
  siamkit plugins new sensors --kind vector -o sensors
  siamkit plugins new seal-finder --kind detector
""",
)
@click.argument("name")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(["image", "audio", "text", "vector", "detector"]),
    help="Kind of a modality's samples (vector: rows of numbers), or a region detector.",
)
@options.output("The new folder to write [default: siamkit-NAME].", metavar="FOLDER")
def new(name: str, kind: str, output: Path | None) -> None:
    """Write a package with a new modality or detector NAME that works at once, to be changed."""
    from shlex import quote

    folder = output or Path(f"siamkit-{name}")
    for path in sk.Workspace.new_plugin(name, kind, folder):
        echo(str(path))
    echo(f"next: pip install -e {quote(str(folder))}; siamkit plugins check {name}")
