"""siamkit doctor"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, stderr, table


@click.command(
    epilog="\b\nExamples:\n  siamkit doctor\n  siamkit doctor --store /srv/people --json"
)
@options.store
@options.as_json
def doctor(store: Path, as_json: bool) -> int:
    """Check the installation, the plugins, the encoders, and the store with its indexes."""
    from siamkit import Workspace

    findings = list(Workspace(store).doctor())
    if as_json:
        emit_json(
            [
                {"check": f.check, "ok": f.ok, "found": f.detail, "hint": f.hint or None}
                for f in findings
            ]
        )
    else:
        table(["check", "ok", "found"], [[f.check, f.ok, f.detail] for f in findings])
        for finding in findings:
            if finding.hint:
                stderr(f"Hint: {finding.check}: {finding.hint}")
    return 0 if all(f.ok for f in findings) else 1
