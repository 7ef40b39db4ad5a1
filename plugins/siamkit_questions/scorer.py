"""The reranker `lexical`: how likely two questions ask the same, from vectors and words.

Vectors of questions that differ in a number, a name, a negation or a verb are nearly equal; the
words say what the vectors do not. Trained by tools/pair_scorer.py, whose docstring says on
what; pair_scorer.safetensors holds fitted numbers and a word table, no text of the data.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput, MissingWeights, Uncalibrated
from siamkit.types import Threshold
from siamkit_questions import judge, lexical, pairs
from siamkit_questions.spelling import letter_groups
from siamkit_questions.words import WordTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.protocols import Reranker
    from siamkit.sdk.model_folder import Card
    from siamkit.types import Vectors

WEIGHTS = Path(__file__).with_name("pair_scorer.safetensors")
FORMAT = "1"  # of the weights; features and weights change together
CHUNK = 4096  # pairs at a time: larger ones measured no faster and cost memory
SPELLINGS = ((2, 512), (3, 1024))  # letters a group, and slots that groups are hashed into
STRANGE = (0.5, 0.75)  # share of unknown words from which, and at which, only cosine counts
SAME_WORDS = np.float32(0.995)  # at least, of texts that differ in case and punctuation only
_SIGNS = re.compile(r"(?<=\d)\s*([-+*/^=<>])\s*(?=\d)")


def open_scorer(card: Card) -> Reranker[str]:
    """The scorer for an encoder's vectors.

    Raises Uncalibrated if it was fitted to other weights than the encoder's, MissingWeights if
    its own are damaged.
    """
    arrays, facts = _weights(WEIGHTS)
    if card.preprocessing.get("weights") != facts["encoder"]:
        raise Uncalibrated(
            f"the lexical scorer was not fitted to the encoder {card.name}",
            hint="use the encoder minilm-l6 or minilm-l6-int8, or a reranker cross-encoder:MODEL",
        )
    return LexicalScorer(arrays, facts)


@cache
def _weights(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = json.loads(file.metadata()["facts"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise MissingWeights(
            f"the weights of the lexical scorer cannot be read: {error}",
            hint="install siamkit again",
        ) from error
    if facts.get("format") != FORMAT:
        raise MissingWeights(
            "the weights of the lexical scorer belong to another version of siamkit",
            hint="install siamkit again",
        )
    return arrays, facts


class LexicalScorer:
    """See siamkit.protocols.Reranker. Holds no state: one may serve several threads."""

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
        """(n,) probabilities that left[i] and right[i] ask the same. Raises BadInput."""
        sizes = len(left), len(right), len(left_vectors), len(right_vectors)
        if len(set(sizes)) > 1:
            raise BadInput(f"pairs need as many texts as vectors on both sides, not {sizes}")
        found = np.empty(len(left), dtype=np.float32)
        for start in range(0, len(left), CHUNK):
            part = slice(start, start + CHUNK)
            one, other = left_vectors[part], right_vectors[part]
            found[part] = self._score(left[part], right[part], one, other)
        return found

    def _score(
        self, left: Sequence[str], right: Sequence[str], one: Vectors, other: Vectors
    ) -> NDArray[np.float32]:
        inputs = describe(self._table, left, right, one, other)
        along = judge.axes_features(self._model["axes"], one, other)
        main = judge.logit(self._model, inputs.lexical, along)
        known = judge.probability(main, self._model["calibration"])
        unknown = judge.probability(inputs.cosine, self._model["plain calibration"])
        share = np.clip((inputs.strange - STRANGE[0]) / (STRANGE[1] - STRANGE[0]), 0, 1)
        mixed: NDArray[np.float32] = ((1 - share) * known + share * unknown).astype(np.float32)
        mixed[inputs.equal] = np.maximum(mixed[inputs.equal], SAME_WORDS)
        return mixed


class Inputs:
    """What the model is given of n pairs."""

    def __init__(
        self,
        names: list[str],
        lexical_features: NDArray[np.float32],
        cosine: NDArray[np.float32],
        strange: NDArray[np.float32],
        equal: NDArray[np.bool_],
    ) -> None:
        self.names = names
        self.lexical = lexical_features  # (n, k), see siamkit_questions.pairs
        self.cosine = cosine  # (n,)
        self.strange = strange  # (n,) larger share of words of either text that nobody knows
        self.equal = equal  # (n,) True where the words are the same in the same order


def describe(
    table: WordTable, left: Sequence[str], right: Sequence[str], one: Vectors, other: Vectors
) -> Inputs:
    """Features of n pairs. Each text is looked at once, however many pairs it is in."""
    rows: dict[str, int] = {}
    pairs_of = [
        (rows.setdefault(a, len(rows)), rows.setdefault(b, len(rows)))
        for a, b in zip(left, right, strict=True)
    ]
    texts = list(rows)
    # Which of two texts is the first must not matter, not even in the last digit.
    rank = {text: k for k, text in enumerate(sorted(texts))}
    order = np.array([rank[text] for text in texts])
    both = np.array(pairs_of, dtype=np.int64).reshape(-1, 2)
    turn = order[both[:, 0]] > order[both[:, 1]]
    both[turn] = both[turn][:, ::-1]
    folded = [lexical.fold(text) for text in texts]
    analysis = lexical.analyse(folded, table)
    spelt = [letter_groups(folded, length, size) for length, size in SPELLINGS]
    cosine = np.einsum("nd,nd->n", one, other).astype(np.float32)
    letters = np.empty((len(both), len(spelt)), dtype=np.float32)
    parts = []
    names: list[str] = []
    for start in range(0, max(len(both), 1), pairs.BATCH):
        part = slice(start, start + pairs.BATCH)
        a, b = both[part, 0], both[part, 1]
        for k, groups in enumerate(spelt):
            letters[part, k] = np.einsum("nd,nd->n", groups[a], groups[b])
        names, made = pairs.features(analysis, table, a, b, cosine[part], letters[part])
        parts.append(made)
    keys = [_key(text, row) for text, row in zip(folded, analysis.rows, strict=True)]
    equal = np.array([keys[a] == keys[b] for a, b in both], dtype=bool)
    strange = np.maximum(analysis.unknown[both[:, 0]], analysis.unknown[both[:, 1]])
    return Inputs(names, np.concatenate(parts), cosine, strange, equal)


def _key(text: str, row: tuple[int, ...]) -> object:
    """What texts that differ in case and punctuation only have in common."""
    if not row:
        return text
    signs = tuple(_SIGNS.findall(text))
    marks = () if text.isascii() else tuple(c for c in text if unicodedata.category(c)[0] in "SM")
    return row, signs, marks
