"""Open rerankers by name, and check the probabilities they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, PluginError
from siamkit.host import registry
from siamkit.protocols import Reranker, Reranks, Verifier
from siamkit.types import Ids, Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PAIRS_PER_BLOCK = 8_192  # pairs that are judged at once


def open_reranker(pipeline: Pipeline, name: str) -> Reranker[Any]:
    """Open a reranker of a modality.

    Raises BadInput, MissingWeights, Uncalibrated or PluginError.
    """
    modality = pipeline.modality
    if not isinstance(modality, Reranks) or not modality.rerankers:
        raise BadInput(f"modality {modality.name!r} has no reranker", hint="leave out `--rerank`")
    with registry.calling(modality, f"opening reranker {name}"):
        reranker: Reranker[Any] = modality.reranker(name, pipeline.encoder)
    return reranker


def pick_reranker(pipeline: Pipeline, name: str | None) -> Reranker[Any] | None:
    """Open a reranker by name; None for no name."""
    return None if name is None else open_reranker(pipeline, name)


def open_verifier(pipeline: Pipeline) -> Verifier[Any] | None:
    """Open the reranker that verifications ask by default; None if the modality names none."""
    name: str | None = getattr(pipeline.modality, "verifier", None)
    if name is None:
        return None
    verifier = open_reranker(pipeline, name)
    if not isinstance(verifier, Verifier):
        raise PluginError(f"{registry.describe(verifier)}: no verifier, see siamkit.protocols")
    return verifier


def judge(
    reranker: Reranker[Any],
    left: Sequence[Any],
    right: Sequence[Any],
    left_vectors: Vectors,
    right_vectors: Vectors,
) -> NDArray[np.float32]:
    """Return a reranker's (n,) probabilities that left[i] and right[i] are the same.

    Raises PluginError if it returns anything but n values in [0, 1].
    """
    import numpy as np

    with registry.calling(reranker, "scoring"):
        scores = np.asarray(reranker.score(left, right, left_vectors, right_vectors), np.float32)
    if scores.shape != (len(left),) or not ((scores >= 0) & (scores <= 1)).all():
        raise PluginError(
            f"{registry.describe(reranker)}: reranker did not return probabilities for"
            f" {len(left)} pairs"
        )
    return scores


def judge_pairs(
    reranker: Reranker[Any],
    media: Sequence[Any],
    vectors: Vectors,
    left: Ids,
    right: Ids,
    report: Callable[[int], None],
) -> NDArray[np.float32]:
    """Return a reranker's (n,) probabilities that samples left[i] and right[i] are the same.

    media: (m,) cropped samples. vectors: (m, dim). report: called with the number of pairs judged.
    """
    import numpy as np

    scores = np.empty(len(left), np.float32)
    for start in range(0, len(left), PAIRS_PER_BLOCK):
        stop = min(start + PAIRS_PER_BLOCK, len(left))
        a, b = left[start:stop], right[start:stop]
        media_a, media_b = [media[i] for i in a], [media[i] for i in b]
        scores[start:stop] = judge(reranker, media_a, media_b, vectors[a], vectors[b])
        report(stop)
    return scores
