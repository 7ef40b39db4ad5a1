"""Any cross-encoder as a reranker: slow, and only where the user asks for it. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.quiet import quiet
from siamkit.types import Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.protocols import Reranker
    from siamkit.types import Vectors

BATCH = 32
SOURCE = "a cross-encoder's own probability of one half: it was not calibrated here"
CANDIDATES = 0.5  # cosine; the encoder's pairs below it are rarely the same


def open_cross_encoder(model: str) -> Reranker[str]:
    """A cross-encoder with one output, by its name on the Hugging Face hub or its folder.

    Raises MissingWeights if it is not here and cannot be fetched, BadInput if it has several
    outputs (a model of entailment, say) or is no such model.
    """
    with quiet():
        loaded = _load(model)
    labels = getattr(loaded, "num_labels", None)
    if labels != 1:
        raise BadInput(
            f"{model} gives {labels} scores a pair, and one probability is wanted",
            hint="use a cross-encoder with one label, such as those trained on STS or QQP",
        )
    return CrossEncoderScorer(model, loaded)


def _load(model: str) -> Any:
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(model, device="cpu", trust_remote_code=False)
    except Exception as error:  # huggingface, requests and transformers each raise their own
        raise _cause(model, error) from error


def _cause(model: str, error: Exception) -> BadInput | MissingWeights:
    from pathlib import Path

    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if Path(model).is_dir():
        return BadInput(
            f"{model} is no cross-encoder that can be opened: {reason}",
            hint="it needs config.json, a tokenizer and weights, as transformers saves them",
        )
    return MissingWeights(
        f"the cross-encoder {model} is not here, and could not be fetched",
        hint="give the folder of a model that was downloaded before, or connect to a network",
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
        """(n,) probabilities. The vectors are not looked at. Raises BadInput."""
        if len(left) != len(right):
            raise BadInput(
                f"pairs need as many left texts as right ones: {len(left)}, {len(right)}"
            )
        if not left:
            return np.zeros(0, dtype=np.float32)
        import torch

        rows = list(zip(left, right, strict=True))
        turned = [(b, a) for a, b in rows]
        with quiet():
            # Raw outputs, and the sigmoid here: what predict does by itself depends on the model.
            logits = self._model.predict(
                rows + turned,
                batch_size=BATCH,
                show_progress_bar=False,
                activation_fn=torch.nn.Identity(),
                convert_to_numpy=True,
            )
        chance = 1 / (1 + np.exp(-np.clip(np.asarray(logits, dtype=np.float64), -60, 60)))
        chance = chance.reshape(2, len(rows))
        mean: NDArray[np.float32] = chance.mean(axis=0).astype(np.float32)
        return mean
