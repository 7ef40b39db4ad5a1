"""Begin a training run, or several on the same arrays, or go on with one: prepare its examples.

Imports torch only once a modality is bound to what is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed.pipeline import DEFAULT, Pipeline, load_detector, resolve_detector
from siamkit.errors import BadInput, SiamkitError
from siamkit.io.extras import require_extra
from siamkit.io.places import real
from siamkit.io.sources import absolute, to_text
from siamkit.models.cache import is_folder
from siamkit.protocols import Detector
from siamkit.sdk.model_folder import CARD
from siamkit.train import folder as run_folder
from siamkit.train import own_loss, parents
from siamkit.train.categories import require_categories
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset, load, prepare_data, warn_of_few
from siamkit.train.examples import Data, Example
from siamkit.train.extend import Start, extend, require_continuable, warn_of_change
from siamkit.train.folder import LAST, Origin
from siamkit.train.pair_loss import describe_form, fit_loss
from siamkit.train.read_data import GALLERY, OpenStore, read_origin
from siamkit.train.run import TrainingRun
from siamkit.train.split import Split, split_examples
from siamkit.train.teacher import open_teacher, write_vectors
from siamkit.types import Progress

if TYPE_CHECKING:
    from siamkit.train.modality import TrainableModality


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to be: its folder, its settings, and how its examples are split."""

    folder: Path
    config: TrainConfig
    split: Split


def start_run(
    folder: Path,
    changes: Mapping[str, Any],
    config: TrainConfig | Mapping[str, Any],
    open_store: OpenStore,
    *,
    resume: bool,
    progress: Progress,
) -> TrainingRun:
    """Begin a run in a new folder, or reopen one, and prepare its examples.

    changes: fields of `Origin` that replace the defaults, or those the run was started with.
    config: all settings, or those that replace the defaults or the run's own.
    open_store: called if the examples are a gallery's.

    A run that has a checkpoint goes on with its settings, or to other `steps`: see
    siamkit.train.extend.

    Raises BadInput if the folder is in use or nothing was begun there, or if a run that has a
    checkpoint would go on otherwise. A new run that fails here leaves no file.
    """
    require_extra("train", "training")
    from siamkit.train.modality import load_modality

    has_checkpoint = resume and (folder / LAST).exists()  # else other settings lose nothing
    start = read_start(folder, changes, config, resume=resume)
    if has_checkpoint:
        require_continuable(folder, start)
    if has_checkpoint and (prepared := load(folder)):
        extend(folder, start)
        modality = load_modality(start.origin.modality, start.config)
        warn_of_change(
            folder,
            start.origin,
            open_store,
            is_text=modality.kind == "text",
            by_category=all(prepared.dataset.categories),
        )
        return TrainingRun(folder, modality, start.config, start.origin, prepared)
    plan = Plan(folder, start.config, Split(start.config.validation, start.config.seed))
    (run,) = prepare_runs([plan], start.origin, open_store, resume=resume, progress=progress)
    warn_of_few(run.prepared.dataset)
    return run


def read_start(
    folder: Path,
    changes: Mapping[str, Any],
    config: TrainConfig | Mapping[str, Any],
    *,
    resume: bool,
) -> Start[Origin, TrainConfig]:
    """Work out what a new or a reopened run starts with; see start_run for the arguments.

    Raises BadInput if the folder is in use or nothing was begun there, if another process trains
    it, or if examples are missing.
    """
    if resume:
        before, saved = run_folder.reopen(folder, Origin, TrainConfig)
        run_folder.require_idle(folder)
    else:
        run_folder.require_new(folder)
        parent = parents.open_parent(Path(changes["parent"])) if "parent" in changes else None
        before, saved = _new_origin(folder, changes, parent), parents.inherited(parent)
    config = config if isinstance(config, TrainConfig) else saved.changed(config)
    return Start(before, _changed_origin(before, changes), saved, _pinned(config))


def _pinned(config: TrainConfig) -> TrainConfig:
    """Make the encoder folder that a head is put on absolute: a run goes on from anywhere."""
    kind, _, encoder = config.backbone.partition(":")
    if kind != "encoder" or not is_folder(encoder, CARD):
        return config
    return replace(config, backbone=f"{kind}:{to_text(real(Path(encoder)))}")


