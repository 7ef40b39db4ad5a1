"""Networks that a modality brings along, and that are trained as a whole: text models, say."""

from __future__ import annotations

import logging
from typing import Any

from siamkit.errors import BadInput
from siamkit.protocols import BuildsNetworks
from siamkit.train.config import TrainConfig

FAST = 1e-4  # a rate at which a transformer forgets what it knows (Devlin et al. 2019: 2e-5)
log = logging.getLogger("siamkit")


def has(plugin: Any, backbone: str) -> bool:
    return isinstance(plugin, BuildsNetworks) and backbone.split(":")[0] in plugin.networks


def others(plugin: Any) -> str:
    """'; its own networks: …', if it has some."""
    if not isinstance(plugin, BuildsNetworks):
        return ""
    return "; its own networks: " + "; ".join(
        f"{k} ({what})" for k, what in plugin.networks.items()
    )


def bound(plugin: Any, backbone: str, config: TrainConfig) -> Any:
    """The modality bound to a network that it has, an OwnNetwork.

    Raises BadInput for settings that such a network cannot follow, MissingWeights.
    """
    for name, is_met in (("frozen", not config.frozen), ("pretrained", config.pretrained)):
        if not is_met:
            raise BadInput(
                f"{name} = {str(getattr(config, name)).lower()} does not go with {backbone}: all"
                " of its weights are trained, and it begins with those that it has",
                hint="--set backbone=encoder trains a head alone",
            )
    if config.learning_rate > FAST:
        log.warning(
            f"learning_rate = {config.learning_rate} is much for {backbone}, which is trained"
            " already: 2e-5 is usual"
        )
    opened = plugin.trainable(backbone)
    if config.dim not in (0, opened.dim):
        raise BadInput(
            f"dim = {config.dim}, but the vectors of {backbone} have {opened.dim} numbers",
            hint="leave dim out; --set backbone=encoder trains a head of any dim",
        )
    return opened
