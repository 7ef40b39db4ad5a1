"""Encoder folders: `encoder.onnx` and, beside it, `encoder.json`, which says what it is.

The fingerprint is a hash over the graph and every preprocessing constant, so two encoders with
equal fingerprints give comparable vectors. The graph is hashed again at every opening: a damaged
folder is noticed before its vectors reach a gallery.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import MissingWeights
from siamkit.types import Threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPH, CARD = "encoder.onnx", "encoder.json"
FORMAT = 1  # of encoder.json; a change of meaning needs a new number


@dataclass(frozen=True, slots=True)
class Card:
    """What encoder.json says of the graph beside it."""

    modality: str
    name: str
    dim: int
    preprocessing: Mapping[str, Any]  # JSON values; every constant that changes the vectors
    licence: str  # of the weights
    source: str  # where the weights come from
    threshold: Threshold | None = None  # default decision threshold, with its provenance
    mated: float | None = None  # mean cosine of mated pairs, by which several samples are scored
    training: Mapping[str, Any] = field(default_factory=dict)  # the training card, if trained here
    fingerprint: str = ""  # 'faces/1:9f3c2a7d51e0', filled in by write_folder


class Carded:
    """An open encoder folder: what the Encoder protocol asks and the card says."""

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


def require_preprocessing(
    card: Card, folder: Path, constants: Mapping[str, Any], *, hint: str
) -> None:
    """Raise MissingWeights unless each constant of a plugin is what the card says of it.

    A card that was trained elsewhere may say more.
    """
    made = dict(card.preprocessing)
    differing = [name for name, value in constants.items() if made.get(name) != value]
    if differing:
        raise MissingWeights(
            f"encoder folder {folder} was made by another version of the plugin:"
            f" its preprocessing differs in {', '.join(differing)}",
            hint=f"use that version, or {hint}",
        )


def fingerprint(modality: str, graph: bytes, preprocessing: Mapping[str, Any]) -> str:
    """'MODALITY/FORMAT:12 hex digits' of SHA-256 over the graph and the canonical constants."""
    digest = hashlib.sha256(graph)
    digest.update(json.dumps(preprocessing, sort_keys=True, separators=(",", ":")).encode())
    return f"{modality}/{FORMAT}:{digest.hexdigest()[:12]}"


def write_folder(folder: Path, graph: bytes, card: Card) -> None:
    """Write both files of an encoder folder; the card goes last, so it never lies."""
    data = asdict(card)
    data["fingerprint"] = fingerprint(card.modality, graph, card.preprocessing)
    data["format"] = FORMAT
    (folder / GRAPH).write_bytes(graph)
    (folder / CARD).write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def projection(matrix: NDArray[np.floating[Any]], dtype: type) -> bytes:
    """A graph that lays each array of (n, …) flat and multiplies it by a matrix (length, dim).

    dtype: of the arrays. The rows that come out have norm 1. It is where an encoder begins that
    is to be trained: `siamkit train` puts a head on it.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    eats = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["arrays"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["numbers", "flat"], ["rows"]),
            helper.make_node("MatMul", ["rows", "matrix"], ["projected"]),
            helper.make_node("LpNormalization", ["projected"], ["vectors"], axis=-1, p=2),
        ],
        "projection",
        [helper.make_tensor_value_info("arrays", eats, None)],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", matrix.shape[1]])],
        [
            numpy_helper.from_array(np.array([-1, len(matrix)], np.int64), "flat"),
            numpy_helper.from_array(np.asarray(matrix, np.float32), "matrix"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content


def read_card(folder: Path) -> Card:
    """The card alone, unchecked against the graph. Raises MissingWeights."""
    try:
        data = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise ValueError("written by another version of siamkit")
        limit = data.pop("threshold")
        return Card(**data, threshold=Threshold(**limit) if limit else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MissingWeights(
            f"{folder} is not an encoder folder: {CARD}: {error}",
            hint="`siamkit encoders list` shows the encoders that can be built here",
        ) from error


def read_folder(folder: Path) -> tuple[Card, bytes]:
    """The card and the graph, checked against each other. Raises MissingWeights."""
    card = read_card(folder)
    try:
        graph = (folder / GRAPH).read_bytes()
    except OSError as error:
        raise MissingWeights(f"encoder folder {folder} has no {GRAPH}: {error}") from error
    if fingerprint(card.modality, graph, card.preprocessing) != card.fingerprint:
        raise MissingWeights(
            f"encoder folder {folder} is damaged: its files do not match its fingerprint",
            hint="delete the folder and build or copy it again",
        )
    return card, graph
