"""The part of the modality that a network in training needs too: reading and embedding texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import MissingWeights
from siamkit.protocols import Source
from siamkit.types import Region
from siamkit_questions.text import decode, normalise

if TYPE_CHECKING:
    from siamkit_questions.sentences import Sentences

MINILM_TRAINED = "all-minilm-l6-v2"  # as a network to train, not as an encoder
HUB = "sentence-transformers"
ENGLISH = "en"


class BaseQuestions:
    """Reads and embeds texts, for the modality and for its networks in training."""

    name = "questions"
    nouns = ("question", "questions")
    kind = "text"
    detector: str | None = None

    def load(self, source: Source) -> str:
        """Normalise a text: given as str, or read from a file or bytes. Raises UnreadableSample."""
        if isinstance(source, Path):
            source = source.read_bytes()
        return normalise(source if isinstance(source, str) else decode(source))

    def crop(self, medium: str, region: Region) -> str:
        """Return the whole text: a text has no regions."""
        return medium

    def encoder(self, folder: Path | None = None) -> Sentences:
        """Open an encoder folder. Raises MissingWeights for None: this plugin ships no weights."""
        from siamkit_questions.sentences import Sentences

        if folder is None:
            raise MissingWeights(
                "questions have no encoder of their own",
                hint="run `siamkit encoders build questions`",
            )
        return Sentences(folder)

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return four subjects, each asked about in two ways."""
        from siamkit_questions.examples import EXAMPLES

        return EXAMPLES
