"""`backbone = "encoder"`: train a new head on an encoder that the modality already has.

Its vectors are computed once; the head is then trained in minutes, on a laptop, for any modality.
The result is the encoder's own graph with the head at its end, so it is served as before.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from siamkit.embed.pipeline import open_encoder
from siamkit.errors import BadInput
from siamkit.models import cache, names
from siamkit.protocols import Encoder, Modality, Source
from siamkit.sdk.model_folder import CARD, GRAPH, Card, read_folder, write_folder
from siamkit.train.export import require_same
from siamkit.types import Region

ENCODER = "encoder"


class OwnEncoder:
    """A modality whose arrays are the (dim,) float32 vectors of one of its encoders."""

    backbone = ENCODER

    def __init__(self, modality: Modality[Any], encoder: str | None = None) -> None:
        self._modality = self.__wrapped__ = modality  # __wrapped__ is for inspect.unwrap
        self.name, self.kind, self.detector = modality.name, modality.kind, modality.detector
        self._encoder: Encoder[Any] = open_encoder(modality, encoder)
        self.plugin, self.is_default = modality, encoder is None
        # An encoder that a plugin ships is not in the cache; it names its own folder.
        self.folder: Path | None = names.resolve(modality, encoder) or getattr(
            self._encoder, "folder", None
        )
        if self.folder is None:
            raise BadInput(
                f"{modality.name} have no encoder folder to put a head on",
                hint=f"--set backbone={ENCODER}:FOLDER names one",
            )

    def load(self, source: Source) -> Any:
        return self._modality.load(source)

    def crop(self, medium: Any, region: Region) -> Any:
        return self._modality.crop(medium, region)

    def array(self, medium: Any) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._encoder.embed([medium])[0]
        return vector

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self._encoder.fingerprint

    def preprocessing(self) -> Mapping[str, Any]:
        return {ENCODER: self.fingerprint}

    def encoder(self, folder: Path | None = None) -> Encoder[Any]:
        return self._modality.encoder(folder)

    def examples(self) -> Sequence[tuple[str, Source]]:
        return self._modality.examples()

    def graft(self, head: nn.Linear, folder: Path, card: Card) -> None:
        """Write the encoder with a head at its end, and its own preprocessing in the card.

        Raises PluginError if the written encoder returns different vectors from torch.
        """
        assert self.folder is not None
        encoder_card, graph = read_folder(self.folder)
        for file in self.folder.iterdir():  # a tokenizer, weights that the graph does not hold
            if file.is_file() and file.name not in (GRAPH, CARD, *cache.OWN_FILES):
                shutil.copy(file, folder / file.name)
        card = replace(card, preprocessing=encoder_card.preprocessing)
        write_folder(folder, _graft(graph, head), card)
        modality = self._modality
        media = [modality.crop(modality.load(s), Region()) for _, s in modality.examples()]
        if media:
            vectors = self._encoder.embed(media) @ head.weight.detach().numpy().T
            vectors += head.bias.detach().numpy()
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            require_same(vectors, self._modality.encoder(folder).embed(media))


def linear(features: int, dim: int) -> nn.Linear:
    """Build a head that leaves cosines unchanged, or nearly so where dim < features."""
    head = nn.Linear(features, dim)
    nn.init.orthogonal_(head.weight) if dim != features else nn.init.eye_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _graft(graph: bytes, head: nn.Linear) -> bytes:
    """Append a head and L2 normalisation to a graph whose output is (n, features)."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(graph)
    body = model.graph
    tensors = {name for node in body.node for name in node.output}
    # The encoder's graph may have been grafted before.
    number = next(n for n in itertools.count() if f"siamkit.vectors.{n}" not in tensors)
    unit, weight, bias, embedding, vectors = (
        f"siamkit.{name}.{number}" for name in ("unit", "weight", "bias", "embedding", "vectors")
    )
    values = {weight: head.weight.detach().numpy().T, bias: head.bias.detach().numpy()}
    for name, value in values.items():
        body.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    # The head was trained on unit vectors; not every graph ends in them.
    normalise = helper.make_node("LpNormalization", [body.output[0].name], [unit], axis=-1, p=2)
    project = helper.make_node("Gemm", [unit, weight, bias], [embedding])
    normalise_again = helper.make_node("LpNormalization", [embedding], [vectors], axis=-1, p=2)
    body.node.extend([normalise, project, normalise_again])
    del body.output[:]
    body.output.append(
        helper.make_tensor_value_info(vectors, onnx.TensorProto.FLOAT, ["n", head.out_features])
    )
    content: bytes = model.SerializeToString()
    return content
