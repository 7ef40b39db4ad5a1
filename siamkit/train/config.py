"""Training settings: one flat dataclass, one flat TOML file. Imports no torch."""

from __future__ import annotations

import inspect
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text

MAX_CONFIG_BYTES = 64 << 10  # a configuration with all its comments has 4 KB
TRIPLET_LOSSES = ("triplet", "soft-triplet")
PAIR_LOSSES = ("contrastive", "multi-similarity", "multiple-negatives")
PROXY_LOSSES = ("arcface", "proxy-anchor")
LOSSES = TRIPLET_LOSSES + PAIR_LOSSES + PROXY_LOSSES
MINERS = ("auto", "random", "semi-hard", "batch-hard", "distance-weighted", "index-driven")
PRECISIONS = ("auto", "fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda", "mps")
CHOICES = {"loss": LOSSES, "miner": MINERS, "precision": PRECISIONS, "device": DEVICES}


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Every setting of a run; an unknown key is an error.

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
    identities: int = 16  # P, per batch
    samples: int = 4  # K, genuine samples per identity in a batch
    impostors: int = 2  # at most, beside them, per identity that has some
    accumulate: int = 1  # batches per step
    steps: int = 2000
    learning_rate: float = 1e-3  # AdamW's at its peak: linear warm-up, then a cosine to 0
    weight_decay: float = 0.01
    warmup: int = 100  # steps
    augment: bool = True  # vary samples as the modality does
    mix: bool = False  # make new identities from parts of two, if the modality can
    views: bool = True  # serve all views that the modality has of a sample; dim is that of each
    average: float = 0.0  # decay of the moving average of the weights that is exported; 0: none
    validation: float = 0.2  # share of the identities that is never trained on
    evaluate_every: int = 200  # steps
    patience: int = 10  # evaluations without a better EER before training stops; 0: never
    seed: int = 0
    deterministic: bool = False  # torch's deterministic kernels, some of which are slower
    precision: str = "auto"  # auto takes bf16 where it measures faster
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise _unknown(f"{name} = {getattr(self, name)!r}", getattr(self, name), choices)
        for name, kind in _TYPES.items():
            if kind is float and not math.isfinite(getattr(self, name)):
                raise BadInput(f"{name} = {getattr(self, name)}: it must be a finite number")
        if self.seed >= 2**31:
            raise BadInput(f"seed = {self.seed}: it must be below {2**31:,}")
        for name, least in _MINIMUMS.items():
            if getattr(self, name) < least and (name != "dim" or self.dim != 0):
                raise BadInput(f"{name} = {getattr(self, name)}: it cannot be below {least}")
        if not 0 <= self.average < 1 or not 0 <= self.validation < 1:
            raise BadInput("average and validation are shares: 0 or more, and below 1")
        if self.mix and (self.frozen or not self.augment):
            raise BadInput("mix = true has no effect with augment = false or frozen = true")
        if self.learning_rate <= 0 or self.temperature <= 0:
            raise BadInput("learning_rate and temperature must be above 0")

    @classmethod
    def read(cls, path: str | Path) -> TrainConfig:
        """Read a TOML file; keys that it lacks take their defaults.

        Raises BadInput for a file that cannot be read, an unknown key, or a value of another type.
        """
        hint = "`siamkit train config` prints one with every key"
        text = foreign.read_text(Path(path), MAX_CONFIG_BYTES, hint=hint)
        try:
            values = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"{to_text(Path(path))} cannot be read as a configuration: {error}", hint=hint
            ) from error
        return cls().changed(values)

    def changed(self, values: Mapping[str, Any]) -> TrainConfig:
        """Return this configuration with other values.

        Raises BadInput for an unknown key, or a value of another type.
        """
        checked: dict[str, Any] = {}
        for key, value in values.items():
            if key not in _TYPES:
                raise _unknown(f"unknown key {key!r}", key, _TYPES)
            kind = _TYPES[key]
            if type(value) is int and abs(value) >= 2**63:
                raise BadInput(f"{key} has {len(str(abs(value)))} digits: it is too large")
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                raise BadInput(f"{key} = {value!r}: it must be of type {kind.__name__}")
            checked[key] = value
        return replace(self, **checked)

    def differences(self, later: TrainConfig) -> list[str]:
        """List the keys that differ: 'margin: 0.2 before, 0.3 now'."""
        return [
            f"{name}: {_toml(getattr(self, name))} before, {_toml(getattr(later, name))} now"
            for name in _TYPES
            if getattr(self, name) != getattr(later, name)
        ]

    def to_toml(self, *, comments: bool = False) -> str:
        """Write the file that `read` reads back to an equal configuration.

        comments: explain each key, as this class does, and list its choices.
        """
        lines = {name: f"{name} = {_toml(getattr(self, name))}" for name in _TYPES}
        if comments:
            lines = {name: line + _comment(name) for name, line in lines.items()}
        return "".join(f"{line}\n" for line in lines.values())


_MINIMUMS: Mapping[str, float] = {
    **dict.fromkeys(("dim", "identities", "samples"), 2),
    **dict.fromkeys(("refresh", "accumulate", "steps", "evaluate_every"), 1),
    **dict.fromkeys(("margin", "impostors", "weight_decay", "warmup", "patience", "seed"), 0),
}
_TYPES = {field.name: type(field.default) for field in fields(TrainConfig)}


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _comment(key: str) -> str:
    """Return the comment beside a field, with its choices; empty if it has neither."""
    source = inspect.getsource(TrainConfig)
    match = re.search(rf"^ +{key}: .*?  # (.*)$", source, re.MULTILINE)
    parts = [match[1]] if match else []
    parts += [f"one of {', '.join(CHOICES[key])}"] if key in CHOICES else []
    return f"  # {'; '.join(parts)}" if parts else ""


def _unknown(message: str, word: Any, choices: Iterable[str]) -> BadInput:
    near = get_close_matches(str(word), list(choices), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(choices)}"
    return BadInput(message, hint=hint)
