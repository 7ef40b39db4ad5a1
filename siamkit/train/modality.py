"""Bind a modality to what is trained: a new trunk, a head on its encoder, or its own network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from siamkit.errors import BadInput, PluginError
from siamkit.host import registry
from siamkit.models import built
from siamkit.protocols import BuildsNetworks, Mixes, Modality, Trainable
from siamkit.train import backbones, heads, networks
from siamkit.train.config import TrainConfig
from siamkit.train.device import pick_device

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TrainableModality(Modality[Any], Protocol):
    """A modality that turns its media into arrays of one shape and dtype, see Trainable."""

    def array(self, medium: Any) -> NDArray[Any]: ...

    def preprocessing(self) -> Mapping[str, Any]: ...


def load_modality(name: str, config: TrainConfig) -> TrainableModality:
    """Load a modality by name and bind it, see `bind`."""
    return bind(registry.load("siamkit.modalities", name), config)


def bind(modality: Modality[Any], config: TrainConfig) -> TrainableModality:
    """Return the modality whose arrays are trained on: itself, or bound to what it has.

    Raises BadInput for a device or a backbone that is not available, PluginError for a modality
    that cannot be trained; no sample has to be loaded for that.
    """
    pick_device(config.device)
    backbone = backbone_name(modality, config)
    kind, _, encoder = backbone.partition(":")
    has_network = networks.has_network(modality, backbone)
    if config.mix and (kind == heads.ENCODER or has_network or not isinstance(modality, Mixes)):
        raise BadInput(
            f"mix = true has no effect: {modality.name} cannot be mixed with backbone {backbone}",
            hint="--set mix=false",
        )
    if kind == heads.ENCODER:
        return heads.OwnEncoder(modality, encoder or None)
    if has_network and isinstance(modality, BuildsNetworks):
        return networks.bind_network(modality, backbone, config)
    if not isinstance(modality, Trainable):
        raise PluginError(
            f"{registry.describe(modality)} cannot be trained: it has no array, augment,"
            " preprocessing and backbone",
            hint=f"--set backbone={heads.ENCODER} trains a new head on the encoder that it has"
            f"{networks.list_networks(modality)}",
        )
    backbones.require_backbone(backbone)
    return cast(TrainableModality, modality)


def backbone_name(modality: Modality[Any], config: TrainConfig) -> str:
    """Return the configured backbone, or else the modality's default, or a head on its encoder."""
    if config.backbone != "auto":
        return config.backbone
    fallback = heads.ENCODER if built.default_name(modality) else ""
    name: str = getattr(modality, "backbone", fallback)
    return name
