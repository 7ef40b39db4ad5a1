"""A whole run: from a prepared folder to an encoder folder, in one process or several."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from siamkit.encoders import Card, write_folder
from siamkit.errors import BadInput
from siamkit.train import backbones, checkpoint, export, heads, losses, validation
from siamkit.train import card as cards
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset, load
from siamkit.train.device import pick_device, pick_precision, repeatable
from siamkit.train.events import Event, Started
from siamkit.train.folder import Origin
from siamkit.train.learner import Learner
from siamkit.train.loop import BEST, LAST, Loop, Progress
from siamkit.train.processes import Processes, processes
from siamkit.train.record import RECORD, line, truncate

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = "encoder"  # of the run's result
FEATURES = "features.npy"


def trainable(plugin: Any, config: TrainConfig) -> Any:
    """The modality as its data are prepared: itself, or the vectors of an encoder it has."""
    name = backbone(plugin, config)
    if name.split(":")[0] != heads.ENCODER:
        return plugin
    return heads.OwnEncoder(plugin, name.partition(":")[2] or None)


def backbone(plugin: Any, config: TrainConfig) -> str:
    chosen: str = config.backbone if config.backbone != "auto" else plugin.backbone
    return chosen


def train(
    run: Path, plugin: Any, config: TrainConfig, origin: Origin, prepared: Dataset | None = None
) -> Iterator[Event]:
    """Train in a folder that `siamkit.train.data.prepare` has filled, or go on where it stands.

    Yields what happens, and has written it to RUN/train.jsonl before. At the end RUN/encoder is
    an encoder folder. Under torchrun all processes call this; those that are not the first may
    come before the folder is filled, wait for it, and yield as well.
    Raises BadInput for settings that cannot be met here, SiamkitError where training fails.
    """
    device = pick_device(config.device)
    with processes(device) as group, repeatable(config):
        group.share([0.0])  # the first has filled the folder
        dataset = prepared or _loaded(run)
        _check(dataset, config)
        made = _model(run, dataset, plugin, config, group)
        loop = _loop(run, dataset, plugin, config, made, device, group)
        yield from _recorded(run, loop, group)
        if group.first:
            _export(run, loop, made, plugin, origin)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network, the part of it that is trained, and the arrays which that part eats."""

    whole: nn.Module
    trained: nn.Module
    arrays: NDArray[Any]


def _loaded(run: Path) -> Dataset:
    prepared = load(run)
    if prepared is None:
        raise BadInput(f"{run} holds no prepared data", hint="begin the run anew")
    return prepared.dataset


def _check(dataset: Dataset, config: TrainConfig) -> None:
    identities = len(np.unique(dataset.labels[dataset.training]))
    if identities < 2:
        raise BadInput(
            f"{identities} identity to train on: triplets need two",
            hint="add identities, or lower validation",
        )


def _model(
    run: Path, dataset: Dataset, plugin: Any, config: TrainConfig, group: Processes
) -> Model:
    torch.manual_seed(config.seed)  # every process begins with the same weights
    shape = dataset.arrays.shape[1:]
    if isinstance(plugin, heads.OwnEncoder):
        head = heads.linear(shape[0], config.dim)
        return Model(head, head, dataset.arrays)
    network = backbones.network(config, backbone(plugin, config), shape)
    if not config.frozen:
        return Model(network, network, dataset.arrays)
    if group.first:
        _write_features(run, network.trunk, dataset.arrays)
    group.share([0.0])
    features = np.load(run / FEATURES, mmap_mode="r", allow_pickle=False)
    return Model(network, network.head, features)


def _write_features(run: Path, trunk: nn.Module, arrays: NDArray[Any]) -> None:
    trunk.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(arrays), validation.BATCH):
            part = np.ascontiguousarray(arrays[start : start + validation.BATCH])
            parts.append(trunk(torch.from_numpy(part)).float().numpy())
    np.save(run / FEATURES, np.concatenate(parts))


