"""The folder of a run: what it was begun with, so that nothing need be said again to go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.atomic import replace_text
from siamkit.io.sources import to_text
from siamkit.train.config import TrainConfig, configure, read_config, to_toml

LAST, BEST = "last.safetensors", "best.safetensors"  # checkpoints
CONFIG, ORIGIN = "config.toml", "run.json"
ARRAYS, FACTS = "arrays.npy", "data.json"  # see siamkit.train.data


@dataclass(frozen=True, slots=True)
class Origin:
    """What is trained, on what."""

    modality: str
    origin: str  # a whole path, or gallery:NAME
    detector: str | None  # None: every sample is taken as it is
    licence: str  # of the weights to come, for people
    name: str  # of the encoder to come


def require_new(run: Path) -> None:
    """Raise BadInput for a folder that something is in already."""
    if run.exists() and not run.is_dir():
        raise BadInput(f"{to_text(run)} is a file", hint="--out RUN is a folder, or none yet")
    if run.is_dir() and any(run.iterdir()):
        begun = (run / ORIGIN).exists()
        raise BadInput(
            f"{to_text(run)} is not empty" + (": a run was begun there" if begun else ""),
            hint="--resume goes on with it, or give another --out" if begun else "another --out",
        )


def begin(run: Path, origin: Origin, config: TrainConfig) -> None:
    """Make the folder and note there what the run is."""
    run.mkdir(parents=True, exist_ok=True)
    replace_text(run / CONFIG, to_toml(config))
    replace_text(run / ORIGIN, json.dumps(asdict(origin), indent=2) + "\n")


def abandon(run: Path) -> None:
    """Take back `begin`, for a run that could not be prepared."""
    for name in (CONFIG, ORIGIN, ARRAYS, FACTS):
        (run / name).unlink(missing_ok=True)
    if not any(run.iterdir()):
        run.rmdir()


def reopen(run: Path) -> tuple[Origin, TrainConfig]:
    """What a run was begun with. Raises BadInput if it was none."""
    try:
        data = json.loads((run / ORIGIN).read_text(encoding="utf-8"))
        return Origin(**data), configure(read_config(run / CONFIG))
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{to_text(run)} is no run to go on with: {ORIGIN}: {reason}",
            hint="give the folder of a run; one is begun without --resume",
        ) from error
