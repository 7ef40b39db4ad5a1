"""Answers as flat rows, one dict of plain values each, for pandas and files of tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from siamkit.reports import collection_facts
from siamkit.reports.facts import to_dict
from siamkit.types import Region, Threshold

if TYPE_CHECKING:
    from siamkit.flows.answer import Answer
    from siamkit.flows.answer_lists import Answers, Batch
    from siamkit.flows.classify import Classified
    from siamkit.flows.dedupe import Deduped
    from siamkit.flows.detect import Detected
    from siamkit.flows.embed import Embeddings
    from siamkit.flows.evaluate import Evaluation
    from siamkit.flows.explain import Explanation
    from siamkit.flows.find import SearchedPicture
    from siamkit.flows.timeline import Timeline
    from siamkit.flows.verification import Verification

Row = dict[str, Any]
EDGES = ("left", "top", "right", "bottom")


def to_rows(answer: Any) -> list[Row]:
    """Return an answer as rows with the same columns; any dataclass is one row."""
    names = (kind.__name__ for kind in type(answer).__mro__)
    list_rows = next((LISTED[name] for name in names if name in LISTED), None)
    return list_rows(answer) if list_rows else [to_dict(answer)]


def _place(region: Region) -> Row:
    """Return the box of a region in px, or its span in s; None for what it does not have."""
    where: tuple[float | None, ...] = region.where or ()
    box = where if len(where) == 4 else (None,) * 4
    span = where if len(where) == 2 else (None,) * 2
    return dict(zip((*EDGES, "start", "stop"), (*box, *span), strict=True))


def _value(threshold: Threshold | None) -> float | None:
    return threshold.value if threshold else None


def _of_batch(batch: Batch[Any]) -> list[Row]:
    return [row for item in batch for row in to_rows(item)]


def _of_answers(answers: Answers[Any]) -> list[Row]:
    if answers.error:
        decided = dict.fromkeys(("decision", "identity", "probability", "score", "threshold"))
        rest = {"nearest": None, "enrolled_from": None, "error": str(answers.error)}
        return [{"source": answers.source, "region": None, **_place(Region()), **decided, **rest}]
    is_query = type(answers[0]).__name__ == "Answer"
    describe: Callable[[int, Any], Row] = _of_answer if is_query else _of_classified
    return [describe(number, answer) for number, answer in enumerate(answers, 1)]


def _of_answer(number: int, answer: Answer) -> Row:
    best = answer.matches[0] if answer.matches else None
    return {
        "source": answer.source,
        "region": number,
        **_place(answer.region),
        "decision": str(answer.decision),
        "identity": answer.identity,
        "probability": best.probability if best and not answer.objection else None,
        "score": answer.deciding_score(best) if best else None,
        "threshold": _value(answer.threshold),
        "nearest": best and best.identity,
        "enrolled_from": best and best.source,
        "error": None,
    }


def _of_classified(number: int, region: Classified) -> Row:
    best = region.classes[0]
    return {
        "source": region.source,
        "region": number,
        **_place(region.region),
        "decision": str(region.decision),
        "identity": ", ".join(region.identities) or None,
        "probability": best.probability,
        "score": best.score,
        "threshold": _value(region.nearest.threshold if region.nearest else None),
        "nearest": best.identity,
        "enrolled_from": None,
        "error": None,
    }


def _of_verification(answer: Verification) -> list[Row]:
    verdict = answer.verdict
    return [
        {
            "a": answer.left.source,
            "b": answer.right.source,
            "decision": str(verdict.decision),
            "probability": verdict.probability,
            "score": answer.deciding_score,
            "threshold": verdict.threshold.value,
            "error": None,
        }
    ]


def _of_pair(pair: Any) -> list[Row]:
    if pair.verification is not None:
        return _of_verification(pair.verification)
    unknown = dict.fromkeys(("decision", "probability", "score", "threshold"))
    return [{"a": pair.a, "b": pair.b, **unknown, "error": str(pair.error)}]


def _of_picture(picture: SearchedPicture) -> list[Row]:
    """Return a row per sighting; one without identity if there is none."""
    first = {"source": picture.source, "decision": None if picture.error else str(picture.decision)}
    last = {"error": str(picture.error) if picture.error else None}
    rows = [
        {
            **first,
            "identity": sighting.identity,
            **{edge: place[edge] for edge in EDGES},
            "probability": sighting.probability,
            "score": sighting.score,
            "threshold": _value(picture.threshold),
            "enrolled_from": sighting.source,
            **last,
        }
        for sighting in picture.sightings
        for place in [_place(sighting.region)]
    ]
    columns = ("identity", *EDGES, "probability", "score", "threshold", "enrolled_from")
    return rows or [{**first, **dict.fromkeys(columns), **last}]


def _of_detected(detected: Detected) -> list[Row]:
    last = {"error": str(detected.error) if detected.error else None}
    rows = [
        {
            "source": detected.source,
            "region": number,
            "label": region.label,
            "score": region.score,
            **_place(region),
            **last,
        }
        for number, region in enumerate(detected.regions, 1)
    ]
    unknown = dict.fromkeys(("region", "label", "score"))
    return rows or [{"source": detected.source, **unknown, **_place(Region()), **last}]


def _of_embeddings(embedded: Embeddings) -> list[Row]:
    """Return a row per vector, in their order."""
    return [
        {
            "item": place.item,
            "source": place.source,
            **_place(place.region),
            "quality": place.quality.score if place.quality else None,
        }
        for place in embedded.regions
    ]


def _of_timeline(timeline: Timeline) -> list[Row]:
    return [{"source": timeline.source, "name": t.name, **asdict(t)} for t in timeline.turns]


def _of_deduped(deduped: Deduped) -> list[Row]:
    """Return a row per item in a group, group by group."""
    with_region = deduped.has_regions
    describe = collection_facts.of_member
    return [describe(member, with_region=with_region) for member in deduped.members]


def _of_explanation(explanation: Explanation) -> list[Row]:
    return [
        {
            "side": side,
            "source": sample.source,
            "where": ",".join(f"{value:g}" for value in part.where),
            "text": part.text or None,
            "contribution": part.contribution,
        }
        for side, sample in (("left", explanation.left), ("right", explanation.right))
        for part in sample.ranked_parts
    ]


def _of_evaluation(result: Evaluation) -> list[Row]:
    """Return one row of headline figures."""
    facts = to_dict(result)
    counts = {key: facts[key] for key in ("name", "mated", "non_mated", "identities")}
    rates = {"eer": facts["eer"]["value"], "eer_threshold": facts["eer"]["threshold"]}
    rates["roc_auc"] = facts["roc_auc"]["value"]
    at_fmr = {
        f"fnmr_at_fmr_{point['wanted']:g}": point["fnmr"]["value"] for point in facts["at_fmr"]
    }
    return [{**counts, **rates, **at_fmr, "accuracy": facts["accuracy"]}]


LISTED: dict[str, Callable[[Any], list[Row]]] = {  # by the name of the class: none is imported
    "Answers": _of_answers,
    "Answer": lambda answer: [_of_answer(1, answer)],
    "Batch": _of_batch,
    "Classified": lambda region: [_of_classified(1, region)],
    "Deduped": _of_deduped,
    "Detected": _of_detected,
    "Embeddings": _of_embeddings,
    "Evaluation": _of_evaluation,
    "Explanation": _of_explanation,
    "SearchedPicture": _of_picture,
    "Timeline": _of_timeline,
    "Verification": _of_verification,
    "VerifiedPair": _of_pair,
}
