"""Train a localiser and export its detector folder, in one process or several."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from siamkit.errors import BadInput
from siamkit.io.atomic import writing_folder
from siamkit.io.sources import shorten, to_text
from siamkit.train import checkpoint
from siamkit.train.backbones import require_backbone
from siamkit.train.device import pick_device, repeatable
from siamkit.train.events import Event, LocaliserStarted, Stopped
from siamkit.train.folder import BEST, DETECTOR, LAST
from siamkit.train.localise import export
from siamkit.train.localise.config import LocaliserConfig
from siamkit.train.localise.features import compute_features, open_features
from siamkit.train.localise.loop import LocaliserLoop
from siamkit.train.localise.model import Model
from siamkit.train.localise.network import Localiser, build_localiser
from siamkit.train.localise.run import LocaliserRun
from siamkit.train.localise.validation import measure
from siamkit.train.processes import Processes, processes
from siamkit.train.record import has_ended, recorded
from siamkit.types import Progress, ignore_progress


def train(run: LocaliserRun) -> Iterator[Event]:
    """Train to the end, from the last checkpoint if there is one, and export. See LocaliserRun."""
    with processes() as group, repeatable(run.config.seed, run.config.deterministic):
        group.wait_for_first()  # the others wait until the folder is filled
        checkpoint.require_processes(run.folder, group.world)
        loop = _open(run, group)
        if loop.reason_to_end() and has_ended(run.folder, Stopped):
            yield from loop.events()  # Stopped alone, which is recorded already
        else:
            events = itertools.chain([_started(loop)], loop.events())
            yield from recorded(run.folder, loop.state.step, events)
        _export(run, loop)


def export_best(run: LocaliserRun) -> None:
    """Export the best weights so far. Raises BadInput before the first checkpoint."""
    if not (run.folder / BEST).exists() and not (run.folder / LAST).exists():
        raise BadInput(
            f"{to_text(run.folder)} holds no checkpoint yet", hint="wait for the first checkpoint"
        )
    with repeatable(run.config.seed, run.config.deterministic):
        _export(run, _open(run, Processes()))


def assist(run: LocaliserRun, group: Processes) -> None:
    """Help the first process of torchrun with its run until it ends."""
    with repeatable(run.config.seed, run.config.deterministic):
        for _ in _open(run, group).events():
            pass


def require_trainable(config: LocaliserConfig) -> None:
    """Raise BadInput for a device or a backbone that is not available; no picture is read yet."""
    pick_device(config.device)
    require_backbone(config.backbone)


def prepare_features(run: LocaliserRun, progress: Progress) -> None:
    """Compute the features of a frozen backbone, unless they are there already."""
    if run.config.frozen:
        with repeatable(run.config.seed, run.config.deterministic):
            compute_features(run.folder, _build(run), run.prepared, run.config, progress)


def _build(run: LocaliserRun) -> Localiser:
    config, labels = run.config, len(run.prepared.dataset.names)
    torch.manual_seed(config.seed)
    return build_localiser(
        config.backbone, labels, config.width, config.dropout, pretrained=config.pretrained
    )


def _open(run: LocaliserRun, group: Processes) -> LocaliserLoop:
    """Build the loop of a run as new, or as the last checkpoint left it."""
    network, features = _build(run), None
    if run.config.frozen:
        if group.first:
            compute_features(run.folder, network, run.prepared, run.config, ignore_progress)
        group.wait_for_first()
        features = open_features(run.folder, network, run.config)
    model = Model(network, run.prepared.dataset, run.config, features)
    loop = LocaliserLoop(run.folder, model, pick_device(run.config.device), group)
    last = run.folder / LAST
    if last.exists():
        tensors, facts = checkpoint.read(last)
        try:
            loop.load(tensors, facts)
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise BadInput(
                f"{to_text(last)} belongs to another network or version: {shorten(str(error))}",
                hint="start again in another folder",
            ) from error
    return loop


def _started(loop: LocaliserLoop) -> LocaliserStarted:
    dataset = loop.model.dataset
    training, nothing = dataset.training, dataset.labels < 0
    return LocaliserStarted(
        step=loop.state.step,
        steps=loop.model.config.steps,
        labels=len(dataset.names),
        pictures=int(training.sum()),
        nothing=int((training & nothing).sum()),
        validation_pictures=int((~training).sum()),
        validation_nothing=int((~training & nothing).sum()),
        parameters=sum(p.numel() for p in loop.parameters()),
        device=loop.device,
        processes=loop.processes.world,
    )


def _export(run: LocaliserRun, loop: LocaliserLoop) -> None:
    """Write RUN/detector: the best weights by validation, or the last ones without validation."""
    path = run.folder / (BEST if (run.folder / BEST).exists() else LAST)
    tensors, facts = checkpoint.read(path)
    loop.model.trained.load_state_dict(checkpoint.part(tensors, "network."))
    measured: dict[str, Any] | None = None
    if len(loop.validated):
        rates = measure(loop.model, loop.validated, loop.device)
        measured = export.validation_facts(rates, loop.model.dataset, loop.validated)
    graph = export.export_graph(loop.model.whole, np.asarray(run.prepared.dataset.arrays))
    card = export.detector_card(run, loop.model.whole, facts["step"], measured)
    with writing_folder(run.folder / DETECTOR, replace=True) as folder:
        export.write_detector(folder, graph, card)
