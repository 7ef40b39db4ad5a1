"""Networks that a modality brings along and that are trained whole, such as text models."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput
from siamkit.protocols import BuildsNetworks, Modality
from siamkit.train.config import TrainConfig

if TYPE_CHECKING:
    from siamkit.train.modality import TrainableModality

# Above this learning rate a transformer forgets what it has learned (Devlin et al. 2019: 2e-5).
HIGHEST_RATE = 1e-4
log = logging.getLogger("siamkit")


def has_network(modality: Modality[Any], backbone: str) -> bool:
    """Return True if the backbone is one of the modality's own networks."""
    return isinstance(modality, BuildsNetworks) and backbone.split(":")[0] in modality.networks


def list_networks(modality: Modality[Any]) -> str:
    """Return '; its own networks: …' for a message, or '' if it has none."""
    if not isinstance(modality, BuildsNetworks):
        return ""
    return "; its own networks: " + "; ".join(
        f"{name} ({description})" for name, description in modality.networks.items()
    )


def bind_network(modality: BuildsNetworks, backbone: str, config: TrainConfig) -> TrainableModality:
    """Bind a modality to one of its networks; the result is an OwnNetwork, too.

    Raises BadInput for settings that such a network cannot follow, MissingWeights.
    """
    for name, is_met in (("frozen", not config.frozen), ("pretrained", config.pretrained)):
        if not is_met:
            raise BadInput(
                f"{name} = {str(getattr(config, name)).lower()} does not go with {backbone}: all"
                " of its weights are trained, and it begins with those that it has",
                hint="--set backbone=encoder trains a head alone",
            )
    if config.learning_rate > HIGHEST_RATE:
        log.warning(
            f"learning_rate = {config.learning_rate} is high for {backbone}, which is trained"
            " already: 2e-5 is usual"
        )
    bound = modality.trainable(backbone)
    if config.dim not in (0, bound.dim):
        raise BadInput(
            f"dim = {config.dim}, but the vectors of {backbone} have {bound.dim} numbers",
            hint="leave dim out; --set backbone=encoder trains a head of any dim",
        )
    trainable: TrainableModality = bound
    return trainable
