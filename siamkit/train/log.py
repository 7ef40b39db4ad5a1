"""Log a training run to TensorBoard or to Weights & Biases, if they are installed.

Figures and settings are logged; samples and their names never are.
"""

from __future__ import annotations

import json
import logging
import netrc
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import atomic
from siamkit.io.extras import require_extra
from siamkit.io.places import real
from siamkit.io.sources import shorten, to_text
from siamkit.train.events import (
    Alarm,
    Evaluated,
    Event,
    LocaliserEvaluated,
    LocaliserStarted,
    Saved,
    Started,
    Stopped,
    Verdict,
    outcome_of,
)
from siamkit.train.localise.run import LocaliserRun
from siamkit.train.record import read_record
from siamkit.train.run import TrainingRun
from siamkit.train.series.trial import Trial

# Before the names of an event's figures, by its class; the others have none that make a curve.
SECTIONS = {
    "Step": "train",
    "LocaliserStep": "train",
    "Evaluated": "validation",
    "LocaliserEvaluated": "validation",
    "Baseline": "baseline",
    "Verdict": "verdict",
}
Logged: TypeAlias = TrainingRun | LocaliserRun | Trial
WANDB_ID = "run-id"  # in RUN/wandb: the id that a resumed run goes on with
FLUSH = 10  # seconds after which TensorBoard sees what happened
log = logging.getLogger("siamkit")


class Logger(Protocol):
    """A log of one run, in the folder of the run that has the logger's name."""

    def figures(self, step: int, values: Mapping[str, float]) -> None: ...

    def note(self, step: int, title: str, text: str) -> None: ...

    def flush(self) -> None: ...

    def close(self, is_complete: bool) -> None: ...


def require_loggers(names: Sequence[str]) -> None:
    """Raise BadInput for an unknown logger, MissingPackage for one that is not installed."""
    for name in names:
        if name not in LOGGERS:
            raise BadInput(f"unknown logger {name!r}", hint=f"known: {', '.join(LOGGERS)}")
        require_extra(name, f"--log {name}")


def loggers_of(folder: Path) -> list[str]:
    """Return the loggers that a run has been logged with so far."""
    return [name for name in LOGGERS if (folder / name).is_dir()]


def log_events(run: Logged, loggers: Sequence[str]) -> Iterator[Event]:
    """Train, log every event to RUN/tensorboard or RUN/wandb, and yield it.

    loggers: of "tensorboard" and "wandb". A resumed run continues its curves; what happened before
    a logger was first named is read from the record. Without a login, wandb logs offline, unless
    WANDB_MODE says otherwise. A logger that fails on the way is left, and training goes on.

    Raises BadInput for an unknown logger, MissingPackage for one that is not installed,
    SiamkitError for one that does not start.

    Examples:
        >>> for event in log_events(run, ["tensorboard"]): print(event)      # doctest: +SKIP
    """
    require_loggers(loggers)
    return _logged(run, list(dict.fromkeys(loggers)))


def _logged(run: Logged, names: Sequence[str]) -> Iterator[Event]:
    books: list[_Book] = []
    is_complete = False
    try:
        for event in run.events():
            if isinstance(event, Started | LocaliserStarted):
                books = [_begin(name, run, event) for name in names]
            for book in books:
                book.add(event)
            yield event
        is_complete = True
    finally:
        for book in books:
            book.attempt(book.logger.close, is_complete)


class _Book:
    """Tells one logger of events: their figures, and their texts when they change."""

    def __init__(self, name: str, logger: Logger) -> None:
        self.name, self.logger = name, logger
        self._texts: dict[str, str] = {}
        self._is_open = True

    def add(self, event: Event) -> None:
        if isinstance(event, Saved):  # a run that is killed resumes from here
            self.attempt(self.logger.flush)
        section = SECTIONS.get(type(event).__name__)
        if section:
            numbers, texts = _contents(event, section)
            self.attempt(self.logger.figures, event.step, numbers)
        else:
            texts = {}
        if isinstance(event, Alarm):
            texts = {f"alarm/{event.name}": event.message}
        elif isinstance(event, Stopped):
            texts = {"stopped": event.reason}
        elif isinstance(event, Verdict) and (verdict := outcome_of(event)):
            texts["verdict"] = verdict
        for title, text in texts.items():
            if self._texts.get(title) != text:
                self._texts[title] = text
                self.attempt(self.logger.note, event.step, title, text)

    def attempt(self, action: Callable[..., None], *arguments: Any) -> None:
        """Do something with the logger; its failure must not end hours of training."""
        if not self._is_open:
            return
        try:
            action(*arguments)
        except Exception as error:
            self._is_open = False
            log.warning(
                f"{self.name} failed, and nothing more is logged to it: {shorten(str(error))}"
            )


