"""Any cross-encoder as a reranker: slow, so only on request. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput, MissingWeights
from siamkit.protocols import Reranker
from siamkit.sdk.extras import require_extra
from siamkit.sdk.quiet import quiet
from siamkit.types import Threshold

if TYPE_CHECKING:
    from siamkit.types import Vectors

BATCH = 32  # pairs per run
SOURCE = "a cross-encoder's own probability of one half, which was not calibrated here"
CANDIDATES = 0.5  # cosine; pairs below it are rarely the same


def open_cross_encoder(model: str) -> Reranker[str]:
    """Open a cross-encoder with one output, given by hub name or folder.

    Raises MissingWeights if it is not installed and cannot be fetched, BadInput if it is not a
    cross-encoder, or has several outputs, as models of entailment do.
    """
    require_extra("train", "a cross-encoder")
    with quiet():
        loaded = _load(model)
    labels = getattr(loaded, "num_labels", None)
    if labels != 1:
        raise BadInput(
            f"{model} gives {labels} scores per pair, where one is needed",
            hint="use a cross-encoder with one label, such as those trained on STS or QQP",
        )
    return CrossEncoderScorer(model, loaded)


def _load(model: str) -> Any:
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(model, device="cpu", trust_remote_code=False)
    except Exception as error:  # huggingface_hub, requests and transformers raise their own classes
        raise _explain(model, error) from error


def _explain(model: str, error: Exception) -> BadInput | MissingWeights:
    from pathlib import Path

    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if Path(model).is_dir():
        return BadInput(
            f"{model} could not be opened as a cross-encoder: {reason}",
            hint="it needs config.json, a tokenizer and weights, as transformers saves them",
        )
    return MissingWeights(
        f"the cross-encoder {model} is not in the local hub cache, and could not be fetched",
        hint="give the folder of a downloaded model, or connect to a network",
    )


class CrossEncoderScorer:
    """See siamkit.protocols.Reranker. Both orders are scored; the mean is symmetric."""

    candidates = CANDIDATES

    def __init__(self, model: str, loaded: Any) -> None:
        self.name = f"cross-encoder:{model}"
        self.threshold = Threshold(0.5, None, SOURCE)
        self._model = loaded

    def score(
        self,
        left: Sequence[str],
        right: Sequence[str],
        left_vectors: Vectors,
        right_vectors: Vectors,
    ) -> NDArray[np.float32]:
        """Return (n,) probabilities; the vectors are ignored."""
        if not left:
            return np.zeros(0, dtype=np.float32)
        import torch

        rows = list(zip(left, right, strict=True))
        turned = [(b, a) for a, b in rows]
        with quiet():
            # Ask for raw outputs: whether predict applies a sigmoid depends on the model.
            logits = self._model.predict(
                rows + turned,
                batch_size=BATCH,
                show_progress_bar=False,
                activation_fn=torch.nn.Identity(),
                convert_to_numpy=True,
            )
        both_orders = np.asarray(logits, dtype=np.float64).reshape(2, len(rows))
        probabilities = 1 / (1 + np.exp(-np.clip(both_orders, -60, 60)))
        mean: NDArray[np.float32] = probabilities.mean(axis=0).astype(np.float32)
        return mean
