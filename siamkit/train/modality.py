"""Bind a modality to what is trained: a new trunk, a head on its encoder, or its own network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from siamkit.errors import BadInput, PluginError
from siamkit.host import registry
from siamkit.models import built
from siamkit.protocols import BuildsNetworks, Mixes, Modality, OwnNetwork, Trainable
from siamkit.train import backbones, heads
from siamkit.train.config import TrainConfig
from siamkit.train.device import pick_device

# Above this learning rate a transformer forgets what it has learned (Devlin et al. 2019: 2e-5).
HIGHEST_RATE = 1e-4
log = logging.getLogger("siamkit")


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
    networks = modality.networks if isinstance(modality, BuildsNetworks) else {}
    has_own = kind == heads.ENCODER or kind in networks
    if config.mix and (has_own or not isinstance(modality, Mixes)):
        raise BadInput(
            f"mix = true has no effect: {modality.name} cannot be mixed with backbone {backbone}",
            hint="give `--set mix=false`",
        )
    if kind == heads.ENCODER:
        if config.network_settings:
            raise BadInput(
                f"{config.network_settings[0]} has no effect with backbone {backbone}: only a head"
                " is trained, on the encoder's vectors",
                hint="leave it out, or take a network: `--set backbone=NAME`",
            )
        return heads.OwnEncoder(modality, encoder or None)
    if isinstance(modality, BuildsNetworks) and kind in networks:
        return _bind_network(modality, backbone, config)
    if not isinstance(modality, Trainable):
        descriptions = "; ".join(
            f"{name} ({description})" for name, description in networks.items()
        )
        raise PluginError(
            f"{registry.describe(modality)} cannot be trained: it has no array, augment,"
            " preprocessing and backbone",
            hint=f"--set backbone={heads.ENCODER} trains a new head on the encoder that it has"
            + (f"; its own networks: {descriptions}" if descriptions else ""),
        )
    backbones.require_backbone(backbone)
    return cast(TrainableModality, modality)


def can_freeze(modality: Modality[Any], config: TrainConfig) -> bool:
    """True if a bound modality trains a network that `frozen = true` would train a head of."""
    is_trunk = not isinstance(modality, heads.OwnEncoder | OwnNetwork)
    refusing = config.mix or config.trunk_settings  # see TrainConfig
    return is_trunk and config.pretrained and not config.frozen and not refusing


def backbone_name(modality: Modality[Any], config: TrainConfig) -> str:
    """Return the configured backbone, or else the modality's default, or a head on its encoder."""
    if config.backbone != "auto":
        return config.backbone
    fallback = heads.ENCODER if built.default_name(modality) else ""
    name: str = getattr(modality, "backbone", fallback)
    return name


def _bind_network(
    modality: BuildsNetworks, backbone: str, config: TrainConfig
) -> TrainableModality:
    """Bind a modality to a network that it brings along; the result is an OwnNetwork, too.

    Raises BadInput for settings that such a network cannot follow, MissingWeights.
    """
    for name, is_met in (("frozen", not config.frozen), ("pretrained", config.pretrained)):
        if not is_met:
            raise BadInput(
                f"{name} = {str(getattr(config, name)).lower()} does not go with {backbone}: all"
                " of its weights are trained, and it begins with those that it has",
                hint="`--set backbone=encoder` trains only a head",
            )
    if config.learning_rate > HIGHEST_RATE and not config.lora:
        log.warning(
            f"learning_rate = {config.learning_rate} is high for {backbone}, which is trained"
            " already: 2e-5 is usual"
        )
    bound = modality.trainable(backbone)
    if config.dim not in (0, bound.dim):
        raise BadInput(
            f"dim = {config.dim}, but the vectors of {backbone} have {bound.dim} numbers",
            hint="leave dim out; `--set backbone=encoder` trains a head of any dim",
        )
    trainable: TrainableModality = bound
    return trainable
