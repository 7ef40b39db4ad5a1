"""A training run: begin or resume it in its folder, follow it, export its encoder.

Imports torch only once a modality is bound to what is trained.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from siamkit.embed.pipeline import DEFAULT, load_detector, resolve_detector
from siamkit.errors import BadInput, SiamkitError
from siamkit.io.places import real
from siamkit.io.sources import absolute, to_text
from siamkit.models.cache import is_folder
from siamkit.sdk.model_folder import CARD, read_card
from siamkit.train import folder as run_folder
from siamkit.train import own_loss, parents
from siamkit.train.categories import require_categories
from siamkit.train.config import TrainConfig
from siamkit.train.data import Prepared, load, prepare_data
from siamkit.train.events import Baseline, Evaluated, Event, Step, Stopped, Verdict
from siamkit.train.extend import Start, extend, require_continuable, warn_of_change
from siamkit.train.folder import ENCODER, LAST, Origin
from siamkit.train.pair_loss import describe_form, fit_loss
from siamkit.train.read_data import GALLERY, OpenStore, read_origin
from siamkit.train.record import read_record
from siamkit.train.split import Split
from siamkit.train.teacher import open_teacher, write_vectors
from siamkit.types import Progress

if TYPE_CHECKING:
    from siamkit.train.modality import TrainableModality


class RunDetails(TypedDict, total=False):
    """Optional details of a run, beside its examples, its modality and its settings."""

    detector: str | None  # a name, or None to take whole samples; default: the modality's own
    licence: str  # of the trained weights; default: not stated
    name: str  # of the encoder; default: that of the run's folder
    table: str  # of a database, or the sheet, that holds the examples
    encoding: str  # of a table of examples that is not UTF-8
    parent: str  # folder of a run whose best weights a new run begins with
    columns: Mapping[str, str]  # what a table has in which column, see siamkit.train.read_data
    top_score: float  # of pairs: the score of two that are the same, if it is not 1


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The outcome of a run so far. Error rates are in [0, 1], None without validation.

    "Before" is the best of what there is without training, by the error that selects the step.
    """

    run: str  # its folder
    gained: bool | None  # over what there is before; None: that is unknown, or the run goes on
    encoder: str | None  # the encoder folder in it; None if nothing is exported
    modality: str
    name: str
    fingerprint: str | None  # of the encoder
    steps: int
    best_step: int | None
    eer_before: float | None
    eer: float | None  # at the best step, against all pairs of other identities
    eer_hard_before: float | None
    eer_hard: float | None  # … against the hardest of them
    eer_impostors_before: float | None
    eer_impostors: float | None  # … against impostors and pairs labelled different
    stopped: str | None  # the reason
    verdict: Verdict | None  # None while the run goes on, and without validation
    best: Evaluated | None  # every rate at the best step
    baselines: list[Baseline]  # the same rates of each alternative without training
    faults: list[str]  # one per example that could not be used
    notes: list[str]  # oddities of the examples


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRun:
    """A run whose examples are prepared in its folder: `events` trains."""

    folder: Path
    modality: TrainableModality
    config: TrainConfig
    origin: Origin
    prepared: Prepared
    examples: int = 0  # how many were read; 0 if the arrays of an earlier start were used
    form: str = ""  # of a table of pairs: what was read, in one line

    @classmethod
    def open(cls, folder: str | Path) -> TrainingRun:
        """Open a run that was begun before. Raises BadInput if nothing is prepared there."""
        from siamkit.train.modality import load_modality

        folder = Path(folder)
        origin, config = run_folder.reopen(folder, Origin, TrainConfig)
        modality = load_modality(origin.modality, config)
        prepared = load(folder)
        if prepared is None:
            raise BadInput(
                f"{to_text(folder)} holds no prepared data",
                hint="resume the run first, with `--resume`",
            )
        return cls(folder, modality, config, origin, prepared)

    @staticmethod
    def join(folder: str | Path) -> bool:
        """Help the first process of torchrun with its run until it ends.

        False, at once, in the first process, which prepares, writes and reports, and wherever
        there is only one.
        """
        if os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0":
            return False
        from siamkit.train.trainer import join

        join(Path(folder))
        return True

    @staticmethod
    def draw(folder: str | Path, file: str | Path) -> None:
        """Draw the curves of a run so far to a .png or an .html. See siamkit.train.plot."""
        from siamkit.train.plot import draw

        draw(Path(folder), Path(file))

    def events(self, *, exports: bool = True) -> Iterator[Event]:
        """Train to the end, from the last checkpoint if there is one; yield what happens.

        Each event is in train.jsonl before it is yielded; at the end the folder `encoder` of the
        run is an encoder folder. Raises BadInput for settings that cannot be met here,
        SiamkitError if training fails.
        """
        from siamkit.train.trainer import train

        return train(self, exports=exports)

    def export(self) -> None:
        """Write the folder `encoder` from the best weights so far. Raises BadInput if none."""
        from siamkit.train.trainer import export_best

        export_best(self)

    def result(self) -> TrainingResult:
        """Sum up the record and the exported encoder. Raises BadInput without a record."""
        events = read_record(self.folder)
        evaluated = [event for event in events if isinstance(event, Evaluated)]
        best = next((event for event in reversed(evaluated) if event.best), None)
        baselines = [event for event in events if isinstance(event, Baseline)]
        measured = [event for event in baselines if event.error is not None]
        before = min(measured, key=lambda event: event.error or 0.0, default=None)
        verdict = events[-1] if events and isinstance(events[-1], Verdict) else None
        steps = [event.step for event in events if isinstance(event, Step)]
        reasons = [event.reason for event in events if isinstance(event, Stopped)]
        card = read_card(self.folder / ENCODER) if (self.folder / ENCODER).exists() else None
        return TrainingResult(
            run=str(self.folder),
            gained=verdict.gained if verdict else None,
            encoder=str(self.folder / ENCODER) if card else None,
            modality=self.origin.modality,
            name=self.origin.name,
            fingerprint=card.fingerprint if card else None,
            steps=steps[-1] if steps else 0,
            best_step=best.step if best else None,
            eer_before=_known(before.eer) if before else None,
            eer=_known(best.eer) if best else None,
            eer_hard_before=before.eer_hard if before else None,
            eer_hard=best.eer_hard if best else None,
            eer_impostors_before=before.eer_impostors if before else None,
            eer_impostors=best.eer_impostors if best else None,
            stopped=reasons[-1] if reasons else None,
            verdict=verdict,
            best=best,
            baselines=baselines,
            faults=self.prepared.faults,
            notes=self.prepared.notes,
        )


