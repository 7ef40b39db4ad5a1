"""Begin a run with the weights of another, and never validate on what that was trained on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, MissingWeights
from siamkit.io import atomic, foreign
from siamkit.io.sources import shorten, to_text
from siamkit.sdk.model_folder import CARD, read_card
from siamkit.train import folder as run_folder
from siamkit.train.config import TrainConfig
from siamkit.train.data import MAX_FACTS_BYTES
from siamkit.train.examples import Example
from siamkit.train.folder import BEST, ENCODER, LAST, LINEAGE, PARENT, Origin

if TYPE_CHECKING:
    from torch import Tensor, nn

    from siamkit.train.run import TrainingRun

# Settings that shape the network: a run takes them over from its parent unless it sets its own.
SHAPE = ("backbone", "pretrained", "frozen", "dim", "views")


@dataclass(frozen=True, slots=True)
class Lineage:
    """A run whose weights another begins with."""

    name: str
    fingerprint: str | None  # of its encoder; None if it exported none
    step: int  # of its weights
    trained: list[str]  # identities that it, or a run that it began with, was trained on

    def facts(self) -> dict[str, Any]:
        """Return what a training card says; it names no identity."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "step": self.step,
            "identities": len(self.trained),
        }


def find_parent(origin: Origin, folders: Iterable[Path]) -> TrainingRun | None:
    """Open the parent of runs, if they have one.

    None, too, if it is gone and all of their folders hold what they need of it.
    """
    if origin.parent is None:
        return None
    try:
        return open_parent(Path(origin.parent))
    except BadInput:
        if not all((folder / LINEAGE).exists() for folder in folders):
            raise
        return None


def open_parent(folder: Path) -> TrainingRun:
    """Open a run to begin with. Raises BadInput, naming the way out, for anything else."""
    from siamkit.train.run import TrainingRun

    name = to_text(folder)
    if (folder / CARD).exists():
        run = folder.parent if (folder.parent / run_folder.ORIGIN).exists() else None
        raise BadInput(
            f"{name} is an encoder folder: it holds a graph to serve, and no weights to train",
            hint=(f"give its run, `--from {to_text(run)}`" if run else "give the run that made it")
            + f", or train a head on it: `--set backbone=encoder:{name}`",
        )
    if not (folder / run_folder.ORIGIN).exists():
        raise BadInput(
            f"{name} is not the folder of a run",
            hint="give the RUN of an earlier `siamkit train … -o RUN`",
        )
    if run_folder.read_task(folder) == run_folder.LOCALISE:
        raise BadInput(f"{name} trained a localiser", hint="give a run that trained an encoder")
    if not any((folder / checkpoint).exists() for checkpoint in (BEST, LAST)):
        raise BadInput(f"{name} holds no checkpoint yet", hint="wait for its first checkpoint")
    return TrainingRun.open(folder)


def inherited(parent: TrainingRun | None) -> TrainConfig:
    """Return the default settings, with the SHAPE of the parent if there is one."""
    shape = {name: getattr(parent.config, name) for name in SHAPE} if parent else {}
    return TrainConfig().changed(shape)


def require_alike(parent: TrainingRun | None, origin: Origin, config: TrainConfig) -> None:
    """Raise BadInput unless a run can begin with its parent's weights."""
    if parent is None:
        return
    from siamkit.train.model import default_dim

    dim = default_dim(parent.modality, parent.prepared.dataset.arrays)
    theirs, ours = (
        {"modality": modality, "backbone": settings.backbone, "dim": settings.dim or dim}
        for modality, settings in (
            (parent.origin.modality, parent.config),
            (origin.modality, config),
        )
    )
    for name, value in theirs.items():
        if value != ours[name]:
            raise BadInput(
                f"{name}: {value!r} in {to_text(parent.folder)}, {ours[name]!r} here: its weights"
                " do not fit",
                hint=f"leave {name} out, or begin without `--from`",
            )


