"""siamkit doctor"""

from __future__ import annotations

from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_rows, stderr


@click.command(epilog="\b\nExamples:\n  siamkit doctor\n  siamkit doctor --store archive --json")
@options.store
@options.as_json
def doctor(store: Path, as_json: bool) -> int:
    """Check the installation, the plugins, the encoders, and the store with its indexes."""
    findings = list(sk.Workspace(store).doctor())
    rows = [
        {"check": f.check, "ok": f.ok, "found": f.detail, "hint": f.hint or None} for f in findings
    ]
    print_rows(as_json, rows, ["check", "ok", "found"])
    for finding in findings:
        if finding.hint and not as_json:
            stderr(f"Hint: {finding.check}: {finding.hint}")
    return 0 if all(f.ok for f in findings) else 1
