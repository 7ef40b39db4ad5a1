"""Training settings: one flat dataclass, one flat TOML file. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from siamkit.errors import BadInput
from siamkit.train.loss_settings import (
    AUTO,
    LOSSES,
    PROXY_LOSSES,
    LossSetting,
    Term,
    checked_loss,
    loss_names,
    loss_terms,
)
from siamkit.train.settings import DEVICES, SCHEDULES, Paced

PRECISIONS = ("auto", "fp32", "bf16")
BLIND_LOSSES = (*PROXY_LOSSES, "cosent")  # they have no use for more negatives
SAMPLERS = ("identities", "balanced", "category")
OPTIMISERS = ("adamw", "adam", "radam", "sgd", "rmsprop")
MINERS = ("auto", "random", "semi-hard", "batch-hard", "distance-weighted", "index-driven")


@dataclass(frozen=True, slots=True)
class TrainConfig(Paced):
    """Every setting of a run; an unknown key is an error.

    `miner = "auto"` begins semi-hard and turns to harder negatives as fewer triplets are active.

    Examples:
        >>> config = sk.TrainConfig()  # doctest: +SKIP
    """

    backbone: str = "auto"  # the modality's default; encoder, a network of its own, a timm name
    pretrained: bool = True  # begin with the backbone's published weights
    frozen: bool = False  # train the head alone, on features computed once: minutes, not hours
    dim: int = 0  # of the vectors; 0: 128 for a new network, else as many as the encoder has
    loss: LossSetting = "auto"  # by the data; a name, {name=…, parameters}, a list, module:function
    margin: float = 0.2  # α, on squared Euclidean distance; arcface: radians; also the miners'
    temperature: float = 0.1  # of the softmax losses; 1/scale of the proxy losses
    miner: str = "auto"
    refresh: float = 0.1  # index-driven: share of the steps between two embeddings of all samples
    sampler: str = "identities"  # balanced: K samples of each, repeated; category: batches of one
    identities: int = 16  # P, per batch
    samples: int = 4  # K, genuine samples per identity in a batch
    impostors: int = 2  # at most, beside them, per identity that has some
    accumulate: int = 1  # batches per step, with the negatives of one batch as large as all
    memory: int = 0  # embeddings of earlier batches that are negatives, too; 0: none
    steps: int = 2000
    optimiser: str = "adamw"
    learning_rate: float = 1e-3  # at its peak, after a linear warm-up; sgd wants a higher one
    schedule: str = "cosine"  # how the rate then falls: to 0, or exponentially to 1 %
    weight_decay: float = 0.01
    trunk_rate: float = 1.0  # of the backbone, as a share of the head's learning rate
    layer_decay: float = 1.0  # rate of each stage of the backbone, as a share of the next one's
    freeze: int = 0  # first stages of the backbone that do not learn, the stem included
    lora: int = 0  # rank of adapters that learn in place of the backbone's weights; 0: none
    warmup: float = 0.05  # share of the steps in which the learning rate rises; 0: none
    augment: bool = True  # vary samples as the modality does
    mix: bool = False  # make new identities from parts of two, if the modality can
    views: bool = True  # serve all views that the modality has of a sample; dim is that of each
    teacher: str = ""  # an encoder to learn from besides: encoder, a name or a folder; "": none
    distil: float = 1.0  # weight of the teacher's vectors, beside 1 of the loss
    average: float = 0.0  # decay of the moving average of the weights that is exported; 0: none
    validation: float = 0.2  # share of the identities that is never trained on
    compare: bool = True  # with what there is without training; export nothing without a gain
    evaluate_every: float = 0.1  # share of the steps between two evaluations
    patience: float = 0.5  # share of the steps without a better EER before it stops; 0: never
    seed: int = 0
    deterministic: bool = False  # torch's deterministic kernels, some of which are slower
    precision: str = "auto"  # auto takes bf16 where it measures faster
    device: str = "auto"

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "loss": (AUTO, *LOSSES),
        "miner": MINERS,
        "sampler": SAMPLERS,
        "optimiser": OPTIMISERS,
        "schedule": SCHEDULES,
        "precision": PRECISIONS,
        "device": DEVICES,
    }
    TABLES: ClassVar[tuple[str, ...]] = ("loss",)
    MINIMUMS: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(("identities", "samples"), 2),
        **dict.fromkeys(("accumulate", "steps"), 1),
        **dict.fromkeys(("margin", "impostors", "memory", "weight_decay", "freeze", "lora"), 0),
        "seed": 0,
    }
    SHARES: ClassVar[Mapping[str, str]] = {"refresh": "steps", **Paced.SHARES}

    @property
    def trunk_settings(self) -> list[str]:
        """List those settings of the backbone's parts that are not at their defaults."""
        default = {"trunk_rate": 1.0, "layer_decay": 1.0, "freeze": 0, "lora": 0}
        return [
            f"{name} = {getattr(self, name)}"
            for name in default
            if getattr(self, name) != default[name]
        ]

    @property
    def network_settings(self) -> list[str]:
        """List those settings that only a network follows and that are not at their defaults."""
        default = {"frozen": False, "pretrained": True, "views": True}
        changed = [name for name, value in default.items() if getattr(self, name) is not value]
        return [f"{name} = {str(getattr(self, name)).lower()}" for name in changed] + (
            self.trunk_settings
        )

    @property
    def steps_between_refreshes(self) -> int:
        return max(1, self.count_steps(self.refresh))

    def __post_init__(self) -> None:
        self.check()
        object.__setattr__(self, "loss", checked_loss(self.loss))
        if self.dim < 2 and self.dim != 0:
            raise BadInput(f"dim = {self.dim}: it cannot be below 2")
        if not 0 <= self.average < 1 or not 0 <= self.validation < 1:
            raise BadInput("average and validation are shares: 0 or more, and below 1")
        if self.mix and (self.frozen or not self.augment):
            raise BadInput("mix = true has no effect with augment = false or frozen = true")
        self._check_memory()
        if self.learning_rate <= 0 or self.temperature <= 0:
            raise BadInput("learning_rate and temperature must be above 0")
        self._check_parts()
        self._check_teacher()
        self.loss_terms()

    def loss_terms(self) -> list[Term]:
        """Return the losses of a weighted sum, one or more."""
        return list(loss_terms(self.loss, self.margin, self.temperature))

    def loss_names(self) -> list[str]:
        """Return the names of the losses."""
        return [*loss_names(self.loss)]

    def _check_parts(self) -> None:
        if self.trunk_rate <= 0:
            raise BadInput(
                f"trunk_rate = {self.trunk_rate:g}: it must be above 0",
                hint="frozen = true trains the head alone, and freeze = K all but K stages",
            )
        if not 0 < self.layer_decay <= 1:
            raise BadInput(
                f"layer_decay = {self.layer_decay:g}: it is a share, above 0 and up to 1"
            )
        if self.frozen and self.trunk_settings:
            raise BadInput(
                f"{self.trunk_settings[0]} has no effect with frozen = true: the head learns alone"
            )
        if self.lora and self.freeze:
            raise BadInput(
                f"freeze = {self.freeze} has no effect with lora = {self.lora}: it freezes all"
                " weights of the backbone, and puts adapters beside them"
            )

    def _check_teacher(self) -> None:
        if self.distil <= 0:
            raise BadInput(f"distil = {self.distil:g}: it must be above 0")
        if not self.teacher and self.distil != 1:
            raise BadInput(f"distil = {self.distil:g} has no effect without a teacher")
        if self.teacher and self.mix:
            raise BadInput("mix = true does not go with a teacher, which has not seen the mixtures")

    def _check_memory(self) -> None:
        blind = [name for name in loss_names(self.loss) if name in BLIND_LOSSES]
        if self.memory and len(blind) == len(loss_names(self.loss)):
            raise BadInput(
                f"memory = {self.memory}: {blind[0]} does not compare samples with their negatives",
                hint="memory=0, or another loss",
            )
        batch = self.identities * self.samples * self.accumulate
        if 0 < self.memory < batch:
            raise BadInput(
                f"memory = {self.memory}: it holds less than the {batch} samples of one step",
                hint="0 for none, or several times as many",
            )
