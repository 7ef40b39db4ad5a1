"""Encoder folders: a graph, `encoder.onnx`, and its card, `encoder.json`.

The fingerprint is a hash over the graph and every preprocessing constant, so two encoders with
equal fingerprints give comparable vectors. It is checked whenever a folder is opened: no vector of
a damaged graph reaches a gallery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, MissingWeights, PluginError
from siamkit.io import foreign
from siamkit.sdk import graph_file
from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.types import Threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPH, CARD = "encoder.onnx", "encoder.json"
MAX_DIM = 65_536  # numbers of a vector; encoders make a hundredth of it
REQUIRED = ("modality", "name", "dim", "preprocessing", "licence", "source", "threshold", "format")
FORMAT = 1  # of encoder.json; raise it when the meaning of a field changes


@dataclass(frozen=True, slots=True)
class Card:
    """Description of an encoder, stored as encoder.json beside the graph."""

    modality: str
    name: str
    dim: int  # of the vectors
    preprocessing: Mapping[str, Any]  # JSON values: every constant that changes the vectors
    licence: str  # of the weights
    source: str  # where the weights come from
    threshold: Threshold | None = None  # default decision threshold, with its provenance
    mated: float | None = None  # mean cosine of mated pairs; scores identities of several samples
    training: Mapping[str, Any] = field(default_factory=dict)  # the training card, if trained here
    languages: Sequence[str] = ()  # ISO 639 codes of those it was made for; () if not stated
    fingerprint: str = ""  # 'faces/1:9f3c2a7d51e0'; write_folder fills it in


class CardedEncoder:
    """Base of an encoder that serves a folder: the Encoder properties that its card answers.

    A subclass sets `card` and adds `embed`, which may check a graph's output by `require_shape`.
    """

    card: Card

    @property
    def dim(self) -> int:
        return self.card.dim

    @property
    def fingerprint(self) -> str:
        return self.card.fingerprint

    @property
    def threshold(self) -> Threshold | None:
        return self.card.threshold

    @property
    def mated(self) -> float | None:
        return self.card.mated

    def require_shape(self, vectors: NDArray[np.float32], count: int) -> None:
        """Raise PluginError unless a run's output for `count` media is (count, dim)."""
        if vectors.shape != (count, self.dim):
            raise PluginError(
                f"encoder {self.fingerprint} returned an array of shape {vectors.shape},"
                f" not {(count, self.dim)}"
            )


def require_preprocessing(
    card: Card, folder: Path, constants: Mapping[str, Any], *, hint: str
) -> None:
    """Raise MissingWeights unless the card agrees with each of a plugin's constants (JSON values).

    The card may hold further constants: training adds its own. hint: the way out other than using
    the version of the plugin that made the folder, such as "train again".
    """
    stored = card.preprocessing
    differing = [name for name, value in constants.items() if stored.get(name) != value]
    if differing:
        raise MissingWeights(
            f"encoder folder {folder} was made by another version of the plugin:"
            f" its preprocessing differs in {', '.join(differing)}",
            hint=f"use that version, or {hint}",
        )


def fingerprint(modality: str, graph: bytes, preprocessing: Mapping[str, Any]) -> str:
    """Return 'MODALITY/FORMAT:' and 12 hex digits: SHA-256 of the graph and the sorted constants.

    preprocessing: JSON values, in any order.
    """
    return graph_file.fingerprint(f"{modality}/{FORMAT}", graph, preprocessing)


def write_folder(folder: Path, graph: bytes, card: Card) -> None:
    """Write an encoder's graph (a serialised ONNX model) and card into an existing folder.

    Fills in the card's fingerprint. The card is written last, so that it never describes a graph
    that is not there.
    """
    data = asdict(card)
    data["fingerprint"] = fingerprint(card.modality, graph, card.preprocessing)
    data["format"] = FORMAT
    graph_file.write(folder / GRAPH, graph, folder / CARD, data)


def write_card(folder: Path, card: Card) -> None:
    """Replace the card of an encoder folder whose graph and preprocessing stay as they are."""
    graph_file.write_card(folder / CARD, asdict(card) | {"format": FORMAT})


def projection(matrix: NDArray[np.floating[Any]], dtype: type) -> bytes:
    """Serialise an ONNX graph: (n, …) arrays, flattened, times `matrix` (length, dim), to norm 1.

    dtype: of the arrays. Such a graph, with a random matrix say, is a first encoder to train from:
    `siamkit train` puts a head on it.
    """
    import numpy as np

    graph = GraphWriter()
    numbers = graph.node("Cast", "arrays", to=TYPES["float32"])
    rows = graph.node("Reshape", numbers, np.array([-1, len(matrix)]))
    projected = graph.node("MatMul", rows, np.asarray(matrix, np.float32))
    graph.node("LpNormalization", projected, output="vectors", axis=-1, p=2)
    arrays = Port("arrays", np.dtype(dtype).name, None)
    vectors = Port("vectors", "float32", ("n", matrix.shape[1]))
    return graph.model("projection", [arrays], [vectors])


def read_card(folder: Path) -> Card:
    """Read the card alone, without checking the graph.

    Raises MissingWeights if there is none, or another version of siamkit wrote it.
    """
    hint = "`siamkit encoders list` shows the encoders that can be built here"
    try:
        data = foreign.require_object(foreign.read_json(folder / CARD), *REQUIRED)
        if data.pop("format") != FORMAT:
            raise ValueError("written by another version of siamkit")
        return _parse_card(data)
    except (BadInput, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MissingWeights(
            f"{folder} is not an encoder folder: {CARD}: {error}", hint=hint
        ) from error


def _parse_card(data: dict[str, Any]) -> Card:
    limit = data.pop("threshold")
    card = Card(**data, threshold=Threshold(**limit) if limit else None)
    texts = [card.modality, card.name, card.licence, card.source, card.fingerprint]
    texts += card.languages
    cosines = [] if card.mated is None else [card.mated]
    rates = []
    if card.threshold is not None:
        cosines.append(card.threshold.value)
        texts.append(card.threshold.source)
        rates = [rate for rate in (card.threshold.fmr, card.threshold.fpir) if rate is not None]
    is_sound = (
        all(isinstance(text, str) for text in texts)
        and type(card.dim) is int
        and 0 < card.dim <= MAX_DIM
        and isinstance(card.preprocessing, dict)
        and isinstance(card.training, dict)
        and isinstance(card.languages, list | tuple)
        and all(-1 <= cosine <= 1 for cosine in cosines)
        and all(0 <= rate <= 1 for rate in rates)
    )
    if not is_sound:
        raise ValueError("its values are of other types, or out of range")
    return card


def read_folder(folder: Path) -> tuple[Card, bytes]:
    """Read the card and the graph, checked against the fingerprint.

    Raises MissingWeights if either file is absent or damaged.
    """
    card = read_card(folder)
    graph = graph_file.read_checked(
        folder / GRAPH,
        f"{card.modality}/{FORMAT}",
        card.preprocessing,
        stated=card.fingerprint,
        kind="encoder",
    )
    return card, graph
