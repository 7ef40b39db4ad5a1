"""`siamkit verify --as LABEL --probe GALLERY=FILE …`: one answer from several galleries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import siamkit as sk
from siamkit.cli.output import echo, emit_json, stderr, table
from siamkit.io.places import expand
from siamkit.io.wording import Nouns, describe_pair, format_odds

if TYPE_CHECKING:
    from siamkit.flows.fuse import Fused


def show(
    ws: sk.Workspace, label: str, probes: tuple[str, ...], rule: sk.DecisionRule, *, as_json: bool
) -> sk.Decision:
    """Verify an identity by each gallery, print the fused answer, and return its decision."""
    pairs = [probe.partition("=")[::2] for probe in probes]
    if not all(name and source for name, source in pairs):
        raise click.UsageError("--probe takes GALLERY=FILE, or GALLERY=TEXT if it holds texts.")
    sources = [
        (name, source if ws.kind(ws.modality_of(name)) == "text" else expand(Path(source)))
        for name, source in pairs
    ]
    fused = ws.verify_fused(label, sources, rule=rule)
    for evidence in fused.evidence:
        if evidence.verification is None:
            stderr(f"Note: {evidence.gallery} drops out: {evidence.reason}")
    if as_json:
        emit_json(fused.to_dict())
    else:
        _print(fused, ws.nouns(ws.modality_of(sources[0][0])))
    return fused.decision


def _print(fused: Fused, nouns: Nouns) -> None:
    echo(describe_pair(fused.decision, nouns, fused.probability))
    limits = f"same from {fused.threshold:.3f}, different below -{fused.threshold:.3f}"
    rate = f"at most {format_odds(fused.fmr)} pairs of different {nouns.plural} would pass"
    echo(f"sum {fused.llr:.3f}, {limits}: {rate}")
    rows = [
        [
            evidence.gallery,
            evidence.source,
            None if evidence.verification is None else evidence.verification.verdict.score,
            evidence.llr,
        ]
        for evidence in fused.evidence
    ]
    table(["gallery", "probe", "score", "log-likelihood ratio"], rows)
