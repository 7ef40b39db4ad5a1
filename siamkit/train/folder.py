"""The folder of a run, with all that is needed to resume it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import atomic, foreign, unfinished
from siamkit.io.commands import suggest
from siamkit.io.sources import to_text
from siamkit.train.settings import Settings

LAST, BEST = "last.safetensors", "best.safetensors"  # checkpoints
CONFIG, ORIGIN = "config.toml", "run.json"
ARRAYS, FACTS = "arrays.npy", "data.json"  # see siamkit.train.data
FEATURES = "features.npy"  # of a frozen backbone
FEATURES_KEY = "features.json"  # what they depend on
TEACHER = "teacher.npy"  # the vectors of an encoder to learn from
REFERENCE = "reference.npz"  # vectors of the validation samples by the modality's own encoder
UNTRAINED = "untrained.npz"  # … by every alternative that needs no training
EMBEDDINGS = "validation.npz"  # of the validation samples, at the best step
ENCODER, DETECTOR = "encoder", "detector"  # the folder that a run results in
PARENT, LINEAGE = "parent.safetensors", "parent.json"  # what the run began with
LOCALISE = "localise"  # the task of a run that trains a localiser


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
    parent: str | None = None  # the absolute path of the run whose weights it began with
    columns: dict[str, str] = field(default_factory=dict)  # see read_data.Layout
    top_score: float = 1.0


@dataclass(frozen=True, slots=True)
class LocaliserOrigin:
    """The pictures of a localiser's run, and the name and licence of its result."""

    origin: str  # an absolute path
    licence: str  # of the weights to come, for people
    name: str  # of the detector to come
    table: str | None = None  # of a database, or the sheet, that lists the pictures
    encoding: str | None = None  # of a table that is not UTF-8
    task: str = LOCALISE


AnyOrigin = TypeVar("AnyOrigin", Origin, LocaliserOrigin)
AnySettings = TypeVar("AnySettings", bound=Settings)


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


def link(source: Path, path: Path) -> None:
    """Let a file of one run be a file of another, too: a copy only where disks know no links.

    Both stay whole whatever becomes of the other, since a file of a run is never changed in place.
    """
    with replacing(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def require_new(run: Path) -> None:
    """Raise BadInput for a file, or for a folder that is not empty."""
    if run.exists() and not run.is_dir():
        raise BadInput(f"{to_text(run)} is a file", hint="give an empty or a new folder")
    if run.is_dir() and any(run.iterdir()):
        is_run = (run / ORIGIN).exists()
        raise BadInput(
            f"{to_text(run)} is not empty" + (": a run was started there" if is_run else ""),
            hint="continue it with `--resume`, or give another `-o`"
            if is_run
            else "give another -o",
        )


@contextmanager
def trained_here(run: Path) -> Iterator[None]:
    """Let no other process train a run, or the runs of a series, until the block ends.

    The system ends the lock with the process, however that ends. Raises BadInput if another holds
    it. Where there are no such locks, nothing is refused: see siamkit.io.unfinished.
    """
    try:
        lock = unfinished.lock_folder(run, wait=False)
    except BlockingIOError as error:
        raise BadInput(
            f"{to_text(run)} is being trained by another process",
            hint=f"wait for its end, which `{suggest('train watch', to_text(run))}` shows, or"
            " end it",
        ) from error
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def require_idle(run: Path) -> None:
    """Raise BadInput if a process trains a run."""
    with trained_here(run):
        pass


def begin(run: Path, origin: Origin | LocaliserOrigin, config: Settings) -> None:
    """Create the folder of a run, with its origin and its settings.

    Raises BadInput if there can be no such folder.
    """
    try:
        atomic.create_folder(run)
    except OSError as error:
        raise BadInput(
            f"{to_text(run)} cannot be created: {error.strerror or error}",
            hint="give `-o` a folder where you can write",
        ) from error
    atomic.replace_text(run / CONFIG, config.to_toml())
    atomic.replace_text(run / ORIGIN, json.dumps(asdict(origin), indent=2) + "\n")


def abandon(run: Path) -> None:
    """Undo `begin`, for a run that could not be prepared."""
    if not run.exists():
        return
    inputs = (ARRAYS, FACTS, FEATURES, FEATURES_KEY, TEACHER, REFERENCE, PARENT, LINEAGE)
    for name in (CONFIG, ORIGIN, *inputs):
        (run / name).unlink(missing_ok=True)
    if not any(run.iterdir()):
        run.rmdir()


def read_task(run: Path) -> str:
    """Return the task of a run: LOCALISE, or "" for an encoder's and where no run was begun."""
    try:
        return str(foreign.require_object(foreign.read_json(run / ORIGIN)).get("task", ""))
    except (BadInput, ValueError):
        return ""


def reopen(
    run: Path, kind: type[AnyOrigin], settings: type[AnySettings]
) -> tuple[AnyOrigin, AnySettings]:
    """Read what a run was started with. Raises BadInput if none of this kind was started there."""
    try:
        values = foreign.require_object(foreign.read_json(run / ORIGIN))
        origin = kind(**values)
        details: dict[str, Any] = asdict(origin)
        columns: dict[str, str] = details.pop("columns", {})
        float(details.pop("top_score", 1))  # raises for what is not a number
        texts = [value for value in (*details.values(), *columns.values()) if value is not None]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("its values are not texts")
        return origin, settings.read(run / CONFIG)
    except (BadInput, ValueError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{to_text(run)} does not hold a run to resume: {ORIGIN}: {error}",
            hint="give the folder of a run; a new run begins without `--resume`",
        ) from error
