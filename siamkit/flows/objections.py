"""Object to a match that a score suggests: the vector says nothing, or misses a difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from siamkit.embed.batches import EmbeddedRegion
from siamkit.embed.pipeline import Pipeline
from siamkit.host import registry
from siamkit.protocols import Advises, Objects
from siamkit.store import Gallery, Store, samples, templates
from siamkit.store.live_index import LiveIndex
from siamkit.types import Decision, Match, Objection, Quality


def of_quality(quality: Quality | None) -> Objection | None:
    """Return the objection to any decision on a region that is not comparable."""
    if quality is None or quality.comparable:
        return None
    return Objection(Decision.INCONCLUSIVE, "; ".join(quality.problems))


def advise(pipeline: Pipeline, references: int) -> str:
    """Return what makes an inconclusive comparison with so many samples conclusive, or ""."""
    modality = pipeline.modality
    if not isinstance(modality, Advises):
        return ""
    with registry.calling(modality, "advising"):
        advice: str = modality.advise(references)
        return advice


def opener(pipeline: Pipeline) -> Callable[[Any, Any], Objection | None] | None:
    """Return the modality's function of two cropped media; None if it never objects."""
    modality = pipeline.modality
    if not isinstance(modality, Objects):
        return None

    def object_to(left: Any, right: Any) -> Objection | None:
        with registry.calling(modality, "comparing"):
            objection: Objection | None = modality.objection(left, right, pipeline.encoder)
            return objection

    return object_to


def of_claim(
    store: Store, pipeline: Pipeline, gallery: Gallery, label: str, region: EmbeddedRegion
) -> Objection | None:
    """Return the modality's objection to a region being of an identity, by its nearest sample.

    As in `pass_over`, a sample whose source is gone meets no objection.
    """
    object_to = opener(pipeline)
    if object_to is None:
        return None
    from siamkit.flows.rerank import load_enrolled  # loads numpy, which most commands do without

    ids = (sample.id for sample in samples.of_label(store, label) if sample.gallery == gallery.name)
    enrolled = templates.of_samples(store, gallery, ids)
    nearest = max(enrolled, key=lambda i: float(enrolled[i] @ region.vector), default=None)
    medium = None if nearest is None else load_enrolled(store, pipeline, nearest)
    return None if medium is None else object_to(region.crop, medium)


def pass_over(
    live: LiveIndex,
    pipeline: Pipeline,
    probe: Any,
    matches: Sequence[Match],
    is_same: Callable[[Match], bool],
) -> list[Match]:
    """Return the matches of a cropped probe with the modality's objections to them.

    A match without objection that counts as the same comes first, if there is one. An enrolled
    sample whose source is gone meets no objection.
    """
    object_to = opener(pipeline)
    if object_to is None:
        return list(matches)
    from siamkit.flows.rerank import load_enrolled  # loads numpy, which most commands do without

    judged = []
    for match in matches:
        medium = load_enrolled(live.store, pipeline, match.sample_id) if is_same(match) else None
        objection = None if medium is None else object_to(probe, medium)
        judged.append(replace(match, objection=objection))
    first = next((m for m in judged if m.objection is None and is_same(m)), None)
    if first is None:
        return judged
    return [first, *(match for match in judged if match is not first)]
