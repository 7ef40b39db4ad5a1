"""The losses by name with their parameters, and the setting that chooses them. Imports no torch.

loss = "triplet"
loss = {name = "multi-similarity", alpha = 2}
loss = ["triplet", {name = "arcface", weight = 0.5}]    # a weighted sum
loss = "my_module:my_loss"                              # your own loss
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from siamkit.errors import BadInput
from siamkit.train.settings import Table, freeze, unknown

LossSetting: TypeAlias = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]

OWN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")  # module:function
MAX_CENTERS = 100  # of one identity: more would hold a proxy for every sample


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number or a switch of a loss: its default, and the range that it must lie in."""

    # A value, whose type the others have; or how it follows from the settings margin, temperature.
    default: float | Callable[[float, float], float]
    least: float = 0.0
    most: float = 1e6
    above: bool = False  # it must be above the least

    def check(self, name: str, value: Any) -> float:
        """Return a value in this parameter's type. Raises BadInput, naming it."""
        kind = float if callable(self.default) else type(self.default)
        if kind is float and type(value) is int and abs(value) < 2**63:
            value = float(value)
        if type(value) is not kind:
            raise BadInput(f"{name} = {value!r}: it must be of type {kind.__name__}")
        if not self.least <= value <= self.most or (self.above and value == self.least):
            lowest = f"above {self.least:g} and" if self.above else f"at least {self.least:g} and"
            raise BadInput(f"{name} = {value!r}: it must be {lowest} at most {self.most:g}")
        return value


@dataclass(frozen=True, slots=True)
class Term:
    """A loss of a weighted sum, with all its parameters."""

    name: str
    weight: float
    parameters: Mapping[str, Any]


def _above_zero(default: float | Callable[[float, float], float]) -> Parameter:
    return Parameter(default, above=True)


MARGIN = Parameter(lambda margin, _: margin)  # in d²
COSINE_MARGIN = Parameter(lambda margin, _: margin / 2, most=2)  # 1 − cos is half of d²
ANGLE = Parameter(lambda margin, _: margin, most=math.pi)  # radians
TEMPERATURE = _above_zero(lambda _, temperature: temperature)
SCALE = _above_zero(lambda _, temperature: 1 / temperature)
POWER = Parameter(2, least=1, most=2)  # of the Euclidean distance
SWAP = Parameter(False)  # Balntas et al. 2016, "Learning local feature descriptors with triplets"

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "triplet": {"margin": MARGIN, "power": POWER, "swap": SWAP},
    "soft-triplet": {"margin": Parameter(0.0), "power": POWER, "swap": SWAP},
    "contrastive": {"margin": MARGIN, "positive_margin": Parameter(0.0), "power": POWER},
    # Wang et al. 2019, "Multi-similarity loss", §4.1; the base is that of their code
    "multi-similarity": {
        "alpha": _above_zero(2.0),
        "beta": _above_zero(50.0),
        "base": Parameter(0.5, least=-1, most=1),
    },
    "multiple-negatives": {"temperature": TEMPERATURE, "symmetric": Parameter(False)},
    "supcon": {"temperature": TEMPERATURE},
    # Sun et al. 2020, "Circle loss", §4.1: theirs for fine-grained retrieval
    "circle": {"margin": Parameter(0.4, most=1), "gamma": _above_zero(80.0)},
    "cosent": {"temperature": TEMPERATURE},
    "arcface": {"margin": ANGLE, "scale": SCALE},
    "cosface": {"margin": COSINE_MARGIN, "scale": SCALE},
    # Deng et al. 2020, "Sub-center ArcFace", §4: three centres
    "subcenter-arcface": {
        "margin": ANGLE,
        "scale": SCALE,
        "sub_centers": Parameter(3, least=1, most=MAX_CENTERS),
    },
    "proxy-anchor": {"margin": COSINE_MARGIN, "alpha": SCALE},
}
AUTO = "auto"  # triplet, unless the data are pairs: see siamkit.train.pair_loss
LOSSES = tuple(PARAMETERS)
# Losses that an anchor without any positive teaches to keep away from its negatives.
LONE_LOSSES = ("contrastive", "multi-similarity")
PROXY_LOSSES = ("arcface", "cosface", "subcenter-arcface", "proxy-anchor")
OTHER_NAMES = {  # of losses elsewhere, with ours
    "smooth-triplet": "soft-triplet",
    "triplet-margin": "triplet",
    "nt-xent": "multiple-negatives",
    "infonce": "multiple-negatives",
    "mnrl": "multiple-negatives",
    "ms": "multi-similarity",
}


