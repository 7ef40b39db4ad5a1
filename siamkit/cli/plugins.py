"""siamkit plugins [list | check | new]"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli.options import as_json as json_option
from siamkit.cli.output import emit_json, table


@click.group(
    epilog="""\b
Examples:
  siamkit plugins list
  siamkit plugins check faces
  siamkit plugins new logos --kind image
"""
)
def plugins() -> None:
    """Modalities, region detectors and indexes, from any installed package."""


@plugins.command("list", epilog="\b\nExamples:\n  siamkit plugins list --json")
@json_option
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
    epilog="""\b
Examples:
  siamkit plugins check faces          every rule: ok, failed with the fix, or skipped
  siamkit plugins check faces --json

\b
Exit code 1 if a check failed.
"""
)
@click.argument("name")
@json_option
def check(name: str, as_json: bool) -> int:
    """Run the conformance kit on the installed plugin NAME."""
    from siamkit import Workspace
    from siamkit.cli.output import log_to_stderr

    failed, rows = 0, []
    with log_to_stderr():
        for group, result in Workspace.check_plugin(name):
            failed += result.state == "failed"
            rows.append(
                {
                    "group": group,
                    "plugin": result.plugin,
                    "check": result.check,
                    "state": result.state,
                    "message": result.message or None,
                }
            )
            if not as_json:
                if result.check == "loads":
                    click.echo(f"{result.plugin}, {group}")
                message = f"  {result.message}" if result.message else ""
                click.echo(f"  {result.state:<7}  {result.check}{message}")
    if as_json:
        emit_json(rows)
    else:
        counts = {s: sum(r["state"] == s for r in rows) for s in ("ok", "failed", "skipped")}
        click.echo(", ".join(f"{count} {state}" for state, count in counts.items()))
    return int(failed > 0)


@plugins.command(
    epilog="""\b
Examples:
  siamkit plugins new logos --kind image                the folder siamkit-logos
  siamkit plugins new sensors --kind vector -o sensors
"""
)
@click.argument("name")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(["image", "audio", "text", "vector"]),
    help="Kind of its samples; vector: rows of numbers.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The new folder to write [default: siamkit-NAME].",
)
def new(name: str, kind: str, output: Path | None) -> None:
    """Write a package with a new modality NAME that works at once, for you to change."""
    from shlex import quote

    from siamkit import Workspace

    folder = output or Path(f"siamkit-{name}")
    for path in Workspace.new_plugin(name, kind, folder):
        click.echo(str(path))
    click.echo(f"next: pip install -e {quote(str(folder))}; siamkit plugins check {name}")
