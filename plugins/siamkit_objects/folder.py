"""Serve detector folders: a picture through the recipe, the graph, and its family's decoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk import onnx
from siamkit.sdk.detector_folder import read_folder
from siamkit.types import Image, Region
from siamkit_objects import families, inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Prompt

FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class Network:
    """The open graph of a detector folder. Opening raises MissingWeights if it is refused."""

    def __init__(self, graph: bytes) -> None:
        self._session = onnx.encoder_session(graph)
        entries = self._session.get_inputs()
        self.inputs = [entry.name for entry in entries]
        # Their sides; None for one that is not fixed.
        self.input_shapes = [
            [side if isinstance(side, int) else None for side in entry.shape] for entry in entries
        ]
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._dtypes = {entry.name: FLOATS.get(entry.type) for entry in entries}

    def run(self, arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return every output for arrays by input name.

        Arrays are converted to the type of pixels that the graph takes, and float16 to float32.
        """
        fed = {
            name: array.astype(dtype, copy=False) if (dtype := self._dtypes[name]) else array
            for name, array in arrays.items()
        }
        outputs = onnx.run_guarded(self._session, fed)
        return [out.astype(np.float32) if out.dtype == np.float16 else out for out in outputs]


class FolderDetector:
    """The detector of a folder. It is `Prompted`, too, if its family takes prompts.

    Opening raises MissingWeights if the folder is absent or damaged, or its graph is refused.
    """

    kind = "image"

    def __init__(self, folder: Path) -> None:
        self.card, graph = read_folder(folder)
        self._family = families.load(self.card.family)
        try:
            inputs.require_recipe(self.card.input)
            self._network = Network(graph)
        except MissingWeights as error:
            raise MissingWeights(f"detector folder {folder}: {error}", hint=error.hint) from error
        if hasattr(self._family, "find_prompted"):
            self.find_prompted = self._find_prompted

    @property
    def name(self) -> str:
        """The name on its card."""
        return self.card.name

    @property
    def labels(self) -> Sequence[str]:
        """The labels that its regions may have."""
        return self.card.labels

    @property
    def fingerprint(self) -> str:
        """The hash of its graph and every constant."""
        return self.card.fingerprint

    @property
    def min_score(self) -> float:
        """The score below which nothing is reported."""
        return self.card.min_score

    def with_min_score(self, score: float) -> FolderDetector:
        """Return the same detector with another limit; it shares the open graph.

        Raises BadInput unless the score is in [0, 1].
        """
        if not 0 <= score <= 1:
            raise BadInput(f"a lowest score of {score:g} is not between 0 and 1")
        changed = copy(self)
        changed.card = replace(self.card, min_score=float(score))
        if hasattr(self, "find_prompted"):
            changed.find_prompted = changed._find_prompted
        return changed

    def find(self, medium: Image) -> list[Region]:
        """Return one region per object, best first; [] if there is none.

        Raises MissingWeights if the graph's outputs are not those of the family on its card.
        """
        with self._naming_itself():
            if hasattr(self._family, "find"):
                regions: list[Region] = self._family.find(self._network, self.card, medium.pixels)
                return regions
            return self._find(medium.pixels)

    @contextmanager
    def _naming_itself(self) -> Iterator[None]:
        """Name this detector in an error about its graph."""
        try:
            yield
        except MissingWeights as error:
            raise MissingWeights(f"detector {self.name}: {error}", hint=error.hint) from error

    def run(self, pixels: NDArray[np.uint8]) -> tuple[list[NDArray[Any]], inputs.Frame]:
        """Return the outputs of the graph, and where the picture lies in its input."""
        array, frame = inputs.prepare(pixels, self.card.input)
        return self._network.run({self._network.inputs[0]: array}), frame

    def _find(self, pixels: NDArray[np.uint8]) -> list[Region]:
        outputs, frame = self.run(pixels)
        if hasattr(self._family, "require_fit"):
            self._family.require_fit([output.shape for output in outputs], self.card)
        regions: list[Region] = self._family.decode(outputs, self.card, frame)
        return regions

    def _find_prompted(self, medium: Image, prompt: Prompt) -> list[Region]:
        with self._naming_itself():
            regions: list[Region] = self._family.find_prompted(
                self._network, self.card, medium.pixels, prompt
            )
        return regions
