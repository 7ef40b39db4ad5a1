"""The modality `questions`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import MissingWeights
from siamkit.protocols import OwnNetwork, Reranker
from siamkit.sdk.extras import require_extra
from siamkit.sdk.model_folder import Card
from siamkit.types import Decision, Objection, Threshold
from siamkit_questions.base import ENGLISH, HUB, MINILM_TRAINED, BaseQuestions

if TYPE_CHECKING:
    from siamkit_questions.sentences import Sentences

MINILM, MINILM_INT8 = "minilm-l6", "minilm-l6-int8"
LEXICAL, CROSS_ENCODER = "lexical", "cross-encoder"
# Default thresholds, as benchmarks/objections.py measures them on 4977 labelled pairs of Quora
# questions, whose non-duplicates were picked because they look alike: the least cosine that reaches
# a precision of 0.80 on one half, with the objections below. The rates are those on the other half.
# Unrelated texts pass far more rarely than the FMR stated here.
DATA = "precision 0.80 on half of 4977 labelled Quora pairs, with objections; on the other half"
THRESHOLDS = {
    MINILM: Threshold(0.862, fmr=0.098, source=f"{DATA} 0.77, recall 0.53"),
    MINILM_INT8: Threshold(0.859, fmr=0.095, source=f"{DATA} 0.76, recall 0.52"),
}


class Questions(BaseQuestions):
    """Short texts, and which of them ask the same. A sample is a text, or a file that holds one."""

    purpose = "Find texts that mean the same."
    calibration = Path(__file__).with_name("calibration.json")
    encoders: Mapping[str, str] = {
        MINILM: "all-MiniLM-L6-v2 (Apache-2.0), as shipped",
        MINILM_INT8: "the same, with weights in 8 bits: a quarter of the size, faster, less exact",
    }
    origins: Mapping[str, str] = {
        HUB: "a sentence-transformers model: a folder, or its name on the Hugging Face hub"
    }
    networks: Mapping[str, str] = {MINILM_TRAINED: encoders[MINILM], HUB: origins[HUB]}
    rerankers: Mapping[str, str] = {
        LEXICAL: "for research: compares the words of both texts, and their vectors; fitted to"
        " Quora Question Pairs, which Quora offers for non-commercial use only"
    }  # and any cross-encoder, as cross-encoder:MODEL

    def build(self, name: str, folder: Path) -> None:
        """Write an encoder folder from the shipped weights. Raises MissingWeights."""
        from siamkit_questions import bert

        source, threshold = self.encoders[MINILM], THRESHOLDS[name]
        card = Card(self.name, name, 0, {}, "Apache-2.0", source, threshold, languages=[ENGLISH])
        bert.build(folder, card, int8=name == MINILM_INT8)

    def add(self, origin: str, model: str, folder: Path) -> None:
        """Write the encoder folder of a third-party sentence-transformers model.

        Its pooling, length limit, lower-casing and default prompt are kept; vectors are scaled to
        norm 1. The languages that its README states are put on the card. Separate prompts for
        queries and documents are not applied.

        Raises BadInput or MissingWeights.
        """
        from siamkit_questions import origins
        from siamkit_questions.export import export

        require_extra("train", "making an encoder of a sentence-transformers model")
        path = origins.find_model(model)
        licence, languages = origins.read_licence(path, model), origins.read_languages(path)
        source = f"{origin}:{model}"
        card = Card(self.name, Path(model).name, 0, {}, licence, source, languages=languages)
        export(path, folder, card)

    def trainable(self, backbone: str) -> OwnNetwork[str]:
        """Open a model to train all weights of.

        backbone: `all-minilm-l6-v2`, or `sentence-transformers:` with a folder or a hub name.
        Raises BadInput or MissingWeights.
        """
        from siamkit_questions.training import WholeModel

        return WholeModel(backbone)

    def objection(self, left: str, right: str, encoder: Sentences) -> Objection | None:
        """Object to other numbers or words, and to a difference that the encoder does not see."""
        from siamkit_questions.contradiction import ambiguous, contradict
        from siamkit_questions.differences import contradict_in_words

        if left == right:
            return None
        if reason := contradict(left, right) or contradict_in_words(left, right):
            return Objection(Decision.DIFFERENT, reason)
        if date := ambiguous(left, right):
            return Objection(Decision.INCONCLUSIVE, f"the date {date} can be read in two ways")
        a, b = encoder.read(left), encoder.read(right)
        if a.tokens == b.tokens and a.hidden != b.hidden:
            return Objection(
                Decision.INCONCLUSIVE,
                "they differ only in words or signs that the model does not see",
            )
        return None

    def reranker(self, name: str, encoder: Sentences) -> Reranker[str]:
        """Open a reranker: `lexical`, or `cross-encoder:` with a folder or a hub name.

        `lexical` is for research: see `rerankers`.

        Raises MissingWeights, or Uncalibrated if `lexical` was not fitted to this encoder.
        """
        kind, _, model = name.partition(":")
        if name == LEXICAL:
            from siamkit_questions.scorer import open_scorer

            return open_scorer(encoder.card)
        if kind == CROSS_ENCODER and model:
            from siamkit_questions.crossencoder import open_cross_encoder

            return open_cross_encoder(model)
        raise MissingWeights(
            f"questions have no reranker {name!r}",
            hint=f"use {CROSS_ENCODER}:MODEL, or {LEXICAL} (for research: fitted to non-commercial"
            " data)",
        )
