"""A training run in its folder: follow it, export its encoder, sum it up.

Imports torch only once a modality is bound to what is trained.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from siamkit.errors import BadInput
from siamkit.io.extras import require_extra
from siamkit.io.presentable import Presentable
from siamkit.io.sources import to_text
from siamkit.sdk.model_folder import read_card
from siamkit.train import folder as run_folder
from siamkit.train.config import TrainConfig
from siamkit.train.data import Prepared, load
from siamkit.train.events import Baseline, Evaluated, Event, Verdict
from siamkit.train.folder import ENCODER, Origin
from siamkit.train.record import read_record, sum_up

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
class TrainingResult(Presentable):
    """The outcome of a run so far. Error rates are in [0, 1], None without validation.

    "Before" is the best of what there is without training, by the error that selects the step.

    Examples:
        >>> ws.train("photos", "run", modality="faces").result().eer  # doctest: +SKIP
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
    """A run whose examples are prepared in its folder: `events` trains.

    Examples:
        >>> run = ws.train("photos", "run", modality="faces")  # doctest: +SKIP
        >>> for event in run.events(): print(event)  # doctest: +SKIP
    """

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
        require_extra("plot", "drawing a run")
        from siamkit.train.plot import draw

        draw(Path(folder), Path(file))

    def events(self, *, exports: bool = True) -> Iterator[Event]:
        """Train to the end, from the last checkpoint if there is one; yield what happens.

        Each event is in train.jsonl before it is yielded; at the end the folder `encoder` of the
        run is an encoder folder. Raises BadInput for settings that cannot be met here and while
        another process trains the run, SiamkitError if training fails.
        """
        require_extra("train", "training")
        from siamkit.train.trainer import train

        with run_folder.trained_here(self.folder):
            yield from train(self, exports=exports)

    def export(self) -> None:
        """Write the folder `encoder` from the best weights so far. Raises BadInput if none."""
        require_extra("train", "exporting an encoder")
        from siamkit.train.trainer import export_best

        export_best(self)

    def result(self) -> TrainingResult:
        """Sum up the record and the exported encoder. Raises BadInput without a record."""
        events = read_record(self.folder)
        summary = sum_up(events, Evaluated)
        best = summary.best
        baselines = [event for event in events if isinstance(event, Baseline)]
        measured = [event for event in baselines if event.error is not None]
        before = min(measured, key=lambda event: event.error or 0.0, default=None)
        verdict = events[-1] if events and isinstance(events[-1], Verdict) else None
        card = read_card(self.folder / ENCODER) if (self.folder / ENCODER).exists() else None
        return TrainingResult(
            run=str(self.folder),
            gained=verdict.gained if verdict else None,
            encoder=str(self.folder / ENCODER) if card else None,
            modality=self.origin.modality,
            name=self.origin.name,
            fingerprint=card.fingerprint if card else None,
            steps=summary.steps,
            best_step=best.step if best else None,
            eer_before=_known(before.eer) if before else None,
            eer=_known(best.eer) if best else None,
            eer_hard_before=before.eer_hard if before else None,
            eer_hard=best.eer_hard if best else None,
            eer_impostors_before=before.eer_impostors if before else None,
            eer_impostors=best.eer_impostors if best else None,
            stopped=summary.stopped,
            verdict=verdict,
            best=best,
            baselines=baselines,
            faults=self.prepared.faults,
            notes=self.prepared.notes,
        )


def _known(rate: float) -> float | None:
    return None if math.isnan(rate) else rate
