"""`backbone = "encoder"`: a new head on an encoder that the modality has already.

Its vectors are made once; the head is then trained in minutes, on a laptop, for any modality. The
result is the encoder's own graph with the head at its end, so it is served as before.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from siamkit.embed.pipeline import open_encoder
from siamkit.errors import BadInput
from siamkit.models import cache, names
from siamkit.sdk.model_folder import CARD, GRAPH, Card, read_folder, write_folder
from siamkit.train.export import require_same

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENCODER = "encoder"


class OwnEncoder:
    """A modality whose arrays are the (dim,) float32 vectors of one of its encoders."""

    backbone = ENCODER

    def __init__(self, plugin: Any, wanted: str | None = None) -> None:
        self._plugin = self.__wrapped__ = plugin  # the latter as inspect.unwrap wants it
        self.name, self.kind, self.detector = plugin.name, plugin.kind, plugin.detector
        self._encoder = open_encoder(plugin, wanted)
        # One that a plugin carries itself is in no cache, and says where it lies.
        self.folder: Path | None = names.resolve(plugin, wanted) or getattr(
            self._encoder, "folder", None
        )
        if self.folder is None:
            raise BadInput(
                f"{plugin.name} have no encoder folder to put a head on",
                hint=f"--set backbone={ENCODER}:FOLDER names one",
            )

    def load(self, source: Any) -> Any:
        return self._plugin.load(source)

    def crop(self, medium: Any, region: Any) -> Any:
        return self._plugin.crop(medium, region)

    def array(self, medium: Any) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._encoder.embed([medium])[0]
        return vector

    def preprocessing(self) -> Mapping[str, Any]:
        return {ENCODER: self._encoder.fingerprint}

    def encoder(self, folder: Path | None = None) -> Any:
        return self._plugin.encoder(folder)

    def graft(self, head: nn.Linear, folder: Path, card: Card) -> None:
        """Write the encoder with a head at its end. Raises PluginError if it gives other vectors.

        What the card says of preprocessing is what the encoder's own says.
        """
        assert self.folder is not None
        before, graph = read_folder(self.folder)
        for file in self.folder.iterdir():  # a tokenizer, weights that the graph does not hold
            if file.is_file() and file.name not in (GRAPH, CARD, *cache.OWN_FILES):
                shutil.copy(file, folder / file.name)
        write_folder(
            folder, _grafted(graph, head), replace(card, preprocessing=before.preprocessing)
        )
        media = [self._plugin.load(source) for _, source in self._plugin.examples()]
        if media:
            vectors = self._encoder.embed(media) @ head.weight.detach().numpy().T
            vectors += head.bias.detach().numpy()
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            require_same(vectors, self._plugin.encoder(folder).embed(media))


def linear(features: int, dim: int) -> nn.Linear:
    """A head that at first leaves cosines as they are, or nearly so where dim < features."""
    head = nn.Linear(features, dim)
    nn.init.orthogonal_(head.weight) if dim != features else nn.init.eye_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _grafted(graph: bytes, head: nn.Linear) -> bytes:
    """A graph that ends in (n, features), with a head and L2 normalisation behind it."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(graph)
    body = model.graph
    taken = {name for node in body.node for name in node.output}
    # The encoder may be a graph with a head itself.
    number = next(n for n in itertools.count() if f"siamkit.vectors.{n}" not in taken)
    unit, weight, bias, embedding, vectors = (
        f"siamkit.{name}.{number}" for name in ("unit", "weight", "bias", "embedding", "vectors")
    )
    values = {weight: head.weight.detach().numpy().T, bias: head.bias.detach().numpy()}
    for name, value in values.items():
        body.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    body.node.extend([
        # What the head was trained on are unit vectors; not every graph ends in them.
        helper.make_node("LpNormalization", [body.output[0].name], [unit], axis=-1, p=2),
        helper.make_node("Gemm", [unit, weight, bias], [embedding]),
        helper.make_node("LpNormalization", [embedding], [vectors], axis=-1, p=2),
    ])  # fmt: skip
    del body.output[:]
    body.output.append(
        helper.make_tensor_value_info(vectors, onnx.TensorProto.FLOAT, ["n", head.out_features])
    )
    content: bytes = model.SerializeToString()
    return content
