"""A whole run: from a prepared folder to an encoder folder, in one process or several."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from siamkit.errors import BadInput, PluginError
from siamkit.host import registry
from siamkit.host.stdout_guard import divert_prints
from siamkit.io.sources import shorten, to_text
from siamkit.models import built
from siamkit.protocols import Mixes, OwnNetwork, Trainable, Viewed
from siamkit.sdk import efficientnet_lite0
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.train import backbones, checkpoint, export, heads, losses, networks, validation
from siamkit.train import card as cards
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset, load
from siamkit.train.device import pick_device, pick_precision, repeatable
from siamkit.train.durable import replacing
from siamkit.train.events import Event, Started
from siamkit.train.folder import BEST, LAST, Origin, reopen
from siamkit.train.learner import Learner
from siamkit.train.loop import Loop, RunState
from siamkit.train.processes import Processes, processes
from siamkit.train.record import RECORD, line, truncate

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = "encoder"  # of the run's result
FEATURES = "features.npy"


def trainable(plugin: Any, config: TrainConfig) -> Any:
    """The modality as its data are prepared: itself, or bound to an encoder or network it has.

    Raises BadInput for a device or a backbone that is not here, PluginError for a modality that
    cannot be trained: no sample need be loaded to know.
    """
    pick_device(config.device)
    name = backbone(plugin, config)
    own = name.split(":")[0] == heads.ENCODER or networks.has(plugin, name)
    if config.mix and (own or not isinstance(plugin, Mixes)):
        raise BadInput(
            f"mix = true does nothing here: {plugin.name} cannot be mixed with backbone {name}",
            hint="--set mix=false",
        )
    if name.split(":")[0] == heads.ENCODER:
        return heads.OwnEncoder(plugin, name.partition(":")[2] or None)
    if networks.has(plugin, name):
        return networks.bound(plugin, name, config)
    if not isinstance(plugin, Trainable):
        raise PluginError(
            f"{registry.describe(plugin)} cannot be trained: it has no array, augment,"
            " preprocessing and backbone",
            hint=f"--set backbone={heads.ENCODER} trains a new head on the encoder that it has"
            f"{networks.others(plugin)}",
        )
    backbones.require_known(name)
    return plugin


def backbone(plugin: Any, config: TrainConfig) -> str:
    """As configured; or the modality's own default, or a head on the encoder that it has."""
    if config.backbone != "auto":
        return config.backbone
    default = heads.ENCODER if built.default_name(plugin) else ""
    chosen: str = getattr(plugin, "backbone", default)
    return chosen


def train(
    run: Path, plugin: Any, config: TrainConfig, origin: Origin, prepared: Dataset | None = None
) -> Iterator[Event]:
    """Train in a folder that `siamkit.train.data.prepare` has filled, or go on where it stands.

    Yields what happens, and has written it to RUN/train.jsonl before. At the end RUN/encoder is
    an encoder folder. Under torchrun the first process calls this, and the others `join`.
    Raises BadInput for settings that cannot be met here, SiamkitError where training fails.
    """
    with processes() as group, repeatable(config):
        group.share([0.0])  # the folder is filled
        _require_processes(run, group.world)
        loop, made = _begun(run, plugin, config, prepared or _loaded(run), group)
        yield from _recorded(run, loop)
        _export(run, loop, made, plugin, origin)


def export_best(
    run: Path, plugin: Any, config: TrainConfig, origin: Origin, dataset: Dataset
) -> None:
    """RUN/encoder of the best weights so far, of a run that goes on, was broken off or failed.

    Raises BadInput where no checkpoint was written yet.
    """
    if not (run / BEST).exists() and not (run / LAST).exists():
        raise BadInput(f"{to_text(run)} holds no checkpoint yet", hint="wait for the first one")
    with repeatable(config):
        loop, made = _begun(run, plugin, config, dataset, Processes())
        _export(run, loop, made, plugin, origin)


