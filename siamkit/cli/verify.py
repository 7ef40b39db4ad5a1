"""siamkit verify"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, stderr

if TYPE_CHECKING:
    from siamkit.flows.verify import Side, Verification

EXIT_DIFFERENT = 3


@click.command(
    epilog="""\b
Examples:
  siamkit verify -m faces a.jpg b.jpg            two files; needs no store
  siamkit verify faces a.jpg b.jpg               by the threshold of the gallery faces
  siamkit verify faces --as alice door.jpg       is this alice?

\b
Exit codes: 0 the same; 3 different; 4 nothing to compare was found in a file.
"""
)
@click.argument("arguments", nargs=-1, required=True, metavar="[GALLERY] FILE...")
@click.option("--as", "label", metavar="LABEL", help="The identity that one FILE is compared with.")
@options.modality
@options.encoder
@options.detector
@options.threshold
@options.fusion
@options.store
@options.as_json
def verify(
    arguments: tuple[str, ...],
    label: str | None,
    modality: str | None,
    encoder: str | None,
    detector: str | None,
    threshold: float | None,
    fusion: Any,
    store: Path,
    as_json: bool,
) -> int:
    """Are two FILES the same, or is one FILE who LABEL says?

    Of several regions in a file (faces, say) the largest counts.
    """
    gallery, files = (None, arguments) if modality else (arguments[0], arguments[1:])
    wanted = 1 if label else 2
    if len(files) != wanted or (modality and label):
        raise click.UsageError("Give -m MODALITY A B, or GALLERY A B, or GALLERY --as LABEL FILE.")
    if gallery and (encoder or detector):
        raise click.UsageError("A gallery has its encoder and detector; these go with -m.")
    with options.workspace(store) as ws:
        if modality:
            from siamkit.flows.verify import verify_pair
            from siamkit.workspace import given

            pipeline = ws.pipeline(
                modality, encoder=encoder, detector=options.detector_name(detector)
            )
            result = verify_pair(pipeline, Path(files[0]), Path(files[1]), given(threshold))
        elif label:
            result = ws.verify_identity(
                str(gallery), label, Path(files[0]), threshold=threshold, fusion=fusion
            )
        else:
            result = ws.verify(str(gallery), Path(files[0]), Path(files[1]), threshold=threshold)
    for side in (result.left, result.right):
        for problem in side.quality.problems if side.quality else ():
            stderr(f"Note: {side.source}: {problem}; the answer may be worth little")
    if as_json:
        emit_json(_facts(result))
    else:
        limit = result.verdict.threshold
        rate = f" (false match rate {limit.fmr:g})" if limit.fmr else ""
        sign = ">=" if result.verdict.decision == "same" else "<"
        click.echo(
            f"{result.verdict.decision}: score {result.verdict.score:.3f} {sign}"
            f" threshold {limit.value:.3f}{rate}"
        )
    return 0 if result.verdict.decision == "same" else EXIT_DIFFERENT


def _facts(result: Verification) -> dict[str, Any]:
    return {
        "decision": result.verdict.decision,
        "score": round(result.verdict.score, 6),
        "threshold": asdict(result.verdict.threshold),
        "left": _side(result.left),
        "right": _side(result.right),
    }


def _side(side: Side) -> dict[str, Any]:
    from siamkit import regions

    return {
        "source": side.source,
        "samples": side.samples,
        "region": regions.to_dict(side.region) if side.region else None,
        "quality": round(side.quality.score, 4) if side.quality else None,
        "problems": list(side.quality.problems) if side.quality else [],
    }
