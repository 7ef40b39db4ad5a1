"""The folder of several runs: what they share, and how it is undone or exported."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import atomic, foreign
from siamkit.io.atomic import writing_folder
from siamkit.sdk.model_folder import read_card, write_card
from siamkit.train import folder as run_folder
from siamkit.train.config import TrainConfig
from siamkit.train.data import load
from siamkit.train.folder import Origin
from siamkit.train.start import Plan

PREPARED = "prepared"  # key of a plan


def arrays_of(origin: Origin, config: TrainConfig) -> str:
    """Return a key that two settings share if they train on the same arrays.

    Raises BadInput or PluginError for settings that the modality cannot be trained with.
    """
    from siamkit.train.modality import load_modality

    modality = load_modality(origin.modality, config)
    constants = json.dumps(modality.preprocessing(), sort_keys=True, default=str)
    return f"{type(modality).__name__} {constants}"


def require_single_process() -> None:
    """Raise BadInput under torchrun, in each of its processes."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise BadInput(
            "several processes train one run, and a sweep or a cross-validation has many",
            hint="start it without torchrun",
        )


def write_plan(path: Path, plan: Mapping[str, Any]) -> None:
    """Write the file that says what the runs are, with PREPARED once their data are complete."""
    atomic.replace_text(path, json.dumps(plan, indent=2) + "\n")


def is_prepared(path: Path) -> bool:
    """True if the data of all runs are complete: all that trials need beside their arrays, too."""
    return foreign.require_object(foreign.read_json(path)).get(PREPARED) is True


def prepare_once(
    path: Path,
    plan: Mapping[str, Any],
    plans: Sequence[Plan],
    prepare: Callable[[], tuple[int, str]],
    *,
    resume: bool,
) -> tuple[int, str]:
    """Prepare the examples of all runs unless that is done, and note it in the file of the plan.

    prepare: returns how many examples it read, and their form; 0 and "" if it is not called. A new
    series that fails here leaves no file.
    """
    if resume and is_prepared(path) and all(load(run.folder) for run in plans):
        return 0, ""
    try:
        read = prepare()
        write_plan(path, {**plan, PREPARED: True})
    except SiamkitError:
        if not resume:
            abandon(path.parent, path.name, plans)
        raise
    return read


def abandon(folder: Path, plan: str, plans: Sequence[Plan]) -> None:
    """Undo the beginning of several runs that could not be prepared.

    plan: the file that says what they are.
    """
    for run in plans:
        if run.folder.exists():
            run_folder.abandon(run.folder)
    for parent in {run.folder.parent for run in plans}:
        if parent.exists() and not any(parent.iterdir()):
            parent.rmdir()
    (folder / plan).unlink(missing_ok=True)
    run_folder.abandon(folder)


def export_copy(encoder: Path, target: Path, facts: Mapping[str, Any], **changes: Any) -> None:
    """Copy an encoder folder to another, in place of one that is there.

    facts: to add to the training card. changes: other fields of the card.
    """
    with writing_folder(target, replace=True) as folder:
        shutil.copytree(encoder, folder, dirs_exist_ok=True)
        card = read_card(folder)
        write_card(folder, replace(card, training={**card.training, **facts}, **changes))