def join(run: Path) -> None:
    """Help the first process of torchrun with its run, of which the folder says all.

    It may not have begun it yet, or be loading the data still.
    """
    with processes() as group:
        group.share([0.0])  # waits for the first
        _require_processes(run, group.world)
        origin, config = reopen(run)
        plugin = trainable(registry.load("siamkit.modalities", origin.modality), config)
        with repeatable(config):
            loop, _ = _begun(run, plugin, config, _loaded(run), group)
            for _ in loop.events():
                pass


def _begun(
    run: Path, plugin: Any, config: TrainConfig, dataset: Dataset, group: Processes
) -> tuple[Loop, Model]:
    _check(dataset, config)
    config = replace(config, dim=config.dim or _own_dim(plugin, dataset))
    made = _model(run, dataset, plugin, config, group)
    return _loop(run, dataset, plugin, config, made, group), made


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


def _own_dim(plugin: Any, dataset: Dataset) -> int:
    """As many numbers as the vectors have that training begins with; a new network has none."""
    if isinstance(plugin, heads.OwnEncoder):
        return int(dataset.arrays.shape[1])
    return plugin.dim if isinstance(plugin, OwnNetwork) else backbones.DIM


def _model(
    run: Path, dataset: Dataset, plugin: Any, config: TrainConfig, group: Processes
) -> Model:
    torch.manual_seed(config.seed)  # every process begins with the same weights
    shape = dataset.arrays.shape[1:]
    if isinstance(plugin, heads.OwnEncoder):
        head = heads.linear(shape[0], config.dim)
        return Model(head, head, dataset.arrays)
    if isinstance(plugin, OwnNetwork):
        own = plugin.network()
        return Model(own, own, dataset.arrays)
    seen = plugin.views if config.views and isinstance(plugin, Viewed) else None
    if not config.frozen:
        name = backbone(plugin, config)
        network = backbones.network(config, name, shape, seen)
        if name != efficientnet_lite0.NAME and not (run / LAST).exists():
            export.graph(network, dataset.arrays)  # what cannot be served is known before hours
            network.train()
        return Model(network, network, dataset.arrays)
    network = backbones.network(config, backbone(plugin, config), shape)
    if group.first:
        _write_features(run, network.trunk, dataset.arrays)
    group.share([0.0])
    features = np.load(run / FEATURES, mmap_mode="r", allow_pickle=False)
    return Model(network, network.head, features)


def _write_features(run: Path, trunk: nn.Module, arrays: NDArray[Any]) -> None:
    """Block by block: they may be more than memory holds."""
    trunk.eval()
    features: np.memmap[Any, Any] | None = None
    with replacing(run / FEATURES) as aside, torch.inference_mode():
        for start in range(0, len(arrays), validation.BATCH):
            part = np.array(arrays[start : start + validation.BATCH])  # on disk it is read-only
            found = trunk(torch.from_numpy(part)).float().numpy()
            if features is None:
                shape = (len(arrays), *found.shape[1:])
                features = np.lib.format.open_memmap(aside, "w+", np.float32, shape)
            features[start : start + len(found)] = found
        if features is not None:
            features.flush()


def _loop(
    run: Path,
    dataset: Dataset,
    plugin: Any,
    config: TrainConfig,
    model: Model,
    group: Processes,
) -> Loop:
    """As new, or as the last checkpoint left it."""
    device = pick_device(config.device)
    loss = losses.build(config, len(np.unique(dataset.labels[dataset.training])))
    augmented = config.augment and model.trained is model.whole and hasattr(plugin, "augment")
    tensors, facts = checkpoint.read(run / LAST) if (run / LAST).exists() else ({}, {})
    precision = facts.get("precision") or _precision(model, config, device, group)
    learner = Learner(model.trained, loss, config, device, precision)
    loop = Loop(run, dataset, model.arrays, plugin if augmented else None, config, learner, group)
    if tensors:
        _restore(loop, tensors, facts, run / LAST)
    return loop


def _require_processes(run: Path, now: int) -> None:
    """Each process draws batches of its own, so another number of them is another run."""
    before = (
        checkpoint.read_facts(run / LAST).get("processes", now) if (run / LAST).exists() else now
    )
    if before != now:
        raise BadInput(
            f"{to_text(run)} was begun with {before} processes, and now there are {now}",
            hint=f"torchrun --nproc-per-node {before} -m siamkit train --out {to_text(run)}"
            " --resume, or as many over several machines"
            if before > 1
            else "resume it without torchrun",
        )


