"""Answers about samples as dicts of JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from siamkit.errors import NothingFound
from siamkit.sdk import regions

if TYPE_CHECKING:
    from siamkit.errors import SiamkitError
    from siamkit.flows.answer import Answer
    from siamkit.flows.answer_lists import Answers
    from siamkit.flows.classify import Classified
    from siamkit.flows.detect import Detected
    from siamkit.flows.explain import ExplainedSample, Explanation, Part
    from siamkit.flows.find import SearchedPicture, Sighting
    from siamkit.flows.fuse import Fused
    from siamkit.flows.verification import ComparedSide, Verification
    from siamkit.flows.verify_many import VerifiedPair
    from siamkit.types import Threshold

Facts = dict[str, Any]
DIGITS = 6  # of scores and probabilities: float32 has no more


def rounded(value: float | None) -> float | None:
    """Round a score or a probability."""
    return None if value is None else round(value, DIGITS)


def of_error(source: str, error: SiamkitError) -> Facts:
    """Describe a source that could not be used."""
    return {"source": source, "error": str(error), "hint": error.hint}


def of_region(answer: Answer | Classified | ComparedSide) -> Facts:
    """Describe a region and its quality."""
    quality = round(answer.quality.score, 4) if answer.quality else None
    return {"region": answer.region and regions.to_dict(answer.region), "quality": quality}


# --- query and classify ---


def of_answer_list(answers: Answers[Any]) -> Facts:
    """Describe the answers about one sample, or its error."""
    if answers.error or not answers:
        return of_error(answers.source, answers.error or NothingFound("nothing was found"))
    is_query = type(answers[0]).__name__ == "Answer"
    return {"source": answers.source, **(of_answers if is_query else of_classes)(answers)}


def of_answers(answers: Sequence[Answer]) -> Facts:
    """Describe the answers about the regions of one probe, and what decided on the first."""
    return {
        **_of_basis(answers[0]),
        "regions": [of_answer(answer) for answer in answers],
    }


def of_answer(answer: Answer) -> Facts:
    """Describe the answer about one region."""
    return {
        **of_region(answer),
        "identity": answer.identity,
        "decision": answer.decision,
        "objection": answer.objection and asdict(answer.objection),
        "advice": answer.advice,
        **_of_basis(answer),
        "matches": [
            {
                **asdict(match),
                "score": rounded(match.score),
                "probability": rounded(match.probability),
                "normalised": rounded(match.normalised),
            }
            for match in answer.matches
        ],
    }


def _of_basis(answer: Answer) -> Facts:
    """Describe what decided on one region: the next may be without files, or of another count."""
    return {
        "decided_by": answer.decided_by,
        "reranker": answer.reranker,
        "threshold": _rounded_threshold(answer.threshold),
        "different_below": rounded(answer.different_below),
    }


def of_classes(classified: Sequence[Classified], top: int | None = None) -> Facts:
    """Describe the classes of the regions of one probe. top: how many of each; None for all."""
    nearest = classified[0].nearest
    return {
        "threshold": asdict(nearest.threshold) if nearest and nearest.threshold else None,
        "different_below": nearest.different_below if nearest else None,
        "regions": [of_classified(region, top) for region in classified],
    }


def of_classified(region: Classified, top: int | None = None) -> Facts:
    """Describe the classes of one region."""
    return {
        **of_region(region),
        **({"tags": region.identities} if region.tags else {"class": region.identity}),
        "decision": region.decision if region.nearest or region.objection else None,
        "objection": region.objection and asdict(region.objection),
        "classes": [
            {
                "identity": match.identity,
                "probability": round(match.probability, DIGITS),
                "score": round(match.score, DIGITS),
            }
            for match in region.classes[:top]
        ],
    }


def _rounded_threshold(threshold: Threshold | None) -> Facts | None:
    if threshold is None:
        return None
    return {**asdict(threshold), "value": round(threshold.value, DIGITS)}


# --- verify and explain ---


def of_verification(answer: Verification) -> Facts:
    """Describe a comparison of two samples, or of one with an identity."""
    verdict = answer.verdict
    return {
        "decision": verdict.decision,
        "score": round(verdict.score, DIGITS),
        "normalised": verdict.normalised,
        "llr": verdict.llr,
        "probability": verdict.probability,
        "decided_by": answer.decided_by,
        "reranker": verdict.reranker,
        "threshold": asdict(verdict.threshold),
        "different_below": verdict.different_below,
        "objection": verdict.objection and asdict(verdict.objection),
        "advice": answer.advice,
        "left": _of_side(answer.left),
        "right": _of_side(answer.right),
    }


def of_pair(pair: VerifiedPair) -> Facts:
    """Describe one of many comparisons, or its error."""
    named = {"a": pair.a, "b": pair.b}
    if pair.verification is None:
        return {**named, "error": str(pair.error), "hint": pair.error.hint if pair.error else ""}
    return {**named, **of_verification(pair.verification)}


def _of_side(side: ComparedSide) -> Facts:
    return {
        "source": side.source,
        "samples": side.samples,
        "seen": side.region_count,
        "number": side.number,
        **of_region(side),
        "problems": list(side.quality.problems) if side.quality else [],
    }


def of_fused(fused: Fused) -> Facts:
    """Describe a verification by several galleries."""
    return {
        "decision": fused.decision,
        "llr": round(fused.llr, DIGITS),
        "threshold": {"llr": fused.threshold, "fmr": fused.fmr},
        "different_below": -fused.threshold,
        "probability": fused.probability,
        "evidence": [
            {
                "gallery": part.gallery,
                "source": part.source,
                "score": None if part.verification is None else rounded(part.verification.score),
                "llr": round(part.llr, DIGITS),
                "dropped": part.reason or None,
            }
            for part in fused.evidence
        ],
    }


def of_explanation(explanation: Explanation) -> Facts:
    """Describe the verdict on two samples, and what each part contributes to their score."""
    verification = explanation.verification
    verdict = verification.verdict if verification is not None else None
    return {
        "decision": verdict.decision if verdict is not None else None,
        "probability": rounded(verdict.probability) if verdict is not None else None,
        "score": round(explanation.score, DIGITS),
        "decided_by": verification.decided_by if verification is not None else None,
        "reranker": verdict.reranker if verdict is not None else None,
        "threshold": _rounded_threshold(verdict.threshold) if verdict is not None else None,
        "different_below": rounded(verdict.different_below) if verdict is not None else None,
        "left": _of_explained(explanation.left),
        "right": _of_explained(explanation.right),
    }


def _of_explained(sample: ExplainedSample) -> Facts:
    return {
        "source": sample.source,
        "seen": sample.region_count,
        "region": regions.to_dict(sample.region),
        "problems": list(sample.quality.problems) if sample.quality else [],
        "parts": [_of_part(part) for part in sample.parts],
    }


def _of_part(part: Part) -> Facts:
    facts: Facts = {"where": [round(v, 3) for v in part.where]}
    if part.text:
        facts["text"] = part.text
    if part.in_recording:
        facts["heard"] = [round(v, 3) for v in part.in_recording]
    return {**facts, "contribution": round(part.contribution, DIGITS)}


# --- pictures and recordings ---


def of_picture(picture: SearchedPicture) -> Facts:
    """Describe a picture that was searched, or its error."""
    if picture.error:
        return of_error(picture.source, picture.error)
    return {
        "source": picture.source,
        "decision": picture.decision,
        "width": picture.width,
        "height": picture.height,
        "sightings": [of_sighting(sighting) for sighting in picture.sightings],
        "nearest": picture.nearest and of_sighting(picture.nearest),
    }


def of_sighting(sighting: Sighting) -> Facts:
    """Describe a place that shows an enrolled thing."""
    return {
        "identity": sighting.identity,
        "region": regions.to_dict(sighting.region),
        "score": round(sighting.score, DIGITS),
        "probability": rounded(sighting.probability),
        "fpir": rounded(sighting.fpir),
        "sample_id": sighting.sample_id,
        "source": sighting.source,
    }


def of_detected(detected: Detected) -> Facts:
    """Describe the regions of one source, or its error."""
    if detected.error:
        return of_error(detected.source, detected.error)
    size: Facts = {"width": detected.width, "height": detected.height}
    if not detected.width:
        size = {"seconds": round(detected.seconds, 2)}
    region_facts = [regions.to_dict(region) for region in detected.regions]
    return {"source": detected.source, **size, "regions": region_facts}


def of_timeline(timeline: Any) -> Facts:
    """Describe who speaks when."""
    from siamkit.reports.timeline import facts

    return facts(timeline)
