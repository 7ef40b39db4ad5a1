"""siamkit verify"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import options, pairs
from siamkit.cli.output import print_outcome
from siamkit.cli.probes import region_facts
from siamkit.io.wording import format_probability

if TYPE_CHECKING:
    from siamkit.flows.verify import ComparedSide
    from siamkit.stats.scoring import Fusion
    from siamkit.types import Box

EXIT_CODES = {sk.Decision.SAME: 0, sk.Decision.DIFFERENT: 3, sk.Decision.INCONCLUSIVE: 5}


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
Exit codes: 0 the same; 3 different; 5 inconclusive, because the score lies between the
calibration's thresholds for the two, or a file shows too little to compare; 4 a file holds nothing
to compare.
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
@options.box("The region of the (second) FILE to compare, in pixels [default: the largest].")
@options.page
@options.workspace
@options.as_json
def verify(
    ws: sk.Workspace,
    models: options.ModelChoice,
    rule: sk.DecisionRule,
    as_json: bool,
    **values: Any,
) -> int:
    """Decide whether two FILES (or texts) match, or whether one belongs to LABEL.

    Of several regions in a file (faces, for example) the largest is compared.
    """
    request = VerifyRequest(**values)
    if request.probes:
        label = request.fused_label(models, rule)
        from siamkit.cli import fused

        return EXIT_CODES[fused.show(ws, label, request.probes, rule, as_json=as_json)]
    result = _verify(ws, request, models, rule)
    pairs.note_regions(result.left, result.right, request.box, "answer")
    sentence = _sentence(result.verdict, reranked=rule.reranker is not None)
    print_outcome(as_json, _facts(result), *filter(None, (sentence, result.advice)))
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

    def fused_label(self, models: options.ModelChoice, rule: sk.DecisionRule) -> str:
        """Return --as. Raises UsageError without it, or for options that exclude --probe."""
        excluded = (self.arguments, self.texts, self.fusion, self.box, rule.reranker)
        named = any((models.modality, models.encoder, models.detector))
        if not self.label or any(excluded) or named or rule.threshold is not None:
            raise click.UsageError(
                "--probe can be combined only with --as, --fmr, --store and --json."
            )
        return self.label


def _verify(
    ws: sk.Workspace, request: VerifyRequest, models: options.ModelChoice, rule: sk.DecisionRule
) -> sk.Verification:
    label, texts = request.label, request.texts
    gallery, sources = pairs.split_arguments(request.arguments, texts, models)
    named = bool(gallery or models.modality) and not (models.modality and label)
    if not named or len(sources) != (1 if label else 2):
        raise click.UsageError("Give -m MODALITY A B, or GALLERY A B, or GALLERY --as LABEL FILE.")
    if label and rule.reranker:
        raise click.UsageError("--rerank compares two; it cannot be combined with --as.")
    pairs.check_options(models, request.box, texts)
    system = pairs.open_system(ws, gallery, models, texts)
    choose = pairs.choose_region(request.box)
    detector = options.default_or_none(models.detector)
    if not label:
        return ws.verify(system, *sources, rule=rule, choose=choose, detector=detector)
    return ws.verify_identity(
        gallery,
        label,
        sources[0],
        rule=rule,
        fusion=request.fusion,
        choose=choose,
        detector=detector,
    )


def _sentence(verdict: sk.Verdict, *, reranked: bool) -> str:
    """Return 'same: score 0.951 >= threshold 0.926 (false match rate 0.001), probability 0.998'."""
    threshold, score = verdict.threshold, f"score {verdict.score:.3f}"
    if verdict.objection:
        return f"{verdict.decision}: {verdict.objection.reason} ({score})"
    probability = ""
    if reranked:
        score = f"probability {verdict.probability:.3f} (cosine {verdict.score:.3f})"
    elif verdict.probability is not None:
        probability = f", probability {format_probability(verdict.probability)}"
    if verdict.normalised is not None:
        score = f"S-norm {verdict.normalised:.3f} (cosine {verdict.score:.3f})"
    if verdict.decision == sk.Decision.INCONCLUSIVE:
        rate = f", false match rate {threshold.fmr:g}" if threshold.fmr else ""
        below = f"{verdict.different_below:.3f} (different below)"
        same = f"{threshold.value:.3f} (same from{rate})"
        return f"inconclusive: {score} is between {below} and {same}{probability}"
    among = f" among {threshold.among}" if threshold.among else ""
    rate = f" (false match rate {threshold.fmr:g}{among})" if threshold.fmr else ""
    sign = ">=" if verdict.decision == sk.Decision.SAME else "<"
    return f"{verdict.decision}: {score} {sign} threshold {threshold.value:.3f}{rate}{probability}"


def _facts(result: sk.Verification) -> dict[str, Any]:
    return {
        "decision": result.verdict.decision,
        "score": round(result.verdict.score, 6),
        "normalised": result.verdict.normalised,
        "llr": result.verdict.llr,
        "probability": result.verdict.probability,
        "threshold": asdict(result.verdict.threshold),
        "different_below": result.verdict.different_below,
        "objection": result.verdict.objection and asdict(result.verdict.objection),
        "advice": result.advice,
        "left": _side(result.left),
        "right": _side(result.right),
    }


def _side(side: ComparedSide) -> dict[str, Any]:
    return {
        "source": side.source,
        "samples": side.samples,
        "seen": side.region_count,
        **region_facts(side),
        "problems": list(side.quality.problems) if side.quality else [],
    }
