"""siamkit plugins list"""

from __future__ import annotations

import click

from siamkit.cli.options import as_json as json_option
from siamkit.cli.output import emit_json, table


@click.group(epilog="\b\nExamples:\n  siamkit plugins list")
def plugins() -> None:
    """Modalities, region detectors and indexes, from any installed package."""


@plugins.command("list", epilog="\b\nExamples:\n  siamkit plugins list --json")
@json_option
def list_(as_json: bool) -> None:
    """List every plugin, where it comes from, and whether it imports."""
    from siamkit.probing import probe_all

    rows = [
        {
            "group": plugin.group,
            "name": plugin.name,
            "package": plugin.package,
            "version": plugin.version,
            "entry_point": plugin.value,
            "error": fault or None,
        }
        for plugin, fault in probe_all()
    ]
    if as_json:
        emit_json(rows)
    else:
        table(
            ["group", "name", "package", "version", "state"],
            [[r["group"], r["name"], r["package"], r["version"], r["error"] or "ok"] for r in rows],
        )
