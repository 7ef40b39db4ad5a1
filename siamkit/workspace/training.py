"""Train encoders and detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from siamkit.embed.pipeline import DEFAULT
from siamkit.errors import BadInput
from siamkit.io.places import expand, expand_text
from siamkit.types import Progress, ignore_progress
from siamkit.workspace.base import OpenStore

if TYPE_CHECKING:
    from siamkit.train.config import TrainConfig
    from siamkit.train.localise.config import LocaliserConfig
    from siamkit.train.localise.run import LocaliserDetails, LocaliserRun
    from siamkit.train.mine import MinedNegatives, MiningRule
    from siamkit.train.mine_table import Format as MinedFormat
    from siamkit.train.run import RunDetails, TrainingRun
    from siamkit.train.series.folds import FoldsRun
    from siamkit.train.series.sweep import SweepRun


class TrainingMethods(OpenStore):
    """Train encoders and detectors."""

    def train(
        self,
        examples: str | Path | None,
        run: str | Path,
        *,
        modality: str | None = None,
        config: TrainConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[RunDetails],
    ) -> TrainingRun:
        """Prepare labelled examples in the folder `run`, and return the run; its `events` trains.

        examples: a folder with one folder per identity, a table (path,label, pairs a,b,label, or
        triplets), a folder saved by Hugging Face datasets, or 'gallery:NAME'. run: a new folder,
        or with `resume` one where a run was begun; then examples and modality may be None.
        config: settings; a mapping changes the defaults, or those of the resumed run.
        details: detector, licence, name, and what a table holds in which column, see
        siamkit.train.run.RunDetails.

        Raises BadInput for examples or settings that cannot be used, PluginError for a modality
        that cannot be trained. Needs torch.

        Examples:
            >>> run = ws.train("people", "run", modality="faces", config={"steps": 500})
            ...                                                          # doctest: +SKIP
            >>> for event in run.events(): print(event)                  # doctest: +SKIP
            >>> run.result().eer                                         # doctest: +SKIP
        """
        from siamkit.train.start import start_run

        return start_run(
            expand(Path(run)),
            _origin_changes(examples, modality, details),
            config or {},
            lambda: self.store,
            resume=resume,
            progress=progress,
        )

    def train_sweep(
        self,
        examples: str | Path | None,
        folder: str | Path,
        *,
        sweep: Mapping[str, Sequence[Any]] | None = None,
        seeds: int | None = None,
        modality: str | None = None,
        config: TrainConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[RunDetails],
    ) -> SweepRun:
        """Prepare examples in `folder` for runs with every combination of some settings' values.

        sweep: the values of each setting; none: the seeds alone are compared. seeds: how many runs
        of each combination, from config's seed upwards; default: one. The examples are loaded once;
        each trial is a run folder of its own in `folder`/trials. The others are the arguments of
        `train`.

        Raises BadInput as `train` does, and for values that a setting cannot take. Needs torch.

        Examples:
            >>> sweep = ws.train_sweep("people", "sweep", modality="faces",
            ...                        sweep={"margin": [0.1, 0.2]}, seeds=3)  # doctest: +SKIP
            >>> for trial, event in sweep.events(): print(trial.name, event)  # doctest: +SKIP
            >>> sweep.result().verdict.text                              # doctest: +SKIP
        """
        from siamkit.train.series.sweep import start_sweep

        return start_sweep(
            expand(Path(folder)),
            _origin_changes(examples, modality, details),
            config or {},
            sweep,
            seeds,
            lambda: self.store,
            resume=resume,
            progress=progress,
        )

    def train_folds(
        self,
        examples: str | Path | None,
        folder: str | Path,
        *,
        folds: int | None = None,
        modality: str | None = None,
        config: TrainConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[RunDetails],
    ) -> FoldsRun:
        """Prepare examples in `folder` for a cross-validation, which measures on all identities.

        folds: how many runs, each validating on another part of the identities, from 2 to half of
        these; None with `resume`. An encoder is then trained on all identities, for the median of
        the best steps. The others are the arguments of `train`; config's validation is not used.

        Raises BadInput as `train` does, and for more folds than there can be. Needs torch.

        Examples:
            >>> run = ws.train_folds("people", "run", modality="faces", folds=5)  # doctest: +SKIP
            >>> for trial, event in run.events(): print(trial.name, event)        # doctest: +SKIP
            >>> run.result().rates["error"]                                       # doctest: +SKIP
        """
        from siamkit.train.series.folds import start_folds

        return start_folds(
            expand(Path(folder)),
            _origin_changes(examples, modality, details),
            config or {},
            folds,
            lambda: self.store,
            resume=resume,
            progress=progress,
        )

    def mine_negatives(
        self,
        data: str | Path,
        output: str | Path,
        *,
        modality: str,
        rule: MiningRule | None = None,
        format: MinedFormat = "pairs",
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        columns: Mapping[str, str] | None = None,
        table: str | None = None,
        encoding: str | None = None,
        progress: Progress = ignore_progress,
    ) -> MinedNegatives:
        """Write a table of training data with hard negatives, which `train` reads as it is.

        data, columns, table, encoding: as for `train`. Samples are compared by an encoder, the
        modality's own by default, and those of 'gallery:NAME' by the templates that it has.
        format: 'pairs' (a, b, label 1 or 0) or 'triplets' (anchor, positive, negative).
        See siamkit.train.mine. No torch is needed.

        Raises BadInput for data or an output that cannot be used, NothingFound if no sample can be
        embedded or no neighbour is far enough, StoreError if there is no such gallery.

        Examples:
            >>> ws.mine_negatives("photos", "hard.csv", modality="faces")  # doctest: +SKIP
        """
        from siamkit.train.mine import MiningRule, mine_negatives
        from siamkit.train.read_data import GALLERY, Layout

        origin = expand_text(str(data))
        if origin.startswith(GALLERY) and (encoder is not None or columns):
            raise BadInput(
                f"{origin} has vectors of its own encoder",
                hint="leave out `--encoder` and `--column`, or give a folder or a table",
            )
        return mine_negatives(
            origin,
            expand(Path(output)),
            lambda: self.pipeline(modality, encoder=encoder, detector=detector),
            lambda: self.store,
            modality=modality,
            rule=rule or MiningRule(),
            layout=Layout(table, encoding, columns or {}),
            format=format,
            progress=progress,
        )

    def train_localiser(
        self,
        pictures: str | Path | None,
        run: str | Path,
        *,
        config: LocaliserConfig | Mapping[str, Any] | None = None,
        resume: bool = False,
        progress: Progress = ignore_progress,
        **details: Unpack[LocaliserDetails],
    ) -> LocaliserRun:
        """Prepare pictures with boxes in the folder `run`, and return the run; its `events` trains.

        pictures: a COCO .json, a folder of VOC's XML or for YOLO, or a table with the columns
        image, label, left, top, right, bottom; see siamkit.io.boxes_read. Of several objects in a
        picture the largest is learnt; a picture without any shows nothing. run: a new folder, or
        with `resume` one where a run was begun; then pictures may be None.
        config: settings; a mapping changes the defaults, or those of the resumed run.
        details: licence and name, see siamkit.train.localise.run.LocaliserDetails.

        Raises BadInput for pictures or settings that cannot be used. Needs torch.

        Examples:
            >>> run = ws.train_localiser("boxes.csv", "run", config={"steps": 500})
            ...                                                          # doctest: +SKIP
            >>> for event in run.events(): print(event)                  # doctest: +SKIP
            >>> run.result().detector                                    # doctest: +SKIP
        """
        from siamkit.train.localise.run import start_localiser

        changes: dict[str, Any] = dict(details)
        if pictures is not None:
            changes["origin"] = expand_text(str(pictures))
        return start_localiser(
            expand(Path(run)), changes, config or {}, resume=resume, progress=progress
        )


def _origin_changes(
    examples: str | Path | None, modality: str | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a run's origin that are given."""
    arguments = {"origin": examples and expand_text(str(examples)), "modality": modality}
    return {**details, **{name: value for name, value in arguments.items() if value is not None}}
