"""The network of a run: built new, or a head on vectors or features that are computed once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from siamkit.protocols import OwnNetwork, Viewed
from siamkit.sdk import efficientnet_lite0
from siamkit.train import adapters, backbones, export, heads, parents
from siamkit.train.config import TrainConfig
from siamkit.train.features import write_features
from siamkit.train.folder import FEATURES, LAST
from siamkit.train.modality import TrainableModality, backbone_name
from siamkit.train.processes import Processes
from siamkit.train.run import TrainingRun
from siamkit.train.stages import freeze

log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network, the part of it that is trained, and the arrays that this part takes."""

    whole: nn.Module
    trained: nn.Module
    arrays: NDArray[Any]

    def width(self, config: TrainConfig) -> int:
        """Count the components of a served vector: config.dim for each view."""
        if not isinstance(self.whole, backbones.Network) or self.whole.views is None:
            return config.dim
        return config.dim * len(self.whole.views(torch.from_numpy(np.array(self.arrays[:1]))))


def default_dim(modality: TrainableModality, arrays: NDArray[Any]) -> int:
    """Return the dimension of the vectors of the initial network; DIM for a new network."""
    if isinstance(modality, heads.OwnEncoder):
        return int(arrays.shape[1])
    return modality.dim if isinstance(modality, OwnNetwork) else backbones.DIM


def build_model(run: TrainingRun, group: Processes) -> Model:
    """Build the network of a run with the weights it begins with, equal in every process."""
    modality, config, arrays = run.modality, run.config, run.prepared.dataset.arrays
    torch.manual_seed(config.seed)
    if isinstance(modality, heads.OwnEncoder):
        head = heads.linear(arrays.shape[1], config.dim)
        parents.begin_with(run.folder, head)
        return Model(head, head, arrays)
    if isinstance(modality, OwnNetwork):
        network: nn.Module = modality.network()
        parents.begin_with(run.folder, network)
        _limit(network, run, group)
        return Model(network, network, arrays)
    name = backbone_name(modality, config)
    if config.frozen:
        network = backbones.build_network(config, name, arrays.shape[1:])
        parents.begin_with(run.folder, network)
        return Model(network, network.head, _features(run, name, network.trunk, arrays, group))
    views = modality.views if config.views and isinstance(modality, Viewed) else None
    network = backbones.build_network(config, name, arrays.shape[1:], views)
    parents.begin_with(run.folder, network)
    if name != efficientnet_lite0.NAME and not (run.folder / LAST).exists():
        export.export_graph(network, arrays)  # fails now, not hours later, if it cannot be served
        network.train()
    _limit(network, run, group)
    return Model(network, network, arrays)


def _limit(network: nn.Module, run: TrainingRun, group: Processes) -> None:
    """Freeze what does not learn, and add the adapters that learn instead."""
    config = run.config
    freeze(network, config)
    is_random = not config.pretrained and run.origin.parent is None
    if group.first and is_random and (config.freeze or config.lora):
        log.warning("the frozen weights are random: pretrained = false")
    if config.lora:
        adapters.adapt(network, config.lora)


def _features(
    run: TrainingRun, backbone: str, trunk: nn.Module, arrays: NDArray[Any], group: Processes
) -> NDArray[Any]:
    """Let the first process write the trunk's features; return them, mapped from the disk."""
    if group.first:
        write_features(run.folder, backbone, run.config, trunk, arrays)
    group.wait_for_first()
    features: NDArray[Any] = np.load(run.folder / FEATURES, mmap_mode="r", allow_pickle=False)
    return features
