"""A localiser's run: begin or resume it in its folder, follow it, export its detector.

Imports torch only to train.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.boxes_read import read_boxed_pictures
from siamkit.io.extras import require_extra
from siamkit.io.places import real
from siamkit.io.sources import absolute, to_text
from siamkit.sdk.detector_folder import read_card
from siamkit.train import folder as run_folder
from siamkit.train.events import Event, LocaliserEvaluated
from siamkit.train.extend import Start, extend, require_continuable
from siamkit.train.folder import DETECTOR, LAST, LOCALISE, LocaliserOrigin
from siamkit.train.localise.config import LocaliserConfig
from siamkit.train.localise.prepare import PreparedPictures, load, prepare
from siamkit.train.record import read_record, sum_up
from siamkit.types import Progress, ignore_progress


class LocaliserDetails(TypedDict, total=False):
    """Optional details of a run, beside its pictures and its settings."""

    licence: str  # of the trained weights; default: not stated
    name: str  # of the detector; default: that of the run's folder
    table: str  # of a database, or the sheet, that lists the pictures
    encoding: str  # of a table that is not UTF-8


@dataclass(frozen=True, slots=True)
class LocaliserResult:
    """The outcome of a run so far. Rates are in [0, 1], None without validation.

    Examples:
        >>> ws.train_localiser("boxes.csv", "run").result().detector  # doctest: +SKIP
    """

    run: str  # its folder
    detector: str  # the detector folder in it
    name: str
    labels: list[str]
    fingerprint: str
    steps: int
    best_step: int | None
    error: float | None  # at the best step: share of the pictures answered wrongly
    hits: float | None  # of those with an object: label right, and IoU at least 0.5
    iou: float | None  # mean
    auc: float | None  # of "an object is there"
    stopped: str | None  # the reason
    faults: list[str]  # one per item that could not be used
    notes: list[str]  # oddities of the pictures


@dataclass(frozen=True, slots=True, eq=False)
class LocaliserRun:
    """A run whose pictures are prepared in its folder: `events` trains.

    Examples:
        >>> run = ws.train_localiser("boxes.csv", "run")  # doctest: +SKIP
    """

    folder: Path
    config: LocaliserConfig
    origin: LocaliserOrigin
    prepared: PreparedPictures
    examples: int = 0  # items that were read; 0 if the arrays of an earlier start were used

    @staticmethod
    def is_begun_in(folder: str | Path) -> bool:
        """True if a localiser's run was begun in a folder."""
        return run_folder.read_task(Path(folder)) == LOCALISE

    @classmethod
    def open(cls, folder: str | Path) -> LocaliserRun:
        """Open a run that was begun before. Raises BadInput if nothing is prepared there."""
        folder = Path(folder)
        origin, config = run_folder.reopen(folder, LocaliserOrigin, LocaliserConfig)
        prepared = load(folder)
        if prepared is None:
            raise BadInput(
                f"{to_text(folder)} holds no prepared data",
                hint="resume the run first, with `--resume`",
            )
        return cls(folder, config, origin, prepared)

    def events(self) -> Iterator[Event]:
        """Train to the end, from the last checkpoint if there is one; yield what happens.

        Each event is in train.jsonl before it is yielded; at the end the folder `detector` of the
        run is a detector folder. Raises BadInput for settings that cannot be met here and while
        another process trains the run, SiamkitError if training fails.
        """
        require_extra("train", "training")
        from siamkit.train.localise.trainer import train

        with run_folder.trained_here(self.folder):
            yield from train(self)

    def export(self) -> None:
        """Write the folder `detector` from the best weights so far. Raises BadInput if none."""
        require_extra("train", "exporting a detector")
        from siamkit.train.localise.trainer import export_best

        export_best(self)

    def result(self) -> LocaliserResult:
        """Sum up the record and the exported detector. Raises BadInput if either is missing."""
        summary = sum_up(read_record(self.folder), LocaliserEvaluated)
        best = summary.best
        card = read_card(self.folder / DETECTOR)
        return LocaliserResult(
            run=str(self.folder),
            detector=str(self.folder / DETECTOR),
            name=card.name,
            labels=list(card.labels),
            fingerprint=card.fingerprint,
            steps=summary.steps,
            best_step=best.step if best else None,
            error=best.error if best else None,
            hits=best.hits if best else None,
            iou=best.iou if best else None,
            auc=best.auc if best else None,
            stopped=summary.stopped,
            faults=self.prepared.faults,
            notes=self.prepared.notes,
        )


def start_localiser(
    folder: Path,
    changes: Mapping[str, Any],
    config: LocaliserConfig | Mapping[str, Any],
    *,
    resume: bool,
    progress: Progress = ignore_progress,
) -> LocaliserRun:
    """Begin a run in a new folder, or reopen one, and prepare its pictures.

    changes: fields of `LocaliserOrigin` that replace the defaults, or those the run was started
    with. config: all settings, or those that replace the defaults or the run's own.

    A run that has a checkpoint goes on with its settings, or to other `steps`: see
    siamkit.train.extend.

    Raises BadInput if the folder is in use or nothing was begun there, or if a run that has a
    checkpoint would go on otherwise. A new run that fails here leaves no file.
    """
    require_extra("train", "training")
    has_checkpoint = resume and (folder / LAST).exists()  # else other settings lose nothing
    start = _read_start(folder, changes, config, resume=resume)
    origin, config = start.origin, start.config
    if has_checkpoint:
        require_continuable(folder, start)
    prepared = load(folder) if has_checkpoint else None
    if prepared is not None:
        extend(folder, start)
        return LocaliserRun(folder, config, origin, prepared)
    from siamkit.train.localise.trainer import prepare_features, require_trainable

    require_trainable(config)
    boxed = read_boxed_pictures(origin.origin, table=origin.table, encoding=origin.encoding)
    run_folder.begin(folder, origin, config)
    try:
        prepared = prepare(boxed, config, folder, progress)
        items = len(boxed.pictures) + len(boxed.faults)
        run = LocaliserRun(folder, config, origin, prepared, items)
        prepare_features(run, progress)
    except SiamkitError:
        if not resume:
            run_folder.abandon(folder)
        raise
    return run


def _read_start(
    folder: Path,
    changes: Mapping[str, Any],
    config: LocaliserConfig | Mapping[str, Any],
    *,
    resume: bool,
) -> Start[LocaliserOrigin, LocaliserConfig]:
    if resume:
        before, saved = run_folder.reopen(folder, LocaliserOrigin, LocaliserConfig)
        run_folder.require_idle(folder)
    elif "origin" not in changes:
        raise BadInput("a new run needs pictures", hint="name them, or resume an earlier run")
    else:
        run_folder.require_new(folder)
        before, saved = LocaliserOrigin("", "not stated", real(folder).name), LocaliserConfig()
    config = config if isinstance(config, LocaliserConfig) else saved.changed(config)
    origin = replace(before, **changes)
    if "origin" in changes:
        origin = replace(origin, origin=to_text(absolute(Path(origin.origin))))
    return Start(before, origin, saved, config)
