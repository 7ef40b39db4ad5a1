"""The folder of a run, with all that is needed to resume it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import atomic, foreign
from siamkit.io.sources import to_text
from siamkit.train.config import TrainConfig

LAST, BEST = "last.safetensors", "best.safetensors"  # checkpoints
CONFIG, ORIGIN = "config.toml", "run.json"
ARRAYS, FACTS = "arrays.npy", "data.json"  # see siamkit.train.data
EMBEDDINGS = "validation.npz"  # of the validation samples, at the best step
ENCODER = "encoder"  # the encoder folder that a run results in


@dataclass(frozen=True, slots=True)
class Origin:
    """The modality and the examples of a run, and the name and licence of its result."""

    modality: str
    origin: str  # an absolute path, or gallery:NAME
    detector: str | None  # None takes every sample whole
    licence: str  # of the weights to come, for people
    name: str  # of the encoder to come
    table: str | None = None  # of a database, or the sheet, that holds the examples
    encoding: str | None = None  # of a table of examples that is not UTF-8


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file of a run, see siamkit.io.atomic. Raises SiamkitError if that fails."""
    try:
        with atomic.replacing(path) as temporary:
            yield temporary
    except OSError as error:
        prepared = (path.parent / FACTS).exists()
        raise SiamkitError(
            f"{to_text(path)} could not be written: {error.strerror or error}",
            hint="make room, then give `--resume`" if prepared else "make room and start again",
        ) from error


def require_new(run: Path) -> None:
    """Raise BadInput for a file, or for a folder that is not empty."""
    if run.exists() and not run.is_dir():
        raise BadInput(f"{to_text(run)} is a file", hint="give an empty or a new folder")
    if run.is_dir() and any(run.iterdir()):
        is_run = (run / ORIGIN).exists()
        raise BadInput(
            f"{to_text(run)} is not empty" + (": a run was started there" if is_run else ""),
            hint="continue it with `--resume`, or give another `--out`"
            if is_run
            else "give another --out",
        )


def begin(run: Path, origin: Origin, config: TrainConfig) -> None:
    """Create the folder of a run, with its origin and its settings."""
    atomic.create_folder(run)
    atomic.replace_text(run / CONFIG, config.to_toml())
    atomic.replace_text(run / ORIGIN, json.dumps(asdict(origin), indent=2) + "\n")


def abandon(run: Path) -> None:
    """Undo `begin`, for a run that could not be prepared."""
    for name in (CONFIG, ORIGIN, ARRAYS, FACTS):
        (run / name).unlink(missing_ok=True)
    if not any(run.iterdir()):
        run.rmdir()


def reopen(run: Path) -> tuple[Origin, TrainConfig]:
    """Read what a run was started with. Raises BadInput if none was started there."""
    try:
        origin = Origin(**foreign.require_object(foreign.read_json(run / ORIGIN)))
        texts = [origin.modality, origin.origin, origin.detector or "", origin.licence, origin.name]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("its values are not texts")
        return origin, TrainConfig.read(run / CONFIG)
    except (BadInput, ValueError, TypeError) as error:
        raise BadInput(
            f"{to_text(run)} does not hold a run to resume: {ORIGIN}: {error}",
            hint="give the folder of a run; a new run begins without `--resume`",
        ) from error