def adopt(folder: Path, parent: TrainingRun | None) -> None:
    """Copy the parent's best weights, and what they were trained on, into a new run's folder."""
    if parent is None:
        return
    from siamkit.train import adapters, checkpoint, heads

    weights, step = adapters.read_best(parent.folder)
    if parent.config.frozen and not isinstance(parent.modality, heads.OwnEncoder):
        # It trained the head alone; the trunk may be that of its own parent.
        weights = {**_read_weights(parent.folder), **checkpoint.under("head.", weights)}
    checkpoint.write(folder / PARENT, weights, {"step": step})
    lineage = Lineage(parent.origin.name, _fingerprint(parent.folder), step, _trained_by(parent))
    atomic.replace_text(folder / LINEAGE, json.dumps(asdict(lineage)) + "\n")


def _trained_by(run: TrainingRun) -> list[str]:
    """Name the identities that a run, and those that it descends from, were trained on."""
    dataset, lineage = run.prepared.dataset, read_lineage(run.folder)
    identities = {dataset.names[label] for label in dataset.labels[dataset.training].tolist()}
    return sorted(identities.union(lineage.trained if lineage else ()))


def read_lineage(folder: Path) -> Lineage | None:
    """Read what a run began with; None for a run without a parent."""
    path = folder / LINEAGE
    if not path.exists():
        return None
    try:
        return Lineage(**foreign.require_object(foreign.read_json(path, MAX_FACTS_BYTES)))
    except (BadInput, ValueError, TypeError) as error:
        raise BadInput(f"{to_text(path)} is damaged: {error}", hint="begin a new run") from error


def kept_apart(examples: Sequence[Example], lineage: Lineage, config: TrainConfig) -> list[Example]:
    """Put the identities that a run's parent was trained on on the training side.

    Raises BadInput if the examples state such identities for validation, or if too few others
    remain to validate on.
    """
    trained, name = set(lineage.trained), lineage.name
    stated = {e.label for e in examples if e.split == "validation" and e.label in trained}
    if stated:
        raise BadInput(
            f"{len(stated):,} identities stated for validation were trained on by {name}:"
            f" {_some(stated)}",
            hint="put them on the training side, or begin without `--from`",
        )
    labels = {example.label for example in examples}
    if config.validation and len(labels - trained) < 2:
        raise BadInput(
            f"{len(labels & trained):,} of {len(labels):,} identities were trained on by"
            f" {name}: fewer than two are left to validate on",
            hint="add new identities, or skip validation: `--set validation=0`",
        )
    return [
        replace(example, split="train") if example.label in trained else example
        for example in examples
    ]


def begin_with(folder: Path, network: nn.Module) -> None:
    """Load the parent's weights, if a run has a parent, into its whole network.

    Raises BadInput if they belong to another network.
    """
    weights = _read_weights(folder)
    if not weights:
        return
    try:
        missing, unexpected = network.load_state_dict(weights, strict=False)
        if unexpected or any(not name.startswith("trunk.") for name in missing):
            raise RuntimeError(f"other weights: {_some({*missing, *unexpected})}")
    except RuntimeError as error:
        raise BadInput(
            f"{to_text(folder / PARENT)} belongs to another network: {shorten(str(error))}",
            hint="give the backbone and the settings of the run it is from",
        ) from error


def facts_of(folder: Path) -> dict[str, Any]:
    """Return what a training card says of the parent; nothing without one."""
    lineage = read_lineage(folder)
    return {"parent": lineage.facts()} if lineage else {}


def _read_weights(folder: Path) -> Mapping[str, Tensor]:
    from siamkit.train import checkpoint

    return checkpoint.read(folder / PARENT)[0] if (folder / PARENT).exists() else {}


def _fingerprint(run: Path) -> str | None:
    try:
        return read_card(run / ENCODER).fingerprint
    except MissingWeights:
        return None


def _some(names: Iterable[str]) -> str:
    return shorten(", ".join(sorted(names)[:5]))
