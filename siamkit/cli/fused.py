"""siamkit verify --as LABEL --probe GALLERY=FILE …: one answer from several galleries"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, likely, stderr, table

if TYPE_CHECKING:
    from siamkit.flows.decide import Decision, DecisionRule


def show(
    label: str, probes: tuple[str, ...], rule: DecisionRule, store: Path, *, as_json: bool
) -> Decision:
    """Ask each gallery, print what they say together, and return it."""
    pairs = [probe.partition("=") for probe in probes]
    if not all(name and found and source for name, found, source in pairs):
        raise click.UsageError(
            "--probe takes GALLERY=FILE, or GALLERY=TEXT where texts are enrolled."
        )
    with options.workspace(store) as ws:
        asked = [
            (name, source if ws.kind(ws.modality_of(name)) == "text" else Path(source))
            for name, _, source in pairs
        ]
        result = ws.verify_fused(label, asked, rule=rule)
    for one in result.evidence:
        if one.verification is None:
            stderr(f"Note: {one.gallery} drops out: {one.reason}")
    if as_json:
        emit_json(
            {
                "decision": result.decision,
                "llr": round(result.llr, 6),
                "threshold": {"llr": result.threshold, "fmr": result.fmr},
                "different_below": -result.threshold,
                "probability": result.probability,
                "evidence": [
                    {
                        "gallery": one.gallery,
                        "source": one.source,
                        "score": one.verification and round(one.verification.verdict.score, 6),
                        "llr": round(one.llr, 6),
                        "dropped": one.reason or None,
                    }
                    for one in result.evidence
                ],
            }
        )
    else:
        table(
            ["gallery", "probe", "score", "log-likelihood ratio"],
            [
                [
                    one.gallery,
                    one.source,
                    one.verification and one.verification.verdict.score,
                    one.llr,
                ]
                for one in result.evidence
            ],
        )
        click.echo(
            f"{result.decision}: sum {result.llr:.3f}, same from {result.threshold:.3f}"
            f" (false match rate {result.fmr:g}), different below -{result.threshold:.3f},"
            f" probability {likely(result.probability)}"
        )
    return result.decision
