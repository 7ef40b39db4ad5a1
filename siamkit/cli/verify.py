"""siamkit verify"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, likely, stderr

if TYPE_CHECKING:
    from siamkit.embed.pipeline import Pipeline
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.verify import Side, Verification
    from siamkit.types import Verdict

EXIT_CODES = {"same": 0, "different": 3, "can't tell": 5}


@click.command(
    epilog="""\b
Examples:
  siamkit verify -m faces a.jpg b.jpg            two files; needs no store
  siamkit verify -m voices a.wav b.mp3           the same for recordings
  siamkit verify faces a.jpg b.jpg               by the threshold of the gallery faces
  siamkit verify faces --as alice door.jpg       is this alice?
  siamkit verify signers --as 'J. Doe' contract.png --box 640,1150,1000,1300
  siamkit verify faces --as alice door.jpg --fmr 1e-4    by a stricter threshold
  siamkit verify --as alice --probe faces=door.jpg --probe voices=hello.wav    both together
  siamkit verify -m questions --text 'How do I sign in?' --text 'How can I log in?'

\b
Exit codes: 0 the same; 3 different; 5 cannot be told, for the score lies between the thresholds
that the calibration has for either; 4 nothing to compare was found in a file.
"""
)
@click.argument("arguments", nargs=-1, metavar="[GALLERY] [FILE]...")
@options.texts
@click.option("--as", "label", metavar="LABEL", help="The identity that one FILE is compared with.")
@click.option(
    "--probe", "probes", multiple=True, metavar="GALLERY=FILE",
    help="With --as: what one gallery is asked; several are fused into one answer.",
)  # fmt: skip
@options.modality
@options.encoder
@options.detector
@options.decision_rule(options.threshold, options.fmr, options.rerank)
@options.fusion
@click.option(
    "--box", type=options.BoxType(),
    help="The region of the (second) FILE that counts, in pixels [default: the largest].",
)  # fmt: skip
@options.store
@options.as_json
def verify(
    arguments: tuple[str, ...],
    texts: tuple[str, ...],
    label: str | None,
    probes: tuple[str, ...],
    modality: str | None,
    encoder: str | None,
    detector: str | None,
    rule: DecisionRule,
    fusion: Any,
    box: tuple[float, float, float, float] | None,
    store: Path,
    as_json: bool,
) -> int:
    """Are two FILES (or texts) the same, or is one who LABEL says?

    Of several regions in a file (faces, say) the largest counts.
    """
    if probes:
        other = (arguments, texts, modality, encoder, detector, fusion, box)
        if not label or any(other) or rule.threshold is not None or rule.reranker:
            raise click.UsageError("--probe goes with --as, --fmr, --store and --json alone.")
        from siamkit.cli import fused

        return EXIT_CODES[fused.show(label, probes, rule, store, as_json=as_json)]
    gallery, *files = ("", *arguments) if modality else (arguments or ("",))
    sources: list[Path | str] = [*map(Path, files), *texts]
    if not (gallery or modality) or len(sources) != (1 if label else 2) or (modality and label):
        raise click.UsageError("Give -m MODALITY A B, or GALLERY A B, or GALLERY --as LABEL FILE.")
    if label and rule.reranker:
        raise click.UsageError("--rerank compares two; it does not go with --as.")
    if gallery and (encoder or detector):
        raise click.UsageError("A gallery has its encoder and detector; these go with -m.")
    if box and texts:
        raise click.UsageError("--box is a region of a picture; it does not go with --text.")
    from siamkit import region_choosers

    choose = region_choosers.within_box(box) if box else region_choosers.largest_region
    with options.workspace(store) as ws:
        if texts:
            options.check_texts(modality or ws.modality_of(gallery))
        if label:
            result = ws.verify_identity(
                gallery, label, sources[0], rule=rule, fusion=fusion, choose=choose
            )
        else:
            system: str | Pipeline = gallery
            if modality:
                detector = options.default_or_none(detector)
                system = ws.pipeline(modality, encoder=encoder, detector=detector)
            result = ws.verify(system, sources[0], sources[1], rule=rule, choose=choose)
    for side in (result.left, result.right):
        if side.region_count > 1 and side.region and (box is None or side is result.left):
            place = region_choosers.describe_region(side.region)
            note = f"{side.region_count} found, and the largest was compared: {place}"
            stderr(f"Note: {side.source}: {note}")
        for problem in side.quality.problems if side.quality else ():
            stderr(f"Note: {side.source}: {problem}; the answer may be worth little")
    if as_json:
        emit_json(_facts(result))
    else:
        click.echo(_sentence(result.verdict, reranked=rule.reranker is not None))
    return EXIT_CODES[result.verdict.decision]


def _sentence(verdict: Verdict, *, reranked: bool) -> str:
    """'same: score 0.951 >= threshold 0.926 (false match rate 0.001), probability 0.998'."""
    limit, sure = verdict.threshold, verdict.probability
    rate = f" (false match rate {limit.fmr:g})" if limit.fmr else ""
    scored = f"score {verdict.score:.3f}"
    if verdict.normalised is not None:
        scored = f"S-norm {verdict.normalised:.3f} (cosine {verdict.score:.3f})"
    if reranked:
        scored, sure = f"probability {sure:.3f} (cosine {verdict.score:.3f})", None
    against = f"threshold {limit.value:.3f}{rate}"
    chance = "" if sure is None else f", probability {likely(sure)}"
    if verdict.decision == "can't tell":
        low = f"{verdict.different_below:.3f}, below which it is different"
        return f"can't tell: {scored} lies between {low}, and {against}{chance}"
    sign = ">=" if verdict.decision == "same" else "<"
    return f"{verdict.decision}: {scored} {sign} {against}{chance}"


def _facts(result: Verification) -> dict[str, Any]:
    return {
        "decision": result.verdict.decision,
        "score": round(result.verdict.score, 6),
        "normalised": result.verdict.normalised,
        "llr": result.verdict.llr,
        "probability": result.verdict.probability,
        "threshold": asdict(result.verdict.threshold),
        "different_below": result.verdict.different_below,
        "left": _side(result.left),
        "right": _side(result.right),
    }


def _side(side: Side) -> dict[str, Any]:
    from siamkit.sdk import regions

    return {
        "source": side.source,
        "samples": side.samples,
        "seen": side.region_count,
        "region": regions.to_dict(side.region) if side.region else None,
        "quality": round(side.quality.score, 4) if side.quality else None,
        "problems": list(side.quality.problems) if side.quality else [],
    }
