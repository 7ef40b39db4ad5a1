"""siamkit verify"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, format_probability, stderr

if TYPE_CHECKING:
    from siamkit.embed.region_choosers import Chooser
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.verify import ComparedSide, Verification
    from siamkit.stats.scoring import Fusion
    from siamkit.types import Box, Verdict
    from siamkit.workspace import Workspace

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
Exit codes: 0 the same; 3 different; 5 can't tell, because the score lies between the calibration's
thresholds for the two; 4 a file holds nothing to compare.
"""
)
@click.argument("arguments", nargs=-1, metavar="[GALLERY] [FILE]...")
@options.texts
@click.option("--as", "label", metavar="LABEL", help="The identity to compare one FILE with.")
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="GALLERY=FILE",
    help="With --as: a probe for one gallery; the evidence of several is fused.",
)
@options.model_choice
@options.decision_rule(options.threshold, options.fmr, options.rerank)
@options.fusion
@click.option(
    "--box",
    type=options.BoxType(),
    help="The region of the (second) FILE to compare, in pixels [default: the largest].",
)
@options.store
@options.as_json
def verify(
    models: options.ModelChoice, rule: DecisionRule, store: Path, as_json: bool, **parameters: Any
) -> int:
    """Decide whether two FILES (or texts) match, or whether one belongs to LABEL.

    Of several regions in a file (faces, for example) the largest is compared.
    """
    request = VerifyRequest(**parameters)
    if request.probes:
        label = request.fused_label(models, rule)
        from siamkit.cli import fused

        return EXIT_CODES[fused.show(label, request.probes, rule, store, as_json=as_json)]
    gallery, sources = request.split(models)
    request.check(models, rule)
    with options.workspace(store) as ws:
        if request.texts:
            options.check_texts(models.modality or ws.modality_of(gallery))
        result = _verify(ws, gallery, sources, request, models, rule)
    _note_regions(result, request.box)
    if as_json:
        emit_json(_facts(result))
    else:
        click.echo(_sentence(result.verdict, reranked=rule.reranker is not None))
    return EXIT_CODES[result.verdict.decision]


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Options of one `verify` command: what to compare."""

    arguments: tuple[str, ...]
    texts: tuple[str, ...]
    label: str | None
    probes: tuple[str, ...]
    fusion: Fusion | None
    box: Box | None

    def split(self, models: options.ModelChoice) -> tuple[str, list[Path | str]]:
        """Return the gallery, "" with a modality, and what to compare. Raises UsageError."""
        gallery, *files = ("", *self.arguments) if models.modality else (self.arguments or ("",))
        sources: list[Path | str] = [*map(Path, files), *self.texts]
        named = bool(gallery or models.modality) and not (models.modality and self.label)
        if not named or len(sources) != (1 if self.label else 2):
            raise click.UsageError(
                "Give -m MODALITY A B, or GALLERY A B, or GALLERY --as LABEL FILE."
            )
        return gallery, sources

    def check(self, models: options.ModelChoice, rule: DecisionRule) -> None:
        """Raise UsageError for options that exclude each other."""
        if self.label and rule.reranker:
            raise click.UsageError("--rerank compares two; it cannot be combined with --as.")
        if not models.modality and (models.encoder or models.detector):
            raise click.UsageError("A gallery has its encoder and detector; these go with -m.")
        if self.box and self.texts:
            raise click.UsageError(
                "--box is a region of a picture; it cannot be combined with --text."
            )

    def fused_label(self, models: options.ModelChoice, rule: DecisionRule) -> str:
        """Return --as. Raises UsageError without it, or for options that exclude --probe."""
        others = (self.arguments, self.texts, self.fusion, self.box, rule.reranker)
        named = any((models.modality, models.encoder, models.detector))
        if not self.label or any(others) or named or rule.threshold is not None:
            raise click.UsageError(
                "--probe can be combined only with --as, --fmr, --store and --json."
            )
        return self.label

    @property
    def choose(self) -> Chooser:
        """Return the chooser of the region to compare."""
        from siamkit import region_choosers

        return region_choosers.within_box(self.box) if self.box else region_choosers.largest_region


def _verify(
    ws: Workspace,
    gallery: str,
    sources: list[Path | str],
    request: VerifyRequest,
    models: options.ModelChoice,
    rule: DecisionRule,
) -> Verification:
    if request.label:
        return ws.verify_identity(
            gallery,
            request.label,
            sources[0],
            rule=rule,
            fusion=request.fusion,
            choose=request.choose,
        )
    a, b = sources
    if models.modality is None:
        return ws.verify(gallery, a, b, rule=rule, choose=request.choose)
    detector = options.default_or_none(models.detector)
    pipeline = ws.pipeline(models.modality, encoder=models.encoder, detector=detector)
    return ws.verify(pipeline, a, b, rule=rule, choose=request.choose)


def _note_regions(result: Verification, box: Box | None) -> None:
    """Print on stderr which region was compared, and what is wrong with it."""
    from siamkit import region_choosers

    for side in (result.left, result.right):
        if side.region_count > 1 and side.region and (box is None or side is result.left):
            region = region_choosers.describe_region(side.region)
            stderr(
                f"Note: {side.source}: {side.region_count} found, and the largest was compared:"
                f" {region}"
            )
        for problem in side.quality.problems if side.quality else ():
            stderr(f"Note: {side.source}: {problem}; the answer may be unreliable")


def _sentence(verdict: Verdict, *, reranked: bool) -> str:
    """Return 'same: score 0.951 >= threshold 0.926 (false match rate 0.001), probability 0.998'."""
    threshold, score = verdict.threshold, f"score {verdict.score:.3f}"
    probability = ""
    if reranked:
        score = f"probability {verdict.probability:.3f} (cosine {verdict.score:.3f})"
    elif verdict.probability is not None:
        probability = f", probability {format_probability(verdict.probability)}"
    if verdict.normalised is not None:
        score = f"S-norm {verdict.normalised:.3f} (cosine {verdict.score:.3f})"
    if verdict.decision == "can't tell":
        rate = f", false match rate {threshold.fmr:g}" if threshold.fmr else ""
        below = f"{verdict.different_below:.3f} (different below)"
        same = f"{threshold.value:.3f} (same from{rate})"
        return f"can't tell: {score} is between {below} and {same}{probability}"
    rate = f" (false match rate {threshold.fmr:g})" if threshold.fmr else ""
    sign = ">=" if verdict.decision == "same" else "<"
    return f"{verdict.decision}: {score} {sign} threshold {threshold.value:.3f}{rate}{probability}"


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


def _side(side: ComparedSide) -> dict[str, Any]:
    from siamkit.sdk import regions

    return {
        "source": side.source,
        "samples": side.samples,
        "seen": side.region_count,
        "region": regions.to_dict(side.region) if side.region else None,
        "quality": round(side.quality.score, 4) if side.quality else None,
        "problems": list(side.quality.problems) if side.quality else [],
    }