def _restore(loop: Loop, tensors: dict[str, Tensor], facts: Mapping[str, Any], of: Path) -> None:
    try:
        loop.learner.load(tensors)
        loop.hard = tensors["hard"].numpy() if "hard" in tensors else None
        best = math.inf if facts["best"] is None else facts["best"]
        loop.state = RunState(
            facts["step"], best, facts["since"], facts["seconds"], facts["curriculum"]
        )
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise BadInput(
            f"{to_text(of)} is of another network or another version: {shorten(str(error))}",
            hint="start anew in another folder",
        ) from error


def _precision(model: Model, config: TrainConfig, device: str, group: Processes) -> str:
    """The first process measures for all: a copy, so that nothing is learned from it."""
    if config.precision != "auto":
        return config.precision
    if config.deterministic:
        return "fp32"  # what measures faster is not the same every time
    faster = "fp32"
    if group.first:
        copy = deepcopy(model.trained).to(device).train()
        count = config.identities * config.samples
        part = np.resize(model.arrays[:count], (count, *model.arrays.shape[1:]))
        probe = torch.from_numpy(part).to(device)
        faster = pick_precision(device, lambda: copy(probe).float().square().mean())
    return "bf16" if group.agree(faster == "bf16") else "fp32"


def _recorded(run: Path, loop: Loop) -> Iterator[Event]:
    """The events of a loop, each in train.jsonl before anybody else hears of it."""
    if loop.state.step:
        truncate(run, loop.state.step)
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
    impostors = int((chosen & dataset.impostor).sum())
    learner = loop.learner
    return Started(
        step=loop.state.step,
        steps=loop.config.steps,
        identities=counts[0][0],
        samples=counts[0][1] - impostors,
        impostors=impostors,
        validation_identities=counts[1][0],
        validation_samples=counts[1][1],
        parameters=sum(p.numel() for p in learner.parameters()),
        device=learner.device,
        precision=learner.precision,
        processes=loop.processes.world,
    )


def _width(model: Model, config: TrainConfig) -> int:
    """How many numbers a served vector has: those of each view."""
    if not isinstance(model.whole, backbones.Network) or model.whole.views is None:
        return config.dim
    return config.dim * len(model.whole.views(torch.from_numpy(np.array(model.arrays[:1]))))


def _export(run: Path, loop: Loop, model: Model, plugin: Any, origin: Origin) -> None:
    """RUN/encoder: the best weights by the validation identities, or the last if there are none."""
    dataset = loop.dataset
    path = run / (BEST if (run / BEST).exists() else LAST)
    tensors, facts = checkpoint.read(path)
    kept = checkpoint.part(tensors, "average.") or checkpoint.part(tensors, "network.")
    model.trained.cpu().load_state_dict(kept)
    rows, scores = loop.judged, None
    if len(rows):
        found = validation.embed(model.trained, model.arrays, rows, "cpu", "fp32").numpy()
        scores = validation.score(found, dataset.labels[rows], dataset.impostor[rows])
    card = Card(
        modality=origin.modality,
        name=origin.name,
        dim=_width(model, loop.config),
        preprocessing=plugin.preprocessing(),
        licence=origin.licence,
        source="trained with siamkit; see training",
        threshold=cards.threshold(scores) if scores else None,
        mated=round(float(scores.mated.mean()), 4) if scores and len(scores.mated) else None,
        training=cards.training(dataset, loop.config, origin, scores, facts["step"]),
    )

    def make(folder: Path) -> None:
        if isinstance(plugin, heads.OwnEncoder) and isinstance(model.trained, nn.Linear):
            plugin.graft(model.trained, folder, card)
        elif isinstance(plugin, OwnNetwork):
            plugin.write(model.whole, folder, card)
        else:
            graph = export.graph(model.whole, dataset.arrays)
            write_folder(folder, graph, card)
        plugin.encoder(folder)  # what cannot be opened is no encoder
        built.record_reference(unwrap(plugin), folder)

    with divert_prints():
        export.put(run / FOLDER, make)
