"""Families of detectors: how the outputs of a network become regions, one module per family.

A family is a module of this folder, named in FAMILIES. It has

    def decode(outputs: list[NDArray], card: DetectorCard, frame: Frame) -> list[Region]

outputs: of the graph, in its order, each with its batch of 1. card: with the `min_score` to use,
which a caller may have lowered. frame: where the picture lies in the input
(siamkit_objects.inputs). The regions are best first, not below `card.min_score`, inside the
picture, not empty, and at most `card.max_regions`: `siamkit_objects.candidates.to_regions` sees to
all of that, suppression included.

Optional:

    def require_fit(shapes: list[tuple[int, ...]], card: DetectorCard) -> None

shapes: of the outputs, before each `decode`. Raises MissingWeights, with the shapes, unless this
family can read them.

    def find(network: Network, card: DetectorCard, pixels: NDArray) -> list[Region]
    def find_prompted(network: Network, card: DetectorCard, pixels: NDArray, prompt: Prompt)
        -> list[Region]

for a graph that takes more than a picture. `find` replaces `decode`; with `find_prompted` the
detector is a siamkit.protocols.Prompted. network: siamkit_objects.folder.Network.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from siamkit.errors import MissingWeights

FAMILIES = ("boxes", "detr", "localiser", "masks", "sam", "semantic", "ssd", "yolo", "yolox")


def load(name: str) -> Any:
    """Import a family's module. Raises MissingWeights for an unknown name."""
    if name not in FAMILIES:
        raise MissingWeights(
            f"the detector's card names the family {name!r}, which is not known",
            hint=f"known: {', '.join(FAMILIES)}; a newer version of siamkit may know more",
        )
    return import_module(f"{__name__}.{name}")