def _begin(name: str, run: Logged, started: Event) -> _Book:
    """Start a logger; tell it what was recorded before, if it logs this run for the first time."""
    is_late = bool(started.step) and not (run.folder / name).exists()
    try:
        book = _Book(name, LOGGERS[name](run, started))
    except Exception as error:
        raise SiamkitError(
            f"{name} does not start: {shorten(str(error))}",
            hint="`--resume` goes on once it works; without it, `--log` names other loggers",
        ) from error
    for event in read_record(run.folder) if is_late else ():
        book.add(event)
    return book


def _contents(event: Event, section: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures and the texts of an event, as 'train/loss' or 'baseline/NAME/eer'."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    del values["step"]
    if name := values.pop("name", None):
        section = f"{section}/{name}"
    numbers = {
        f"{section}/{key}": float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    texts = {f"{section}/{key}": text for key, text in values.items() if isinstance(text, str)}
    return numbers, texts


def _settings(run: Logged) -> dict[str, Any]:
    """Return the settings of a run as hyperparameters; a table or a list as JSON."""
    return {
        key: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for key, value in asdict(run.config).items()
    }


class _TensorBoard:
    def __init__(self, run: Logged, started: Event) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        folder = run.folder / "tensorboard"
        atomic.create_folder(folder)
        # Events that were logged after the checkpoint are hidden: they are about to come again.
        purged = started.step + 1 if started.step else 0
        self._writer = SummaryWriter(str(folder), purge_step=purged, flush_secs=FLUSH)
        evaluated = LocaliserEvaluated if isinstance(started, LocaliserStarted) else Evaluated
        metrics = [f.name for f in fields(evaluated) if f.name not in ("step", "best")]
        summaries = hparams(_settings(run), {f"validation/{name}": 0.0 for name in metrics})
        for summary in summaries:
            self._writer.file_writer.add_summary(summary)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, step)

    def note(self, step: int, title: str, text: str) -> None:
        self._writer.add_text(title, text, step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self, is_complete: bool) -> None:
        self._writer.close()


class _WeightsAndBiases:
    def __init__(self, run: Logged, started: Event) -> None:
        import wandb

        mode = None if "WANDB_MODE" in os.environ or _has_login(wandb) else "offline"
        if mode:
            log.warning(
                "there is no login to Weights & Biases: the run is logged to"
                f" {to_text(run.folder / 'wandb')}; `wandb sync` uploads it, `wandb login` logs in"
            )
        environment = {"project": "siamkit", "name": real(run.folder).name}
        named = {k: v for k, v in environment.items() if f"WANDB_{k.upper()}" not in os.environ}
        self._run = wandb.init(
            **named,
            id=_wandb_id(run.folder, is_new=not started.step),
            resume=None if mode or os.environ.get("WANDB_MODE") == "offline" else "allow",
            dir=str(run.folder),
            config=_settings(run),
            mode=mode,
            settings={"console": "off"},  # messages of ours name samples
        )

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        if step >= self._run.step:  # else it was logged before the run was resumed
            self._run.log(values, step=step)

    def note(self, step: int, title: str, text: str) -> None:
        self._run.summary[title] = text

    def flush(self) -> None:
        """Do nothing: a process of wandb's own writes at once."""

    def close(self, is_complete: bool) -> None:
        self._run.finish(exit_code=0 if is_complete else 1)


def _has_login(wandb: Any) -> bool:
    """True if a key for the server is known, so that wandb neither asks for one nor stops."""
    settings = wandb.setup().settings
    if settings.api_key or settings.identity_token_file:
        return True
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    with suppress(OSError, netrc.NetrcParseError):
        return bool(netrc.netrc(path).authenticators(urlsplit(settings.base_url).netloc))
    return False


def _wandb_id(folder: Path, *, is_new: bool) -> str:
    """Return the id under which a run is known to wandb; a resumed one keeps it."""
    path = folder / "wandb" / WANDB_ID
    if path.exists() and not is_new:
        return path.read_text(encoding="ascii").strip()
    atomic.create_folder(path.parent)
    run_id = secrets.token_hex(8)
    atomic.replace_text(path, run_id + "\n")
    return run_id


LOGGERS: dict[str, Callable[[Logged, Event], Logger]] = {
    "tensorboard": _TensorBoard,
    "wandb": _WeightsAndBiases,
}
