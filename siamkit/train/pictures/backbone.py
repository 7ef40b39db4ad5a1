"""Encoders to paint by: their layers, and which of them suit content and style. Imports no torch.

The layers of VGG networks are those of the paper, see siamkit.train.pictures.losses. Those of
EfficientNet-Lite0 were chosen by eye: the wider layers inside its blocks leave more noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, MissingWeights
from siamkit.models import names
from siamkit.models.added import list_added
from siamkit.models.cache import is_folder
from siamkit.protocols import Modality
from siamkit.sdk.layers import Layer, read_layers
from siamkit.sdk.model_folder import CARD, read_folder

if TYPE_CHECKING:
    from siamkit.train.pictures.graph import GraphModule

VGG = "vgg19"  # preferred where the user added it: the network of the paper
# Content layers and style layers of networks that are known by the names of their layers.
SUITED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")),
    (("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
    (("block3_2",), ("stem", "block1_1", "block2_2", "block3_2", "block4_3")),
    (("block3_2",), ("stem", "block1_1", "block2_2", "block3_2")),
)
STAGES = 5  # layers of other networks that styles are taken from
COPIES = 4  # of each layer's values that a step holds, gradients and operands counted


@dataclass(frozen=True, slots=True, eq=False)
class Backbone:
    """An encoder's graph, and those of its layers that keep the places of a picture apart."""

    name: str  # "styles/vgg19"
    fingerprint: str
    graph: bytes
    layers: tuple[Layer, ...]

    @property
    def content_layers(self) -> tuple[str, ...]:
        """The layers that suit content best."""
        return self._suited[0]

    @property
    def style_layers(self) -> tuple[str, ...]:
        """The layers that suit style best, from early to late."""
        return self._suited[1]

    @property
    def _suited(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        known = {layer.name for layer in self.layers}
        for content, style in SUITED:
            if known.issuperset((*content, *style)):
                return content, style
        last = {layer.stride: layer.name for layer in self.layers}  # of each resolution
        style = tuple(last.values())[:STAGES]
        return (style[len(style) // 2],), style

    def network(self, layers: Sequence[str]) -> GraphModule:
        """Return the network that computes some layers, conv4_2 of the paper as relu4_2.

        Raises BadInput for an unknown name.
        """
        from siamkit.train.pictures.graph import GraphModule

        tensors = {layer.name: layer.tensor for layer in self.layers}
        return GraphModule(self.graph, [tensors[name] for name in self.named(layers)])

    def named(self, layers: Sequence[str]) -> list[str]:
        """Return the names that layers have here. Raises BadInput for an unknown one."""
        known = [layer.name for layer in self.layers]
        names = [name if name in known else name.replace("conv", "relu") for name in layers]
        if unknown := [name for name in names if name not in known]:
            raise BadInput(
                f"{self.name} has no layer {unknown[0]!r}",
                hint=f"its layers are {', '.join(known)}",
            )
        return names

    def memory(self, height: int, width: int) -> int:
        """Estimate the bytes that a step takes, for a picture of so many px."""
        values = sum(layer.channels / math.prod(layer.stride) for layer in self.layers)
        return int(COPIES * 4 * values * height * width)


def open_backbone(plugin: Modality[Any], encoder: str | None = None) -> Backbone:
    """Open an encoder to paint by.

    encoder: a name or a folder; None takes `vgg19` where it was added, else the default. Raises
    MissingWeights if it is absent, BadInput if it has no layers that can be used.
    """
    if encoder is None and VGG in list_added(plugin):
        encoder = VGG
    elif encoder == VGG and not is_folder(VGG, CARD) and VGG not in list_added(plugin):
        raise MissingWeights(
            f"{VGG} has not been added to the encoders of {plugin.name}",
            hint=f"run `siamkit encoders add {plugin.name} torchvision:{VGG}`",
        )
    folder = names.resolve(plugin, encoder)
    if folder is None:
        raise MissingWeights(f"{plugin.name} have no encoder to paint by", hint="give --encoder")
    card, graph = read_folder(folder)
    name = f"{card.modality}/{card.name}"
    layers = tuple(layer for layer in read_layers(graph) if _keeps_places(layer))
    if not layers:
        raise BadInput(
            f"encoder {name} has no layers that keep the places of a picture apart",
            hint="give another --encoder, of convolutions",
        )
    return Backbone(name, card.fingerprint, graph, layers)


def _keeps_places(layer: Layer) -> bool:
    """Return True for a layer of rows and columns of pixels: (n, height, width, colours)."""
    return [axis.source for axis in layer.axes] == [1, 2] and layer.tensor_axes == (2, 3)
