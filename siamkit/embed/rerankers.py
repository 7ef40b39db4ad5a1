"""Rerankers: opened by name, asked with their answers checked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from siamkit.embed.pipeline import DEFAULT, Pipeline
from siamkit.errors import BadInput, PluginError, Uncalibrated
from siamkit.host import registry
from siamkit.protocols import Reranks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.protocols import Reranker
    from siamkit.types import Vectors

log = logging.getLogger("siamkit")


def names(pipeline: Pipeline) -> list[str]:
    """The rerankers that a modality offers; the first is its default."""
    return list(pipeline.modality.rerankers) if isinstance(pipeline.modality, Reranks) else []


def open_reranker(pipeline: Pipeline, name: str) -> Reranker[Any]:
    """One reranker of a modality. Raises BadInput, MissingWeights, Uncalibrated, PluginError."""
    who = pipeline.modality
    if not isinstance(who, Reranks) or not who.rerankers:
        raise BadInput(f"{who.name} have no reranker", hint="leave --rerank out")
    with registry.calling(who, f"opening reranker {name}"):
        made: Reranker[Any] = who.reranker(name, pipeline.encoder)
    return made


def pick_reranker(pipeline: Pipeline, name: str | None) -> Reranker[Any] | None:
    """A reranker by name; DEFAULT is the modality's own, or none if it does not fit."""
    if name is None:
        return None
    if name != DEFAULT:
        return open_reranker(pipeline, name)
    known = names(pipeline)
    try:
        return open_reranker(pipeline, known[0]) if known else None
    except Uncalibrated as error:
        log.warning(f"{error}; going by the cosine alone")
        return None


def judge(
    reranker: Reranker[Any],
    left: Sequence[Any],
    right: Sequence[Any],
    left_vectors: Vectors,
    right_vectors: Vectors,
) -> NDArray[np.float32]:
    """(n,) probabilities of a reranker. Raises PluginError if they are none."""
    import numpy as np

    with registry.calling(reranker, "scoring"):
        scores = np.asarray(reranker.score(left, right, left_vectors, right_vectors), np.float32)
    if scores.shape != (len(left),) or not ((scores >= 0) & (scores <= 1)).all():
        raise PluginError(
            f"{registry.describe(reranker)}: reranker gave no probabilities for {len(left)} pairs"
        )
    return scores