def _known(rate: float) -> float | None:
    return None if math.isnan(rate) else rate


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
    return prepare_runs([plan], start.origin, open_store, resume=resume, progress=progress)[0]


def read_start(
    folder: Path,
    changes: Mapping[str, Any],
    config: TrainConfig | Mapping[str, Any],
    *,
    resume: bool,
) -> Start[Origin, TrainConfig]:
    """Work out what a new or a reopened run starts with; see start_run for the arguments.

    Raises BadInput if the folder is in use or nothing was begun there, or if examples are missing.
    """
    if resume:
        before, saved = run_folder.reopen(folder, Origin, TrainConfig)
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


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to be: its folder, its settings, and how its examples are split."""

    folder: Path
    config: TrainConfig
    split: Split


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
    from siamkit.train.modality import load_modality
    from siamkit.train.reference import write_references

    parent = parents.find_parent(origin, [plan.folder for plan in plans])
    for plan in plans:
        parents.require_alike(parent, origin, plan.config)
        own_loss.require(plan.config.loss_terms())
    modalities = [load_modality(origin.modality, plan.config) for plan in plans]
    detector = load_detector(modalities[0], origin.detector) if origin.detector else None
    names = dict.fromkeys(plan.config.teacher for plan in plans if plan.config.teacher)
    teachers = {name: open_teacher(origin, name) for name in names}
    is_text = modalities[0].kind == "text"
    by_category = any(plan.config.sampler == "category" for plan in plans)
    data = read_origin(origin, open_store, is_text=is_text, by_category=by_category)
    if by_category:
        require_categories(data.examples)
    plans = [replace(plan, config=fit_loss(plan.config, data)) for plan in plans]
    forms = {plan.folder: describe_form(data.form, plan.config) for plan in plans}
    earlier = {plan.folder: _stamp(plan.folder) for plan in plans}
    try:
        for plan in plans:
            run_folder.begin(plan.folder, origin, plan.config)
            parents.adopt(plan.folder, parent)
        if lineage := parents.read_lineage(plans[0].folder):
            apart = parents.kept_apart(data.examples, lineage, plans[0].config)
            data = replace(data, examples=apart)
        splits = [(plan.folder, plan.split) for plan in plans]
        dataset = prepare_data(data, modalities[0], detector, splits, progress).dataset
        compared = [(p.folder, p.config.seed) for p in plans if p.config.compare]
        write_references(compared, data.examples, modalities[0], detector, progress)
        for name, teacher in teachers.items():
            taught = [plan.folder for plan in plans if plan.config.teacher == name]
            write_vectors(taught, dataset, teacher, data.examples, progress)
    except SiamkitError:
        for plan in plans if not resume else ():
            run_folder.abandon(plan.folder)
        raise
    return [
        TrainingRun(
            plan.folder,
            modality,
            plan.config,
            origin,
            prepared,
            0 if _stamp(plan.folder) == earlier[plan.folder] else len(data.examples),
            forms[plan.folder],
        )
        for plan, modality in zip(plans, modalities, strict=True)
        if (prepared := load(plan.folder))
    ]


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