def checked_loss(setting: Any) -> LossSetting:
    """Return a loss setting as a value that can be hashed. Raises BadInput for anything else."""
    setting = freeze(setting)
    if setting == AUTO:
        return AUTO
    if isinstance(setting, tuple) and not setting:
        raise BadInput("loss = []: it names no loss")
    if isinstance(setting, tuple):
        return tuple(_checked(entry) for entry in setting)
    return _checked(setting)


def loss_terms(setting: LossSetting, margin: float, temperature: float) -> Iterator[Term]:
    """Yield the terms of a checked setting; margin and temperature are those of the run.

    Raises BadInput if one of these two is out of the range of a loss that takes it.
    """
    for entry in _entries(setting):
        table: Mapping[str, Any] = {"name": entry} if isinstance(entry, str) else entry
        name = table["name"]
        values = {key: value for key, value in table.items() if key not in ("name", "weight")}
        for key, parameter in PARAMETERS.get(name, {}).items():
            if key not in values:
                default = parameter.default
                shared = default(margin, temperature) if callable(default) else default
                values[key] = parameter.check(f"{key} of {name}", shared)
        yield Term(name, table.get("weight", 1.0), values)


def loss_names(setting: LossSetting) -> tuple[str, ...]:
    """Return the names of the losses in a checked setting."""
    return tuple(e if isinstance(e, str) else e["name"] for e in _entries(setting))


def _entries(setting: LossSetting) -> tuple[str | Mapping[str, Any], ...]:
    if isinstance(setting, tuple):
        return setting
    return ("triplet" if setting == AUTO else setting,)  # type: ignore[return-value]


def _checked(entry: Any) -> str | Table:
    if isinstance(entry, str):
        _require_name(entry)
        return entry
    if not isinstance(entry, Table):
        raise BadInput(
            f"loss = {entry!r}: it must be a name, a table or a list of these",
            hint='such as {name = "multi-similarity", alpha = 2}',
        )
    if not isinstance(name := entry.get("name"), str):
        raise BadInput(
            f"loss = {dict(entry)}: it has no name", hint='write {name = "triplet", margin = 0.3}'
        )
    _require_name(name)
    values = dict(entry)
    if "weight" in entry:
        values["weight"] = _above_zero(1.0).check(f"weight of {name}", entry["weight"])
    if name not in PARAMETERS:  # one's own: its parameters are checked when it is called
        return Table(values)
    parameters = PARAMETERS[name]
    for key in entry.keys() - {"name", "weight"}:
        if key not in parameters:
            raise unknown(f"loss {name}: unknown parameter {key!r}", key, [*parameters, "weight"])
        values[key] = parameters[key].check(f"{key} of {name}", entry[key])
    return Table(values)


def _require_name(name: str) -> None:
    if name in PARAMETERS or OWN.fullmatch(name):
        return
    if name == AUTO:
        raise BadInput(f"loss = {name!r} stands alone", hint="in a list or table, name a loss")
    if name[:1] in ("[", "{"):
        raise BadInput(
            f"loss = {name!r}: it is not TOML",
            hint="""write --set 'loss=["triplet", {name="arcface", weight=0.5}]'""",
        )
    if ":" in name:
        raise BadInput(
            f"loss = {name!r}: a loss of your own is module:function",
            hint="such as my_losses:margin for the function margin in my_losses.py",
        )
    theirs = name.lower().replace("_", "-").replace(" ", "-")
    raise unknown(f"loss = {name!r}", OTHER_NAMES.get(theirs, theirs), (AUTO, *LOSSES))
