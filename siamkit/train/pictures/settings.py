"""Settings of a picture that is painted by gradient descent. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from siamkit.errors import BadInput

Init = Literal["content", "noise"]
Optimiser = Literal["adam", "lbfgs"]
HEAVIEST = 1e12  # squares of gradients overflow above 1e19
SIZE = 512  # px: a step of the shipped network takes half a second then, on two cores


@dataclass(frozen=True, slots=True, kw_only=True)
class DescentSettings:
    """Losses to descend, and how.

    Each layer's loss is divided by that of a picture that shows nothing, so weights mean the same
    for every network; see siamkit.train.pictures.losses. Raises BadInput.

    Examples:
        >>> sk.DescentSettings(style_weight=100, steps=50).optimiser
        'adam'
    """

    content_layers: tuple[str, ...] = ()  # names; none: those that suit the network
    style_layers: tuple[str, ...] = ()
    content_weight: float = 1.0
    style_weight: float = 10.0
    tv_weight: float = 1.0  # of the total variation: of noise
    steps: int = 200
    size: int | None = None  # px of the longer side; None: the picture's own, at most 512
    seed: int = 0
    init: Init = "content"
    optimiser: Optimiser = "adam"

    def __post_init__(self) -> None:
        for name in ("content_weight", "style_weight", "tv_weight"):
            weight = getattr(self, name)
            if not 0 <= weight <= HEAVIEST:
                hint = f"weights are numbers from 0 to {HEAVIEST:g}"
                raise BadInput(f"{name} is {weight:g}", hint=hint)
        if not (self.content_weight or self.style_weight):
            raise BadInput("both weights are 0: there is nothing to paint")
        for name, least in (("steps", 1), ("size", 1), ("seed", 0)):
            if (getattr(self, name) or 0) < least and getattr(self, name) is not None:
                raise BadInput(f"{name} is {getattr(self, name)}", hint=f"give {least} or more")
        for name, kinds in (("init", Init), ("optimiser", Optimiser)):
            if getattr(self, name) not in get_args(kinds):
                choices = " or ".join(get_args(kinds))
                raise BadInput(f"{name} is {getattr(self, name)!r}", hint=f"give {choices}")
