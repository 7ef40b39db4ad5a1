"""The grid of a sweep: every combination of the values of some settings, with every seed."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siamkit.errors import BadInput
from siamkit.train.config import TrainConfig

MAX_NAME = 100  # characters of a trial's folder: file systems take 255 bytes
# Settings that cannot be swept over, with the reason.
NOT_SWEPT = {
    "seed": ("seeds are not settings to choose from", "give `--seeds 3`, and `--set seed=` begins"),
    "validation": (
        "errors on other validation identities cannot be compared",
        "give it with `--set`, for all trials",
    ),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A trial to be: its name, which is that of its folder, and its settings."""

    name: str
    settings: Mapping[str, Any]  # those of the grid
    config: TrainConfig  # all of them, with the seed


def points(config: TrainConfig, grid: Mapping[str, Sequence[Any]], seeds: int) -> list[Point]:
    """Return every combination of values with the seeds config.seed, config.seed + 1, …

    Raises BadInput for an unknown setting, naming the nearest, for one that cannot be swept over,
    for values that it cannot take or that are given twice, and for less than one seed.
    """
    if seeds < 1:
        raise BadInput(f"seeds = {seeds}", hint="give `--seeds 1` or more")
    for key, values in grid.items():
        config.changed(dict.fromkeys([key], values[0] if values else 0))
        if key in NOT_SWEPT:
            reason, hint = NOT_SWEPT[key]
            raise BadInput(f"no sweep over {key}: {reason}", hint=hint)
        _require_distinct(key, values)
    named: dict[str, Point] = {}
    for combination in itertools.product(*grid.values()):
        settings = dict(zip(grid, combination, strict=True))
        changed = config.changed(settings)
        for seed in range(config.seed, config.seed + seeds):
            labels = settings | ({"seed": seed} if seeds > 1 or not grid else {})
            name = _unique(describe(labels), named)
            named[name] = Point(name, settings, changed.changed({"seed": seed}))
    return list(named.values())


def describe(settings: Mapping[str, Any]) -> str:
    """Write settings as people do: 'margin=0.2, loss=triplet'."""
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in settings.items()
    )


def _require_distinct(key: str, values: Sequence[Any]) -> None:
    if not values:
        raise BadInput(f"a sweep over no value of {key}", hint=f"`--sweep {key}=a,b`")
    texts = [describe({key: value}) for value in values]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice:
        raise BadInput(f"the sweep names {twice} twice", hint="name each value once")


def _unique(text: str, names: Mapping[str, Point]) -> str:
    """Return a text as the name of a folder that none has yet."""
    name = re.sub(r"[^\w.=,+-]+", "_", text.replace(", ", ","))[:MAX_NAME].strip(".")
    if name not in names:
        return name
    return next(new for n in itertools.count(2) if (new := f"{name}-{n}") not in names)
