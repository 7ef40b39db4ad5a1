"""Collections and measurements as dicts of JSON values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from siamkit.io.sources import to_text
from siamkit.reports.answer_facts import rounded
from siamkit.sdk import regions

if TYPE_CHECKING:
    from siamkit.flows.dedupe import Deduped, Member
    from siamkit.flows.embed import Embeddings
    from siamkit.flows.enrol import EnrolResult
    from siamkit.flows.evaluate import Evaluation
    from siamkit.flows.style import Stylised
    from siamkit.stats.identification import IdentificationMetrics
    from siamkit.stats.verification import OperatingPoint
    from siamkit.store.galleries import Gallery
    from siamkit.store.samples import Sample
    from siamkit.train.pictures.events import Painted
    from siamkit.train.pictures.reconstructions import Reconstructions
    from siamkit.types import Calibration, Fault

Facts = dict[str, Any]


# --- enrolment and galleries ---


def of_enrolment(result: EnrolResult) -> Facts:
    """Describe the outcome of enrolling one source."""
    facts: Facts = {
        "label": result.label,
        "source": result.source,
        "status": result.status,
        "sample_ids": list(result.sample_ids),
    }
    if result.error:
        facts |= {"error": str(result.error), "hint": result.error.hint}
    return facts


def of_embeddings(embedded: Embeddings) -> Facts:
    """Describe vectors and what they are of."""
    return {
        "fingerprint": embedded.fingerprint,
        "vectors": embedded.vectors.tolist(),
        "regions": [
            {
                "item": place.item,
                "source": place.source,
                "region": regions.to_dict(place.region),
                "quality": place.quality and round(place.quality.score, 4),
            }
            for place in embedded.regions
        ],
        "errors": {str(number): str(error) for number, error in embedded.errors.items()},
    }


def of_gallery(gallery: Gallery) -> Facts:
    """Describe a gallery; how much it holds, `Workspace.count` tells."""
    return {
        "name": gallery.name,
        "modality": gallery.space.modality,
        "detector": gallery.detector,
        "encoder": gallery.encoder,
        "index": gallery.index,
        "fingerprint": gallery.space.fingerprint,
        "dim": gallery.space.dim,
        "threshold": asdict(gallery.threshold) if gallery.threshold else None,
        "created": gallery.created,
    }


def of_sample(sample: Sample) -> Facts:
    """Describe an enrolled sample."""
    return {
        "id": sample.id,
        "gallery": sample.gallery,
        "source": sample.source,
        "sha256": sample.digest.hex(),
        "region": json.loads(sample.region),
        "quality": sample.quality,
        "created": sample.created,
    }


# --- many items, and measurements ---


def of_deduped(deduped: Deduped) -> Facts:
    """Describe the groups of duplicates."""
    related = deduped.related()
    grouping = deduped.grouping
    rule, expected = grouping.rule, grouping.expected_false
    with_region = deduped.has_regions
    groups: list[Facts] = []
    for member in deduped.members:
        if member.canonical:
            see_also = [group.group for group in related.get(member.group, ())]
            groups.append({"group": member.group, "see_also": see_also, "members": []})
        groups[-1]["members"].append(of_member(member, with_region=with_region))
    return {
        "items": len(deduped.items),
        "copies": deduped.copies,
        "threshold": asdict(rule.threshold),
        "reranker": rule.reranker.name if rule.reranker else None,
        "mining": dict(grouping.mining),
        "comparisons": grouping.comparisons,
        "pairs": len(grouping.pairs),
        "contradictions": [
            {"left_id": left.id, "right_id": right.id, "reason": objection.reason}
            for left, right, objection in deduped.contradictions()
        ],
        "expected_false": rounded(expected),
        "groups": groups,
        "left_out": [_of_item_fault(fault, "reason") for fault in deduped.left_out],
        "errors": [_of_item_fault(fault, "error") for fault in deduped.faults],
    }


def of_member(member: Member, *, with_region: bool) -> Facts:
    """Describe an item in a group."""
    item = member.item
    facts: Facts = {"group": member.group, "canonical": member.canonical, "line": item.line}
    facts |= {"id": item.id, "text": item.shown, "score": member.score}
    return facts | {"region": item.place} if with_region else facts


def _of_item_fault(fault: Fault, reason: str) -> Facts:
    return {"line": fault.line, "id": fault.name, reason: fault.reason}


def of_calibration(gallery: str, calibration: Calibration, faults: Sequence[Fault] = ()) -> Facts:
    """Describe what a gallery's scores mean. faults: what could not be used to measure it."""
    from siamkit.stats.calibration import different_below, threshold_for_fmr
    from siamkit.stats.calibration_json import to_dict

    deciding = calibration.normalised or calibration
    threshold = threshold_for_fmr(deciding)
    return {
        "gallery": gallery,
        "decides_by": "cosine" if deciding is calibration else "S-norm",
        "threshold": asdict(threshold),
        "different_below": min(different_below(deciding), threshold.value),
        "faults": [{"where": fault.where, "reason": fault.reason} for fault in faults],
        **to_dict(calibration),
    }


