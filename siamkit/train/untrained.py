"""Measure what a user has without training, on the samples that validation looks at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.io import foreign
from siamkit.models import built
from siamkit.protocols import OwnNetwork
from siamkit.train import backbones, heads, parents, validation
from siamkit.train.events import Baseline
from siamkit.train.folder import UNTRAINED, replacing
from siamkit.train.loop import Loop
from siamkit.train.modality import backbone_name
from siamkit.train.model import Model
from siamkit.train.reference import read_reference
from siamkit.train.run import TrainingRun

HINT = "begin a new run"


@dataclass(frozen=True, slots=True, eq=False)
class Alternative:
    """Vectors that need no training."""

    name: str  # "the encoder NAME", say
    vectors: NDArray[np.float32]  # (n, dim) unit rows of the validation samples, NaN where missing

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) True for the rows that could be embedded."""
        return np.asarray(np.isfinite(self.vectors).all(axis=1))


def compare(run: TrainingRun, loop: Loop, model: Model) -> Iterator[Baseline]:
    """Measure every alternative before the first step, and store their vectors for the verdict."""
    if not run.config.compare or loop.state.step or not len(loop.validated):
        return
    alternatives = list(_alternatives(run, loop, model))
    _write(run.folder, alternatives)
    for alternative in alternatives:
        held = loop.held_out.where(alternative.usable)
        vectors = alternative.vectors[alternative.usable]
        if len(vectors):
            rates = validation.measure(vectors, held, validation.score(vectors, held))
            yield Baseline(step=0, name=alternative.name, **validation.as_event(rates))


def read(folder: Path) -> list[Alternative]:
    """Return the alternatives that `compare` stored."""
    path = folder / UNTRAINED
    if not path.exists():
        return []
    (text,) = foreign.read_npz(path, ["names"], hint=HINT)
    names = json.loads(text.tobytes())
    vectors = foreign.read_npz(path, [str(number) for number in range(len(names))], hint=HINT)
    return [Alternative(name, rows) for name, rows in zip(names, vectors, strict=True)]


def _write(folder: Path, alternatives: list[Alternative]) -> None:
    vectors: dict[str, Any] = {str(i): a.vectors for i, a in enumerate(alternatives)}
    text = json.dumps([alternative.name for alternative in alternatives])
    names = np.frombuffer(text.encode(), np.uint8)  # read_npz takes numbers alone
    with replacing(folder / UNTRAINED) as temporary, temporary.open("wb") as file:
        np.savez(file, names=names, **vectors)


def _alternatives(run: TrainingRun, loop: Loop, model: Model) -> Iterator[Alternative]:
    rows, modality = loop.validated, run.modality
    if reference := read_reference(run.folder, rows):
        yield Alternative(f"the encoder {reference[0]}", reference[1])
    if lineage := parents.read_lineage(run.folder):
        yield Alternative(f"the run {lineage.name} that it began with", _embed(loop, model.trained))
    elif isinstance(modality, OwnNetwork):
        yield Alternative(f"{run.config.backbone} before training", _embed(loop, model.trained))
    if isinstance(modality, heads.OwnEncoder):
        yield Alternative(f"the encoder {_encoder_name(run, modality)}", _unit(model.arrays[rows]))
    elif isinstance(model.whole, backbones.Network) and run.config.pretrained and not lineage:
        name = f"features of {backbone_name(modality, run.config)}, without a head"
        if model.trained is model.whole:
            yield Alternative(name, _embed(loop, model.whole.trunk))
        else:
            yield Alternative(name, _unit(model.arrays[rows]))


def _encoder_name(run: TrainingRun, modality: heads.OwnEncoder) -> str:
    named = run.config.backbone.partition(":")[2]
    return named or built.default_name(modality.plugin) or modality.fingerprint


def _embed(loop: Loop, network: Any) -> NDArray[np.float32]:
    learner = loop.learner
    vectors: NDArray[np.float32] = validation.embed(
        network, loop.arrays, loop.validated, learner.device, "fp32"
    ).numpy()
    return vectors


def _unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    vectors = np.asarray(rows, np.float32)
    norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors / norms)
