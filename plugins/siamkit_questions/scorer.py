"""The reranker `lexical`: the probability that two questions ask the same.

Vectors of questions that differ in a number, a name, a negation or a verb are nearly equal; this
model sees such differences because it compares the words too. tools/pair_scorer.py trains it and
says on which data; pair_scorer.safetensors holds fitted numbers and a word table, but no text of
that data.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import MissingWeights, Uncalibrated
from siamkit.protocols import Reranker
from siamkit.sdk.model_folder import Card
from siamkit.types import Threshold
from siamkit_questions import judge, lexical, pairs
from siamkit_questions.contradiction import contradict, unify
from siamkit_questions.spelling import letter_groups
from siamkit_questions.words import WordTable

if TYPE_CHECKING:
    from siamkit.types import Vectors

WEIGHTS = Path(__file__).with_name("pair_scorer.safetensors")
FORMAT = "1"  # of the weights; features and weights change together
CHUNK = 4096  # pairs at a time: larger chunks measured no faster and need more memory
SPELLINGS = ((2, 512), (3, 1024))  # letters per group, and slots that groups are hashed into
# Shares of unknown words: up to the first only the model counts, from the second only cosine.
UNKNOWN = (0.5, 0.75)
SAME_WORDS = np.float32(0.995)  # least probability if only case and punctuation differ
# Greatest probability if the numbers of two texts contradict each other: below any useful
# threshold. Of 156 such pairs of Quora questions, people called 22 the same.
MOST_CONTRADICTED = np.float32(0.3)
_SIGNS = re.compile(r"(?<=\d)\s*([-+*/^=<>])\s*(?=\d)")


def open_scorer(card: Card) -> Reranker[str]:
    """Open the scorer for an encoder's vectors.

    Raises Uncalibrated if it was fitted to other weights than the encoder's, MissingWeights if
    its own are damaged.
    """
    arrays, facts = read_weights(WEIGHTS)
    if card.preprocessing.get("weights") != facts["encoder"]:
        raise Uncalibrated(
            f"the lexical scorer was not fitted to the encoder {card.name}",
            hint="use the encoder minilm-l6 or minilm-l6-int8, or a reranker cross-encoder:MODEL",
        )
    return LexicalScorer(arrays, facts)


@cache
def read_weights(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read the arrays and the facts (threshold, encoder, format). Raises MissingWeights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = json.loads(file.metadata()["facts"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise MissingWeights(
            f"the weights of the lexical scorer cannot be read: {error}", hint="reinstall siamkit"
        ) from error
    if facts.get("format") != FORMAT:
        raise MissingWeights(
            "the weights of the lexical scorer belong to another version of siamkit",
            hint="reinstall siamkit",
        )
    return arrays, facts


class LexicalScorer:
    """See siamkit.protocols.Reranker. Safe to use from several threads: nothing in it changes."""

    name = "lexical"

    def __init__(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        self.threshold = Threshold(**facts["threshold"])
        self.candidates = float(facts["candidates"])
        self._model = arrays
        self._table = WordTable.unpack(arrays)

    def score(
        self,
        left: Sequence[str],
        right: Sequence[str],
        left_vectors: Vectors,
        right_vectors: Vectors,
    ) -> NDArray[np.float32]:
        """Return (n,) probabilities that left[i] and right[i] ask the same.

        left_vectors, right_vectors: (n, dim).
        """
        scores = np.empty(len(left), dtype=np.float32)
        for start in range(0, len(left), CHUNK):
            part = slice(start, start + CHUNK)
            scores[part] = self._score(
                left[part], right[part], left_vectors[part], right_vectors[part]
            )
        return scores

    def _score(
        self, left: Sequence[str], right: Sequence[str], a: Vectors, b: Vectors
    ) -> NDArray[np.float32]:
        alike = [unify(*two) for two in zip(left, right, strict=True)]
        one, other = [two[0] for two in alike], [two[1] for two in alike]
        inputs = describe(self._table, one, other, a, b)
        along = judge.axes_features(self._model["axes"], a, b)
        logits = judge.logit(self._model, inputs.lexical, along)
        by_model = judge.probability(logits, self._model["calibration"])
        by_cosine = judge.probability(inputs.cosine, self._model["plain calibration"])
        share = np.clip((inputs.unknown - UNKNOWN[0]) / (UNKNOWN[1] - UNKNOWN[0]), 0, 1)
        scores: NDArray[np.float32] = (1 - share) * by_model + share * by_cosine
        scores = scores.astype(np.float32)
        scores[inputs.equal] = np.maximum(scores[inputs.equal], SAME_WORDS)
        contradicted = [contradict(*two) is not None for two in zip(left, right, strict=True)]
        scores[contradicted] = np.minimum(scores[contradicted], MOST_CONTRADICTED)
        return scores


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The model's inputs for n pairs."""

    names: list[str]  # of the k features
    lexical: NDArray[np.float32]  # (n, k), see siamkit_questions.pairs
    cosine: NDArray[np.float32]  # (n,)
    unknown: NDArray[np.float32]  # (n,) share of unknown words, of the text that has more
    equal: NDArray[np.bool_]  # (n,) True where both have the same words in the same order


def describe(
    table: WordTable, left: Sequence[str], right: Sequence[str], a: Vectors, b: Vectors
) -> Inputs:
    """Compute the features of n pairs; each text is analysed once, however many pairs it is in.

    a, b: (n, dim) vectors of the left and the right texts.
    """
    numbers: dict[str, int] = {}
    for text in (*left, *right):
        numbers.setdefault(text, len(numbers))
    texts = list(numbers)
    # The order of the two texts must not matter, not even in the last digit.
    rows = np.array(
        [[numbers[min(two)], numbers[max(two)]] for two in zip(left, right, strict=True)],
        dtype=np.int64,
    ).reshape(-1, 2)
    folded = [lexical.fold(text) for text in texts]
    analysis = lexical.analyse(folded, table)
    spellings = [letter_groups(folded, length, size) for length, size in SPELLINGS]
    cosine = np.einsum("nd,nd->n", a, b).astype(np.float32)
    letters = np.empty((len(rows), len(spellings)), dtype=np.float32)
    batches = []
    names: list[str] = []
    for start in range(0, max(len(rows), 1), pairs.BATCH):
        part = slice(start, start + pairs.BATCH)
        first, second = rows[part].T
        for k, groups in enumerate(spellings):
            letters[part, k] = np.einsum("nd,nd->n", groups[first], groups[second])
        names, features = pairs.compute_features(
            analysis, table, first, second, cosine[part], letters[part]
        )
        batches.append(features)
    keys = [_comparison_key(text, row) for text, row in zip(folded, analysis.rows, strict=True)]
    equal = np.array([keys[first] == keys[second] for first, second in rows], dtype=bool)
    unknown = analysis.unknown[rows].max(axis=1)
    return Inputs(names, np.concatenate(batches), cosine, unknown, equal)


def _comparison_key(text: str, row: tuple[int, ...]) -> object:
    """Return a key that is equal for texts that differ only in case and punctuation."""
    if not row:
        return text
    signs = tuple(_SIGNS.findall(text))
    marks = () if text.isascii() else tuple(c for c in text if unicodedata.category(c)[0] in "SM")
    return row, signs, marks