def _loop(
    run: Path,
    dataset: Dataset,
    plugin: Any,
    config: TrainConfig,
    model: Model,
    device: str,
    group: Processes,
) -> Loop:
    """As new, or as the last checkpoint left it."""
    loss = losses.build(config, len(np.unique(dataset.labels[dataset.training])))
    augmented = config.augment and model.trained is model.whole and hasattr(plugin, "augment")
    tensors, facts = checkpoint.read(run / LAST) if (run / LAST).exists() else ({}, {})
    precision = facts.get("precision") or _precision(model, config, device, group)
    learner = Learner(model.trained, loss, config, device, precision)
    loop = Loop(run, dataset, model.arrays, plugin if augmented else None, config, learner, group)
    if facts:
        learner.load(tensors)
        loop.hard = tensors["hard"].numpy() if "hard" in tensors else None
        loop.progress = Progress(
            facts["step"],
            math.inf if facts["best"] is None else facts["best"],
            facts["since"],
            facts["seconds"],
            facts["curriculum"],
        )
    return loop


def _precision(model: Model, config: TrainConfig, device: str, group: Processes) -> str:
    """The first process measures for all: a copy, so that nothing is learned from it."""
    chosen = config.precision
    if chosen == "auto" and group.first:
        copy = deepcopy(model.trained).to(device).train()
        count = config.identities * config.samples
        part = np.resize(model.arrays[:count], (count, *model.arrays.shape[1:]))
        probe = torch.from_numpy(part).to(device)
        chosen = pick_precision("auto", device, lambda: copy(probe).float().square().mean())
    if config.precision == "auto":
        chosen = "bf16" if group.agree(chosen == "bf16") else "fp32"
    return chosen


def _recorded(run: Path, loop: Loop, group: Processes) -> Iterator[Event]:
    """The events of a loop, each in train.jsonl before anybody else hears of it."""
    if not group.first:
        yield from loop.events()
        return
    if loop.progress.step:
        truncate(run, loop.progress.step)
    else:
        (run / RECORD).unlink(missing_ok=True)
    with (run / RECORD).open("a", encoding="utf-8") as file:
        for event in itertools.chain([_started(loop)], loop.events()):
            file.write(line(event))
            file.flush()
            yield event


def _started(loop: Loop) -> Started:
    dataset, chosen = loop.dataset, loop.dataset.training
    counts = [(len(np.unique(dataset.labels[rows])), int(rows.sum())) for rows in (chosen, ~chosen)]
    forged = int((chosen & dataset.forged).sum())
    learner = loop.learner
    return Started(
        step=loop.progress.step,
        steps=loop.config.steps,
        identities=counts[0][0],
        samples=counts[0][1] - forged,
        forgeries=forged,
        validation_identities=counts[1][0],
        validation_samples=counts[1][1],
        parameters=sum(p.numel() for p in learner.parameters()),
        device=learner.device,
        precision=learner.precision,
        processes=loop.processes.world,
    )


def _export(run: Path, loop: Loop, model: Model, plugin: Any, origin: Origin) -> None:
    """RUN/encoder: the best weights by the validation identities, or the last if there are none."""
    dataset = loop.dataset
    path = run / (BEST if (run / BEST).exists() else LAST)
    tensors, facts = checkpoint.read(path)
    kept = checkpoint.part(tensors, "average.") or checkpoint.part(tensors, "network.")
    model.trained.cpu().load_state_dict(kept)
    rows = np.flatnonzero(~dataset.training)
    scores = None
    if len(rows):
        found = validation.embed(model.trained, model.arrays, rows, "cpu", "fp32").numpy()
        scores = validation.score(found, dataset.labels[rows], dataset.forged[rows])
    card = Card(
        modality=origin.modality,
        name=origin.name,
        dim=loop.config.dim,
        preprocessing=plugin.preprocessing(),
        licence=origin.licence,
        source="trained with siamkit; see training",
        threshold=cards.threshold(scores) if scores else None,
        training=cards.training(dataset, loop.config, origin, scores, facts["step"]),
    )

    def make(folder: Path) -> None:
        if isinstance(plugin, heads.OwnEncoder) and isinstance(model.trained, nn.Linear):
            plugin.graft(model.trained, folder, card)
        else:
            graph = export.graph(model.whole, dataset.arrays[: export.PROBES])
            write_folder(folder, graph, card)
        plugin.encoder(folder)  # what cannot be opened is no encoder

    export.put(run / FOLDER, make)
