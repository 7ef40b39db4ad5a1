"""Answers as dicts of JSON values: what --json prints, and `to_dict` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from siamkit.io.sources import to_text
from siamkit.reports import answer_facts, collection_facts, layer_facts

if TYPE_CHECKING:
    from siamkit.flows.answer_lists import Batch

Facts = dict[str, Any]


def _of_batch(batch: Batch[Any]) -> Facts:
    return {**plain(batch.about), batch.key: [to_dict(item) for item in batch]}


DESCRIBED: dict[str, Callable[[Any], Facts]] = {  # by the name of the class: none is imported
    "Answers": answer_facts.of_answer_list,
    "Batch": _of_batch,
    "Answer": answer_facts.of_answer,
    "Classified": answer_facts.of_classified,
    "Verification": answer_facts.of_verification,
    "VerifiedPair": answer_facts.of_pair,
    "Fused": answer_facts.of_fused,
    "Explanation": answer_facts.of_explanation,
    "LayersExplanation": layer_facts.of_layers,
    "AttentionExplanation": layer_facts.of_attention,
    "SearchedPicture": answer_facts.of_picture,
    "Sighting": answer_facts.of_sighting,
    "Detected": answer_facts.of_detected,
    "Painted": collection_facts.of_painted,
    "Reconstructions": collection_facts.of_reconstructions,
    "Stylised": collection_facts.of_stylised,
    "Timeline": answer_facts.of_timeline,
    "Embeddings": collection_facts.of_embeddings,
    "EnrolResult": collection_facts.of_enrolment,
    "Gallery": collection_facts.of_gallery,
    "Sample": collection_facts.of_sample,
    "Deduped": collection_facts.of_deduped,
    "Evaluation": collection_facts.of_evaluation,
}


def to_dict(answer: Any) -> Facts:
    """Return an answer as a dict of JSON values; any dataclass by its fields."""
    names = (kind.__name__ for kind in type(answer).__mro__)
    describe = next((DESCRIBED[name] for name in names if name in DESCRIBED), plain)
    facts: Facts = describe(answer)
    return facts


def plain(value: Any) -> Any:
    """Return a dataclass, or anything in one, as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return to_text(value)
    if isinstance(value, PurePath | Exception):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    tolist = getattr(value, "tolist", None)  # of numpy's arrays and numbers
    return tolist() if tolist else value