def of_evaluation(result: Evaluation) -> Facts:
    """Describe how often a system is wrong."""
    measured, comparisons = result.measured, result.measured.comparisons
    mated = int(comparisons.mated.sum())
    return {
        "name": result.name,
        "mated": mated,
        "non_mated": len(comparisons) - mated,
        "identities": comparisons.identities,
        "impostor_pairs": comparisons.non_mated_identity_pairs,
        "draws": measured.draws,
        "roc_auc": asdict(measured.auc),
        "eer": {**asdict(measured.eer), "threshold": measured.eer_threshold},
        "at_fmr": [_of_point(point) for point in measured.at_fmr],
        "unsupported_fmr": measured.unsupported_fmrs,
        "at_threshold": [_of_point(point) for point in measured.at_thresholds],
        "accuracy": measured.accuracy,
        "accuracy_standard_error": measured.accuracy_error,
        "min_dcf": {str(prior): asdict(cost) for prior, cost in measured.min_dcf.items()},
        "groups": [asdict(group) for group in measured.groups],
        "groups_at": measured.groups_at,
        "identification": result.identified and _of_identification(result.identified),
        "faults": [{"where": fault.where, "reason": fault.reason} for fault in result.faults],
        "notes": result.notes,
    }


def _of_identification(identified: IdentificationMetrics) -> Facts:
    return {
        "identities": identified.searches.identities,
        "probes": len(identified.searches.labels),
        "hit_rate": {str(rank): asdict(rate) for rank, rate in identified.hit_rate.items()},
        "at_fpir": [asdict(point) for point in identified.at_fpir],
        "unsupported_fpir": identified.unsupported_fpirs,
    }


def _of_point(point: OperatingPoint) -> Facts:
    fields = asdict(point)
    fields["wanted"] = fields.pop("target_fmr")
    return fields


# --- pictures ---


def of_painted(painted: Painted) -> Facts:
    """Describe a picture that gradient descent painted, without its pixels."""
    facts = {field.name: getattr(painted, field.name) for field in fields(painted) if field.repr}
    return facts | {"output": to_text(painted.output)} if painted.output else facts


def of_reconstructions(shown: Reconstructions) -> Facts:
    """Describe what single layers tell of pictures, without pixels."""
    return {
        "content": shown.content,
        "style": shown.style,
        "encoder": shown.encoder,
        "output": None if shown.output is None else to_text(shown.output),
        "reconstructions": [
            {
                "kind": item.kind,
                "layers": list(item.layers),
                "loss": item.loss,
                "output": None if item.output is None else to_text(item.output),
            }
            for item in shown.reconstructions
        ],
    }


def of_stylised(stylised: Stylised) -> Facts:
    """Describe one picture in another style, or its error."""
    facts: Facts = {"source": stylised.source, "status": stylised.status}
    if stylised.error:
        return facts | {"error": str(stylised.error), "hint": stylised.error.hint}
    if stylised.width:
        facts |= {"width": stylised.width, "height": stylised.height}
    return facts | ({"output": to_text(stylised.output)} if stylised.output else {})
