"""Train a run and export its encoder, in one process or several."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from inspect import unwrap
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamkit.errors import BadInput
from siamkit.host.stdout_guard import divert_prints
from siamkit.io.atomic import writing_folder
from siamkit.io.sources import shorten, to_text
from siamkit.models import built
from siamkit.protocols import OwnNetwork, Trainable
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.train import (
    adapters,
    card,
    checkpoint,
    export,
    heads,
    losses,
    parents,
    untrained,
    validation,
)
from siamkit.train.data import Dataset
from siamkit.train.device import has_bf16, pick_device, pick_precision, repeatable
from siamkit.train.events import Event, Started, Stopped, Verdict
from siamkit.train.folder import BEST, EMBEDDINGS, ENCODER, LAST, LOCALISE, UNTRAINED, read_task
from siamkit.train.learner import Learner
from siamkit.train.localise import trainer as localise
from siamkit.train.localise.run import LocaliserRun
from siamkit.train.loop import Loop, RunState
from siamkit.train.modality import can_freeze
from siamkit.train.model import Model, build_model, default_dim
from siamkit.train.processes import Processes, processes
from siamkit.train.record import has_ended, recorded
from siamkit.train.run import TrainingRun
from siamkit.train.split import folds_of
from siamkit.train.teacher import read_vectors
from siamkit.train.verdict import judge

log = logging.getLogger("siamkit")


def train(run: TrainingRun, *, exports: bool = True) -> Iterator[Event]:
    """Train to the end, from the last checkpoint if there is one, and export. See TrainingRun.

    Under torchrun the first process calls this, and the others `join`.
    """
    with processes() as group, repeatable(run.config.seed, run.config.deterministic):
        group.wait_for_first()  # the others wait until the folder is filled
        checkpoint.require_processes(run.folder, group.world)
        loop, model = _open(run, group)
        if not loop.state.step:
            _forget(run.folder)
        end = conclude(run, loop, model, exports=exports)
        if loop.reason_to_end() and has_ended(run.folder, Verdict if _judges(loop) else Stopped):
            yield from itertools.chain(loop.events(), end)  # all of it is recorded already
            return
        before = untrained.compare(run, loop, model)
        events = itertools.chain([_started(loop)], before, loop.events(), end)
        yield from recorded(run.folder, loop.state.step, events)


def conclude(
    run: TrainingRun, loop: Loop, model: Model, *, exports: bool = True
) -> Iterator[Verdict]:
    """Judge the best weights, and export them unless they have gained nothing."""
    best = _load_best(run.folder, model)
    vectors = _embed_validated(loop, model)
    gained = None
    if _judges(loop):
        alternatives = untrained.read(run.folder) if loop.config.compare else []
        verdict = judge(
            loop.state.step,
            vectors,
            loop.held_out,
            alternatives,
            loop.config,
            folds=folds_of(len(run.prepared.dataset.names)),
            can_freeze=can_freeze(run.modality, run.config),
        )
        gained = verdict.gained
        yield verdict
    if exports and gained is not False:
        _export(run, loop, model, best, vectors)


def _judges(loop: Loop) -> bool:
    return len(loop.validated) > 0


def _forget(folder: Path) -> None:
    """Delete what an earlier start of a run has left that never wrote a checkpoint."""
    for name in (BEST, EMBEDDINGS, UNTRAINED):
        (folder / name).unlink(missing_ok=True)


def export_best(run: TrainingRun) -> None:
    """Export the best weights so far, of a run that goes on, was interrupted or has failed.

    Raises BadInput before the first checkpoint.
    """
    if not (run.folder / BEST).exists() and not (run.folder / LAST).exists():
        raise BadInput(
            f"{to_text(run.folder)} holds no checkpoint yet", hint="wait for the first checkpoint"
        )
    with repeatable(run.config.seed, run.config.deterministic):
        loop, model = _open(run, Processes())
        best = _load_best(run.folder, model)
        _export(run, loop, model, best, _embed_validated(loop, model))


def join(folder: Path) -> None:
    """Help the first process of torchrun with its run, which is described by its folder.

    The first process may still be preparing it.
    """
    with processes() as group:
        group.wait_for_first()
        checkpoint.require_processes(folder, group.world)
        if read_task(folder) == LOCALISE:
            localise.assist(LocaliserRun.open(folder), group)
            return
        run = TrainingRun.open(folder)
        with repeatable(run.config.seed, run.config.deterministic):
            loop, _ = _open(run, group)
            for _ in loop.events():
                pass


def _open(run: TrainingRun, group: Processes) -> tuple[Loop, Model]:
    """Build the loop of a run as new, or as the last checkpoint left it."""
    dataset = run.prepared.dataset
    identities = len(np.unique(dataset.labels[dataset.training]))
    if identities < 2:
        raise BadInput(
            f"{identities} identity to train on: triplets need two",
            hint="add identities, or lower validation",
        )
    dim = run.config.dim or default_dim(run.modality, dataset.arrays)
    run = replace(run, config=replace(run.config, dim=dim))
    model = build_model(run, group)
    device, last = pick_device(run.config.device), run.folder / LAST
    loss = losses.build_loss(run.config, identities)
    tensors, facts = checkpoint.read(last) if last.exists() else ({}, {})
    precision = facts.get("precision") or _precision(run, model, device, group)
    learner = Learner(model.trained, loss, run.config, device, precision)
    augments = run.config.augment and model.trained is model.whole
    can_augment = augments and hasattr(run.modality, "augment")
    modality = cast(Trainable[Any], run.modality) if can_augment else None
    loop = Loop(run.folder, dataset, model.arrays, modality, run.config, learner, group)
    if run.config.teacher:
        loop.teacher = read_vectors(run.folder, dataset)
        if group.first and loop.teacher.shape[1] != dim:
            log.warning(
                f"the teacher's vectors have {loop.teacher.shape[1]} numbers and those to come"
                f" {dim}: their cosines are compared, not the vectors"
            )
    if tensors:
        _restore(loop, tensors, facts, last)
    return loop, model


def _restore(loop: Loop, tensors: dict[str, Tensor], facts: Mapping[str, Any], path: Path) -> None:
    try:
        loop.learner.load(tensors)
        loop.hard = tensors["hard"].numpy() if "hard" in tensors else None
        best = math.inf if facts["best"] is None else facts["best"]
        if not (type(facts["step"]) is type(facts["since"]) is int and facts["step"] >= 0):
            raise TypeError("its step is not a whole number")
        loop.state = RunState(
            facts["step"], best, facts["since"], facts["seconds"], facts["curriculum"]
        )
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise BadInput(
            f"{to_text(path)} belongs to another network or version: {shorten(str(error))}",
            hint="start again in another folder",
        ) from error


def _precision(run: TrainingRun, model: Model, device: str, group: Processes) -> str:
    """Pick the precision; the first process measures for all, on a copy that learns nothing."""
    config = run.config
    if config.precision != "auto":
        return config.precision
    if config.deterministic:
        return "fp32"  # measurements differ from run to run
    faster = "fp32"
    if group.first and has_bf16(device):
        network = deepcopy(model.trained).to(device).train()
        count = config.identities * config.samples
        rows = np.resize(model.arrays[:count], (count, *model.arrays.shape[1:]))
        batch = torch.from_numpy(rows).to(device)
        faster = pick_precision(device, lambda: network(batch).float().square().mean())
    return "bf16" if group.agree(faster == "bf16") else "fp32"


def _started(loop: Loop) -> Started:
    dataset, training = loop.dataset, loop.dataset.training
    impostors = int((training & dataset.impostor).sum())
    learner = loop.learner
    return Started(
        step=loop.state.step,
        steps=loop.config.steps,
        identities=_count_identities(dataset, training),
        samples=int(training.sum()) - impostors,
        impostors=impostors,
        validation_identities=_count_identities(dataset, ~training),
        validation_samples=int((~training).sum()),
        parameters=sum(p.numel() for p in learner.parameters()),
        device=learner.device,
        precision=learner.precision,
        processes=loop.processes.world,
    )


def _count_identities(dataset: Dataset, rows: NDArray[np.bool_]) -> int:
    """Return how many identities have two genuine samples; if none has, how many there are."""
    counts = np.unique(dataset.labels[rows & ~dataset.impostor], return_counts=True)[1]
    return int((counts > 1).sum()) or len(counts)


def _load_best(folder: Path, model: Model) -> int:
    """Load the best weights by validation, or the last ones without validation; return their step.

    The network moves to the CPU.
    """
    weights, step = adapters.read_best(folder)
    adapters.remove(model.trained)
    model.trained.cpu().load_state_dict(weights)
    return step


def _embed_validated(loop: Loop, model: Model) -> NDArray[np.float32]:
    """Return (n, dim) float32 unit rows of the validation samples, n may be 0."""
    if not len(loop.validated):
        return np.empty((0, loop.config.dim), np.float32)
    rows: NDArray[np.float32] = validation.embed(
        model.trained, model.arrays, loop.validated, "cpu", "fp32"
    ).numpy()
    return rows


def _export(
    run: TrainingRun, loop: Loop, model: Model, step: int, vectors: NDArray[np.float32]
) -> None:
    """Write RUN/encoder with the weights of a step, which are loaded.

    vectors: of the validation samples.
    """
    modality, dataset = run.modality, loop.dataset
    scores = rates = None
    if len(vectors):
        scores = validation.score(vectors, loop.held_out)
        rates = validation.measure(vectors, loop.held_out, scores)
    says_same = scores if loop.held_out.graded is None else None  # graded pairs say only how alike
    encoder_card = Card(
        modality=run.origin.modality,
        name=run.origin.name,
        dim=model.width(loop.config),
        preprocessing=modality.preprocessing(),
        licence=run.origin.licence,
        source="trained with siamkit; see training",
        threshold=card.default_threshold(says_same) if says_same else None,
        mated=card.mean_mated(says_same),
        training=card.training_facts(dataset, loop.config, run.origin, step, scores, rates)
        | parents.facts_of(run.folder),
    )

    with divert_prints(), writing_folder(run.folder / ENCODER, replace=True) as folder:
        if isinstance(modality, heads.OwnEncoder) and isinstance(model.trained, nn.Linear):
            modality.graft(model.trained, folder, encoder_card)
        elif isinstance(modality, OwnNetwork):
            modality.write(model.whole, folder, encoder_card)
        else:
            write_folder(folder, export.export_graph(model.whole, dataset.arrays), encoder_card)
        modality.encoder(folder)  # raises if the folder cannot be opened
        built.record_reference(unwrap(cast(Any, modality)), folder)
