"""Settings of a localiser's training. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from siamkit.errors import BadInput
from siamkit.train.settings import DEVICES, SCHEDULES, Paced

MIN_SCORE = 0.5  # p * c at which an object is reported, unless the user of a detector says so


@dataclass(frozen=True, slots=True)
class LocaliserConfig(Paced):
    """Every setting of a run; an unknown key is an error.

    Examples:
        >>> config = sk.LocaliserConfig()  # doctest: +SKIP
    """

    backbone: str = "efficientnet-lite0"  # or a timm name
    pretrained: bool = True  # begin with the backbone's published weights
    size: int = 256  # px of the square that every picture is stretched to; a multiple of 32
    frozen: bool = True  # train the head alone, on features computed once: minutes, not hours
    views: int = 8  # frozen: variants of each picture, at most; more than are drawn are not made
    width: int = 64  # channels of the head
    dropout: float = 0.2  # share of the head's features that is dropped while it learns
    batch: int = 16  # pictures per step
    steps: int = 300
    learning_rate: float = 2e-3  # AdamW's at its peak, after a linear warm-up
    schedule: str = "cosine"  # how the rate then falls: to 0, or exponentially to 1 %
    backbone_rate: float = 0.1  # not frozen: of the backbone, as a share of the learning rate
    weight_decay: float = 0.02
    warmup: float = 0.1  # share of the steps in which the learning rate rises; 0: none
    nothing: float = 0.25  # share of a batch that shows none of the objects, if there are such
    augment: bool = True  # flip, crop, scale, turn and colour pictures and their boxes
    validation: float = 0.2  # share of the pictures that is never trained on
    evaluate_every: float = 0.2  # share of the steps between two evaluations
    patience: float = 0.0  # share of the steps without a lower error before it stops; 0: never
    seed: int = 0
    deterministic: bool = False  # torch's deterministic kernels, some of which are slower
    device: str = "auto"

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {"schedule": SCHEDULES, "device": DEVICES}
    MINIMUMS: ClassVar[Mapping[str, float]] = {
        "size": 32,
        **dict.fromkeys(("width", "batch", "steps"), 1),
        **dict.fromkeys(("views", "backbone_rate", "weight_decay", "seed"), 0),
        **dict.fromkeys(("dropout", "nothing", "validation"), 0),
    }
    COMMAND: ClassVar[str] = "siamkit train config --localise"

    def __post_init__(self) -> None:
        self.check()
        for name in ("dropout", "nothing", "validation"):
            if not getattr(self, name) < 1:
                raise BadInput(f"{name} = {getattr(self, name)}: it is a share, below 1")
        if self.learning_rate <= 0:
            raise BadInput("learning_rate must be above 0")
        if self.size % 32:
            raise BadInput(f"size = {self.size}: it must be a multiple of 32")
