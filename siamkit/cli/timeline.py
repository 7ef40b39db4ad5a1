"""What `siamkit query --timeline` prints: turns as a table, as JSON, as RTTM and as a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli.output import cut, describe_threshold, emit_json, stderr, table
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.timeline import Timeline
    from siamkit.workspace import Workspace

NOTE = (
    "Note: this names enrolled voices; all others together are `unknown`. It does not tell unknown"
    " speakers apart (diarisation), and names one where several speak at once."
)


def show(
    ws: Workspace,
    gallery: str,
    recording: Path,
    *,
    rule: DecisionRule,
    fusion: Any,
    rttm: Path | None,
    picture: Path | None,
    as_json: bool,
) -> bool:
    """Print who is heard when; True if anybody known is."""
    from siamkit.reports import timeline as turns

    with steps() as progress:
        found = ws.timeline(
            gallery,
            recording,
            rule=rule,
            fusion=fusion,
            progress=progress,
        )
    if as_json:
        emit_json(_facts(gallery, found))
    else:
        _print(found)
        stderr(NOTE)
    for save, file in ((turns.save_rttm, rttm), (turns.draw, picture)):
        if file:
            save(found, file)
            stderr(f"saved {file}")
    return any(turn.identity for turn in found.turns)


def _facts(gallery: str, found: Timeline) -> dict[str, Any]:
    return {
        "gallery": gallery,
        "source": found.source,
        "seconds": found.seconds,
        "threshold": asdict(found.threshold),
        "spoken": [
            {"identity": name, "seconds": round(seconds, 2)}
            for name, seconds in found.spoken().items()
        ],
        "turns": [{**asdict(turn), "score": round(turn.score, 4)} for turn in found.turns],
    }


def _print(found: Timeline) -> None:
    from siamkit.reports.timeline import UNKNOWN, clock

    spoken = found.spoken()
    click.echo(
        f"{cut(found.source, 100)}: {clock(sum(spoken.values()))} of speech in"
        f" {clock(found.seconds)} ({describe_threshold(found.threshold)})"
    )
    shown = [[f"{t.start:.1f}", f"{t.stop:.1f}", cut(t.identity or UNKNOWN, 50), t.score]
             for t in found.turns]  # fmt: skip
    table(["from", "to", "identity", "score"], shown)
    click.echo()
    table(
        ["identity", "speaks", "share"],
        [
            [cut(name or UNKNOWN, 50), clock(s), f"{s / sum(spoken.values()):.0%}"]
            for name, s in spoken.items()
        ],
    )