def prepare_runs(
    plans: Sequence[Plan],
    origin: Origin,
    open_store: OpenStore,
    *,
    resume: bool,
    progress: Progress,
) -> list[TrainingRun]:
    """Prepare runs that learn from the same arrays, which are loaded once.

    resume: keep the folders if this fails; otherwise they are removed.
    Raises BadInput, NothingFound or PluginError as `siamkit.train.data.prepare` does.
    """
    require_extra("train", "training")
    parent = parents.find_parent(origin, [plan.folder for plan in plans])
    modalities = _bind(plans, origin, parent)
    detector = load_detector(modalities[0], origin.detector) if origin.detector else None
    names = dict.fromkeys(plan.config.teacher for plan in plans if plan.config.teacher)
    teachers = {name: open_teacher(origin, name) for name in names}
    data = _read(plans, origin, open_store, is_text=modalities[0].kind == "text")
    if plans[0].split.fold:  # too many folds are refused before any folder is written
        split_examples(data.examples, plans[0].split, data.pairs)
    plans = [replace(plan, config=fit_loss(plan.config, data)) for plan in plans]
    stamps = [_stamp(plan.folder) for plan in plans]
    try:
        data = _begin(plans, origin, parent, data)
        splits = [(plan.folder, plan.split) for plan in plans]
        dataset = prepare_data(data, modalities[0], detector, splits, progress).dataset
        _write_vectors(plans, dataset, data.examples, modalities[0], detector, teachers, progress)
    except SiamkitError:
        for plan in plans if not resume else ():
            run_folder.abandon(plan.folder)
        raise
    runs = []
    for plan, modality, stamp in zip(plans, modalities, stamps, strict=True):
        if prepared := load(plan.folder):
            count = 0 if _stamp(plan.folder) == stamp else len(data.examples)
            form = describe_form(data.form, plan.config)
            run = TrainingRun(plan.folder, modality, plan.config, origin, prepared, count, form)
            runs.append(run)
    return runs


def _bind(
    plans: Sequence[Plan], origin: Origin, parent: TrainingRun | None
) -> list[TrainableModality]:
    """Return the modality of each run; runs with equal settings share one.

    Raises BadInput for settings that the modality, the parent or the loss does not allow.
    """
    from siamkit.train.modality import load_modality

    for plan in plans:
        parents.require_alike(parent, origin, plan.config)
        own_loss.require(plan.config.loss_terms())
    texts = [plan.config.to_toml() for plan in plans]
    bound = {
        text: load_modality(origin.modality, plan.config)
        for text, plan in dict(zip(texts, plans, strict=True)).items()
    }
    return [bound[text] for text in texts]


def _begin(plans: Sequence[Plan], origin: Origin, parent: TrainingRun | None, data: Data) -> Data:
    """Write what the runs are; return the examples that are not kept apart by a parent."""
    for plan in plans:
        run_folder.begin(plan.folder, origin, plan.config)
        parents.adopt(plan.folder, parent)
    if lineage := parents.read_lineage(plans[0].folder):
        apart = parents.kept_apart(data.examples, lineage, plans[0].config)
        data = replace(data, examples=apart)
    return data


def _read(plans: Sequence[Plan], origin: Origin, open_store: OpenStore, *, is_text: bool) -> Data:
    by_category = any(plan.config.sampler == "category" for plan in plans)
    data = read_origin(origin, open_store, is_text=is_text, by_category=by_category)
    if by_category:
        require_categories(data.examples)
    return data


def _write_vectors(
    plans: Sequence[Plan],
    dataset: Dataset,
    examples: Sequence[Example],
    modality: TrainableModality,
    detector: Detector[Any] | None,
    teachers: Mapping[str, Pipeline],
    progress: Progress,
) -> None:
    """Write the vectors of the encoders that runs are compared with or learn from."""
    from siamkit.train.reference import write_references

    compared = [(plan.folder, plan.config.seed) for plan in plans if plan.config.compare]
    write_references(compared, examples, modality, detector, progress)
    for name, teacher in teachers.items():
        taught = [plan.folder for plan in plans if plan.config.teacher == name]
        write_vectors(taught, dataset, teacher, examples, progress)


def _stamp(folder: Path) -> int | None:
    """Return when the data of a run were prepared, in ns; None if they are not."""
    path = folder / run_folder.FACTS
    return path.stat().st_mtime_ns if path.exists() else None


def _new_origin(folder: Path, changes: Mapping[str, Any], parent: TrainingRun | None) -> Origin:
    """Return the origin of a new run before its changes. Raises BadInput if it lacks examples."""
    modality = changes.get("modality", parent.origin.modality if parent else None)
    if modality is None or "origin" not in changes:
        raise BadInput(
            "a new run needs examples and a modality", hint="give both, or resume an earlier run"
        )
    return Origin(modality, "", DEFAULT, "not stated", real(folder).name)


def _changed_origin(before: Origin, changes: Mapping[str, Any]) -> Origin:
    """Return an origin with changes, its detector resolved and its paths made absolute."""
    origin = replace(before, **changes)
    if "parent" in changes:
        origin = replace(origin, parent=to_text(absolute(Path(changes["parent"]))))
    if "origin" in changes and not origin.origin.startswith(GALLERY):
        origin = replace(origin, origin=to_text(absolute(Path(origin.origin))))
    return replace(origin, detector=resolve_detector(origin.modality, origin.detector))
