"""How to train, as one flat TOML file or one dataclass. Imports no torch."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.sources import to_text

LOSSES = (
    "triplet", "soft-triplet", "contrastive", "multi-similarity", "multiple-negatives",
    "arcface", "proxy-anchor",
)  # fmt: skip
MINERS = ("auto", "random", "semi-hard", "batch-hard", "distance-weighted", "index-driven")
PRECISIONS = ("auto", "fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda", "mps")
CHOICES = {"loss": LOSSES, "miner": MINERS, "precision": PRECISIONS, "device": DEVICES}


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Every setting of a run; a key that is not here is an error.

    `miner = "auto"` begins semi-hard and turns to harder negatives as fewer triplets are active.
    """

    backbone: str = "auto"  # the modality's default; encoder, a network of its own, a timm name
    pretrained: bool = True  # begin with the backbone's published weights
    frozen: bool = False  # train the head alone, on features computed once: minutes, not hours
    dim: int = 0  # of the vectors; 0: 128 for a new network, else as many as the encoder has
    loss: str = "triplet"
    margin: float = 0.2  # α, on squared Euclidean distance; arcface: radians
    temperature: float = 0.1  # of multiple-negatives; 1/scale of the proxy losses
    miner: str = "auto"
    refresh: int = 200  # index-driven: steps between two embeddings of the whole training set
    identities: int = 16  # P, a batch
    samples: int = 4  # K, genuine samples of each identity
    impostors: int = 2  # at most, beside them, of each identity that has some
    accumulate: int = 1  # batches a step
    steps: int = 2000
    learning_rate: float = 1e-3  # AdamW's at its peak: linear warm-up, then a cosine to 0
    weight_decay: float = 0.01
    warmup: int = 100  # steps
    augment: bool = True  # as the modality varies its samples
    mix: bool = False  # make identities of parts of two, where the modality can
    views: bool = True  # serve all views that the modality has of a sample; dim is that of each
    average: float = 0.0  # decay of the moving average of the weights that is kept; 0 is none
    validation: float = 0.2  # share of the identities that is never trained on
    evaluate_every: int = 200  # steps
    patience: int = 10  # evaluations without a better EER before training stops; 0: never
    seed: int = 0
    deterministic: bool = False  # torch's deterministic kernels, where they are slower
    precision: str = "auto"  # auto takes bf16 where it measures faster
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise _unknown(f"{name} = {getattr(self, name)!r}", getattr(self, name), known)
        for name, kind in _TYPES.items():
            if kind is float and not math.isfinite(getattr(self, name)):
                raise BadInput(f"{name} = {getattr(self, name)}: it must be a finite number")
        if self.seed >= 2**31:
            raise BadInput(f"seed = {self.seed}: it must be below {2**31:,}")
        for name, least in _LEAST.items():
            if getattr(self, name) < least and (name != "dim" or self.dim != 0):
                raise BadInput(f"{name} = {getattr(self, name)}: it cannot be below {least}")
        if not 0 <= self.average < 1 or not 0 <= self.validation < 1:
            raise BadInput("average and validation are shares: 0 or more, and below 1")
        if self.mix and (self.frozen or not self.augment):
            raise BadInput("mix = true does nothing with augment = false or frozen = true")
        if self.learning_rate <= 0 or self.temperature <= 0:
            raise BadInput("learning_rate and temperature must be above 0")


_LEAST: Mapping[str, float] = {
    "dim": 2, "margin": 0, "refresh": 1, "identities": 2, "samples": 2, "impostors": 0,
    "accumulate": 1, "steps": 1, "weight_decay": 0, "warmup": 0, "evaluate_every": 1,
    "patience": 0, "seed": 0,
}  # fmt: skip
_TYPES = {field.name: type(field.default) for field in fields(TrainConfig)}


def read_config(path: Path) -> Mapping[str, Any]:
    """The keys of a TOML file. Raises BadInput, naming the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{to_text(path)} cannot be read as a configuration: {reason}",
            hint="`siamkit train config` prints one with every key",
        ) from error


def parse_settings(settings: Iterable[str]) -> Mapping[str, Any]:
    """{key: value} of 'margin=0.3' and the like; the value as TOML, or else as plain text."""
    values = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign:
            raise BadInput(f"--set {setting!r} sets nothing", hint="write --set margin=0.3")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    return values


def configure(values: Mapping[str, Any], base: TrainConfig | None = None) -> TrainConfig:
    """`base`, or the defaults, with other values. Raises BadInput for an unknown key or type."""
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in _TYPES:
            raise _unknown(f"unknown key {key!r}", key, _TYPES)
        wanted = _TYPES[key]
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise BadInput(f"{key} = {value!r}: it must be of type {wanted.__name__}")
        checked[key] = value
    return replace(base or TrainConfig(), **checked)


def to_toml(config: TrainConfig) -> str:
    """The file that `read_config` reads back to an equal configuration."""
    return "".join(f"{name} = {_toml(getattr(config, name))}\n" for name in _TYPES)


def differences(before: TrainConfig, after: TrainConfig) -> list[str]:
    """'margin: 0.2 before, 0.3 now', a line for each key that differs."""
    return [
        f"{name}: {_toml(getattr(before, name))} before, {_toml(getattr(after, name))} now"
        for name in _TYPES
        if getattr(before, name) != getattr(after, name)
    ]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _unknown(what: str, given: Any, known: Iterable[str]) -> BadInput:
    near = get_close_matches(str(given), list(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return BadInput(what, hint=hint)
