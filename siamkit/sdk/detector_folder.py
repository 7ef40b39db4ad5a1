"""Detector folders: a graph, `detector.onnx`, and its card, `detector.json`.

The card says what goes into the graph, how its outputs are read, and which plugin does both. The
fingerprint is a hash over the graph and all of that, and is checked whenever a folder is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, MissingWeights
from siamkit.io import foreign
from siamkit.sdk import graph_file

GRAPH, CARD = "detector.onnx", "detector.json"
FORMAT = 1  # of detector.json; raise it when the meaning of a field changes
MAX_LABELS = 100_000  # open vocabularies have some 20,000
MAX_REGIONS = 10_000  # of one picture; detectors report a hundredth of it


@dataclass(frozen=True, slots=True)
class DetectorCard:
    """Description of a detector, stored as detector.json beside the graph."""

    name: str
    plugin: str  # the region plugin that opens the folder, "objects" say
    family: str  # how the outputs are read, by that plugin: "ssd", "yolo", …
    labels: tuple[str, ...]  # of the classes, in the order of the graph's scores
    input: Mapping[str, Any]  # JSON values: how a picture becomes the graph's input
    decode: Mapping[str, Any]  # JSON values: constants of the family
    min_score: float  # in [0, 1]; weaker regions are not reported
    iou: float | None  # of two boxes of one label, from which the weaker is dropped; None: never
    max_regions: int  # of one picture, best first
    licence: str  # of the weights
    source: str  # where the weights come from
    training: Mapping[str, Any] = field(default_factory=dict)  # the training card, if trained here
    fingerprint: str = ""  # 'objects/1:9f3c2a7d51e0'; write_folder fills it in

    @property
    def constants(self) -> dict[str, Any]:
        """Every constant that changes the regions, as JSON values."""
        return {
            "family": self.family,
            "labels": list(self.labels),
            "input": dict(self.input),
            "decode": dict(self.decode),
            "min_score": self.min_score,
            "iou": self.iou,
            "max_regions": self.max_regions,
        }


_REQUIRED = (
    *("name", "plugin", "family", "labels", "input", "decode", "min_score", "iou", "max_regions"),
    *("licence", "source", "fingerprint", "format"),
)


def write_folder(folder: Path, graph: bytes, card: DetectorCard) -> None:
    """Write a detector's graph (a serialised ONNX model) and card into an existing folder.

    Fills in the card's fingerprint. The card is written last, so that it never describes a graph
    that is not there.
    """
    data = asdict(card)
    data["fingerprint"] = graph_file.fingerprint(_owner(card), graph, card.constants)
    data["format"] = FORMAT
    graph_file.write(folder / GRAPH, graph, folder / CARD, data)


def read_card(folder: Path) -> DetectorCard:
    """Read the card alone, without checking the graph.

    Raises MissingWeights if there is none, or another version of siamkit wrote it.
    """
    hint = "`siamkit detectors list` shows the detectors that there are"
    if not (folder / CARD).exists():
        raise MissingWeights(f"{folder} is not a detector folder: it has no {CARD}", hint=hint)
    try:
        data = foreign.require_object(foreign.read_json(folder / CARD), *_REQUIRED)
        if data.pop("format") != FORMAT:
            raise ValueError("written by another version of siamkit")
        if not isinstance(labels := data.pop("labels"), list):
            raise ValueError("its labels are not a list")
        card = DetectorCard(labels=tuple(labels), **data)
        _require_sound(card)
        return card
    except (BadInput, ValueError, TypeError) as error:
        raise MissingWeights(
            f"{folder} is not a detector folder: {CARD}: {error}", hint=hint
        ) from error


def read_folder(folder: Path) -> tuple[DetectorCard, bytes]:
    """Read the card and the graph, checked against the fingerprint.

    Raises MissingWeights if either file is absent or damaged.
    """
    card = read_card(folder)
    graph = graph_file.read_checked(
        folder / GRAPH, _owner(card), card.constants, stated=card.fingerprint, kind="detector"
    )
    return card, graph


def _owner(card: DetectorCard) -> str:
    return f"{card.plugin}/{FORMAT}"


def _require_sound(card: DetectorCard) -> None:
    """Raise ValueError unless all values of a card are of their types and in range."""
    texts = (card.name, card.plugin, card.family, card.licence, card.source, card.fingerprint)
    is_sound = (
        all(isinstance(text, str) for text in (*texts, *card.labels))
        and len(card.labels) <= MAX_LABELS
        and all(isinstance(part, dict) for part in (card.input, card.decode, card.training))
        and _is_share(card.min_score)
        and (card.iou is None or _is_share(card.iou))
        and type(card.max_regions) is int
        and 0 < card.max_regions <= MAX_REGIONS
    )
    if not is_sound:
        raise ValueError("its values are of other types, or out of range")


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and isfinite(value) and 0 <= value <= 1  # type: ignore[arg-type, operator]
