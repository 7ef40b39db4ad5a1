"""Go on with a run: as it was, or extended to more steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io import atomic
from siamkit.io.sources import to_text
from siamkit.train.folder import CONFIG, LAST, AnyOrigin, AnySettings

# Settings of a run that has learnt already may differ in these alone. The others shape what it
# has learnt, so that a run with two values of them could not be repeated.
MAY_CHANGE = ("steps", "patience", "evaluate_every")


def require_continuable(
    folder: Path,
    origins: tuple[AnyOrigin, AnyOrigin],
    settings: tuple[AnySettings, AnySettings],
) -> None:
    """Raise BadInput if a run with a checkpoint cannot go on as asked.

    origins, settings: of the run, and those it would go on with. Only MAY_CHANGE may differ, and
    the steps cannot be fewer than were taken.
    """
    before, now = (asdict(origin) for origin in origins)
    saved, asked = settings
    allowed: dict[str, Any] = {name: getattr(saved, name) for name in MAY_CHANGE}
    lines = _differences(before, now) + saved.differences(replace(asked, **allowed))
    if lines:
        raise BadInput(
            f"{to_text(folder)} was started with other settings: {'; '.join(lines)}",
            hint="`--resume` continues it as it was, and `--resume --set steps=…` beyond its end;"
            " another `--out` begins a new run",
        )
    if saved != asked:
        done, steps = _read_step(folder), int(asdict(asked)["steps"])
        if steps < done:
            raise BadInput(
                f"steps = {steps:,}: {to_text(folder)} has taken {done:,} already",
                hint=f"give more than {done:,}, or begin a new run",
            )


def extend(folder: Path, saved: AnySettings, config: AnySettings) -> None:
    """Store what MAY_CHANGE; a run that patience has ended is patient again.

    The checkpoint is renewed before the settings: a run that is killed between the two goes on as
    it was.
    """
    if config == saved:
        return
    from siamkit.train import checkpoint

    tensors, facts = checkpoint.read(folder / LAST)
    checkpoint.write(folder / LAST, tensors, facts | {"since": 0})
    atomic.replace_text(folder / CONFIG, config.to_toml())


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: {value!r} before, {now[key]!r} now"
        for key, value in before.items()
        if value != now[key]
    ]


def _read_step(folder: Path) -> int:
    from siamkit.train import checkpoint

    return int(checkpoint.read_facts(folder / LAST).get("step", 0))
