"""siamkit doctor"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import stderr
from siamkit.cli.progress import steps
from siamkit.cli.streaming import stream_json, stream_table

if TYPE_CHECKING:
    from siamkit.flows.checkups import Checkup

WIDTHS = {"check": 34, "ok": 3, "found": 200}  # characters; on a terminal, `found` is folded


@click.command(epilog="\b\nExamples:\n  siamkit doctor\n  siamkit doctor --store archive --json")
@options.store
@options.as_json
def doctor(store: Path, as_json: bool) -> int:
    """Check the installation, the plugins, the encoders, and the store with its indexes."""
    findings: list[Checkup] = []
    with steps() as progress:

        def rows() -> Iterator[dict[str, Any]]:
            for checkup in sk.Workspace(store).doctor(progress=progress):
                findings.append(checkup)
                yield {
                    "check": checkup.check,
                    "ok": checkup.ok,
                    "found": checkup.detail,
                    "hint": checkup.hint or None,
                }

        if as_json:
            stream_json(rows())
        else:
            stream_table(rows(), [*WIDTHS], WIDTHS.values())
    for finding in findings:
        if finding.hint and not as_json:
            stderr(f"Hint: {finding.check}: {finding.hint}")
    return 0 if all(f.ok for f in findings) else 1
