"""Go on with a run: as it was, or extended to more steps."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import atomic
from siamkit.io.sources import shorten, to_text
from siamkit.train.data import change_since
from siamkit.train.folder import CONFIG, LAST, AnyOrigin, AnySettings, Origin
from siamkit.train.read_data import OpenStore, read_origin

log = logging.getLogger("siamkit")
# Settings of a run that has learnt already may differ in these alone. The others shape what it
# has learnt, so that a run with two values of them could not be repeated.
MAY_CHANGE = ("steps", "patience", "evaluate_every")


@dataclass(frozen=True, slots=True)
class Start(Generic[AnyOrigin, AnySettings]):
    """A run's origin and settings as they are stored, and those that it is to go on with.

    Of a new run, the defaults are stored.
    """

    before: AnyOrigin
    origin: AnyOrigin
    saved: AnySettings
    config: AnySettings


def require_continuable(folder: Path, start: Start[AnyOrigin, AnySettings]) -> None:
    """Raise BadInput if a run with a checkpoint cannot go on as asked.

    Only MAY_CHANGE may differ, and the steps cannot be fewer than were taken.
    """
    hint = "`--resume` continues it as it was, and `--resume --set steps=…` beyond its end;"
    require_same(folder, start, apart_from=MAY_CHANGE, hint=hint)
    if start.saved != start.config:
        done, steps = read_step(folder), int(asdict(start.config)["steps"])
        if steps < done:
            raise BadInput(
                f"steps = {steps:,}: {to_text(folder)} has taken {done:,} already",
                hint=f"give more than {done:,}, or begin a new run",
            )


def require_same(
    folder: Path,
    start: Start[AnyOrigin, AnySettings],
    *,
    apart_from: Iterable[str] = (),
    hint: str = "`--resume` alone continues it as it was;",
) -> None:
    """Raise BadInput if a run would go on with another origin or other settings."""
    before, after = asdict(start.before), asdict(start.origin)
    stored: dict[str, Any] = {name: getattr(start.saved, name) for name in apart_from}
    lines = [
        f"{key}: {value!r} before, {after[key]!r} now"
        for key, value in before.items()
        if value != after[key]
    ] + start.saved.differences(replace(start.config, **stored))
    if lines:
        raise BadInput(
            f"{to_text(folder)} was started with other settings: {'; '.join(lines)}",
            hint=f"{hint} another `-o` begins a new run",
        )


def extend(folder: Path, start: Start[AnyOrigin, AnySettings]) -> None:
    """Store what MAY_CHANGE; a run that patience has ended is patient again.

    The checkpoint is renewed before the settings: a run that is killed between the two goes on as
    it was.
    """
    if start.config == start.saved:
        return
    from siamkit.train import checkpoint

    tensors, facts = checkpoint.read(folder / LAST)
    checkpoint.write(folder / LAST, tensors, facts | {"since": 0})
    atomic.replace_text(folder / CONFIG, start.config.to_toml())


def read_step(folder: Path) -> int:
    """Return the step of a run's last checkpoint, 0 before the first."""
    from siamkit.train import checkpoint

    last = folder / LAST
    return int(checkpoint.read_facts(last).get("step", 0)) if last.exists() else 0


def warn_of_change(
    folder: Path, origin: Origin, open_store: OpenStore, *, is_text: bool, by_category: bool
) -> None:
    """Log how the data differ from those that a run with a checkpoint goes on with."""
    try:
        data = read_origin(origin, open_store, is_text=is_text, by_category=by_category)
        change = change_since(folder, data.examples, data.pairs)
    except SiamkitError as error:
        change = f"it cannot be read ({error})"
    if change:
        log.warning(
            f"{shorten(origin.origin)} changed since the run began: {change}. The run goes on with"
            " the data that it prepared then; another -o begins with the new ones"
        )
