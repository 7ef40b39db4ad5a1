"""Output of `siamkit query --timeline`: turns as a table, JSON, RTTM and a chart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import siamkit as sk
from siamkit.cli.output import describe_threshold, echo, emit_json, one_line, stderr, table
from siamkit.io.printable import clock

NOTE = (
    "Note: this names enrolled voices; all others together are `unknown`. It does not tell unknown"
    " speakers apart (diarisation), and names one where several speak at once."
)


def show(gallery: str, timeline: sk.Timeline, *, as_json: bool) -> None:
    """Print who speaks when."""
    if as_json:
        emit_json(_facts(gallery, timeline))
    else:
        _print(timeline)
        stderr(NOTE)


def save(timeline: sk.Timeline, *, rttm: Path | None, chart: Path | None) -> None:
    """Write the files that were asked for."""
    from siamkit.reports import timeline as report

    for write, path in ((report.save_rttm, rttm), (report.draw, chart)):
        if path:
            write(timeline, path)
            stderr(f"saved {path}")


def _facts(gallery: str, timeline: sk.Timeline) -> dict[str, Any]:
    return {
        "gallery": gallery,
        "source": timeline.source,
        "seconds": timeline.seconds,
        "threshold": asdict(timeline.threshold),
        "spoken": [
            {"identity": name, "seconds": round(seconds, 2)}
            for name, seconds in timeline.spoken().items()
        ],
        "turns": [{**asdict(turn), "score": round(turn.score, 4)} for turn in timeline.turns],
    }


def _print(timeline: sk.Timeline) -> None:
    from siamkit.reports.timeline import UNKNOWN

    spoken = timeline.spoken()
    total = sum(spoken.values())
    echo(
        f"{one_line(timeline.source, 100)}: {clock(total)} of speech in"
        f" {clock(timeline.seconds)} ({describe_threshold(timeline.threshold)})"
    )
    turns = [
        [
            f"{turn.start:.1f}",
            f"{turn.stop:.1f}",
            one_line(turn.identity or UNKNOWN, 50),
            turn.score,
        ]
        for turn in timeline.turns
    ]
    table(["from", "to", "identity", "score"], turns)
    echo()
    shares = [
        [one_line(name or UNKNOWN, 50), clock(seconds), f"{seconds / total:.0%}"]
        for name, seconds in spoken.items()
    ]
    table(["identity", "speaks", "share"], shares)
