"""Settings of a run: a flat frozen dataclass, and the flat TOML file that holds one."""

from __future__ import annotations

import inspect
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text

MAX_CONFIG_BYTES = 64 << 10  # a configuration with all its comments has 4 KB
DEVICES = ("auto", "cpu", "cuda", "mps")
SCHEDULES = ("cosine", "linear", "exponential", "constant")


class Table(dict[str, Any]):
    """A table of a TOML file as a value of frozen settings: hashable, and never changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def freeze(value: Any) -> Any:
    """Return a value of a TOML file with its tables as Table and its lists as tuples."""
    if isinstance(value, Mapping):
        return Table({key: freeze(part) for key, part in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(part) for part in value)
    return value


@dataclass(frozen=True, slots=True)
class Settings:
    """Base of the settings of a trainer. A subclass has fields with defaults, and calls `check`.

    The comment beside a field's line explains it in the TOML file.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # of a field that is one of some words
    TABLES: ClassVar[tuple[str, ...]] = ()  # fields that may be tables or lists, too; see `freeze`
    MINIMUMS: ClassVar[Mapping[str, float]] = {}
    COMMAND: ClassVar[str] = "siamkit train config"  # prints a file with every key

    def check(self) -> None:
        """Raise BadInput for an unknown word, a number that is not finite, or one below its least.

        A seed is below 2**31.
        """
        for name, choices in self.CHOICES.items():
            if name not in self.TABLES and getattr(self, name) not in choices:
                raise unknown(f"{name} = {getattr(self, name)!r}", getattr(self, name), choices)
        for name, kind in self._types().items():
            value = getattr(self, name)
            if kind is float and not math.isfinite(value):
                raise BadInput(f"{name} = {value}: it must be a finite number")
            if name == "seed" and value >= 2**31:
                raise BadInput(f"seed = {value}: it must be below {2**31:,}")
        for name, least in self.MINIMUMS.items():
            if getattr(self, name) < least:
                raise BadInput(f"{name} = {getattr(self, name)}: it cannot be below {least}")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a TOML file; keys that it lacks take their defaults.

        Raises BadInput for a file that cannot be read, an unknown key, or a value of another type.
        """
        hint = f"`{cls.COMMAND}` prints one with every key"
        text = foreign.read_text(Path(path), MAX_CONFIG_BYTES, hint=hint)
        try:
            values = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"{to_text(Path(path))} cannot be read as a configuration: {error}", hint=hint
            ) from error
        return cls().changed(values)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Return these settings with other values.

        Raises BadInput for an unknown key, or a value of another type.
        """
        types = self._types()
        checked: dict[str, Any] = {}
        for key, value in values.items():
            if key not in types:
                raise unknown(f"unknown key {key!r}", key, types)
            kind = types[key]
            if type(value) is int and abs(value) >= 2**63:
                raise BadInput(f"{key} has {len(str(abs(value)))} digits: it is too large")
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind and key not in self.TABLES:
                raise BadInput(f"{key} = {value!r}: it must be of type {kind.__name__}")
            checked[key] = value
        return replace(self, **checked)

    def differences(self, later: Self) -> list[str]:
        """List the keys that differ: 'margin: 0.2 before, 0.3 now'."""
        return [
            f"{name}: {_toml(getattr(self, name))} before, {_toml(getattr(later, name))} now"
            for name in self._types()
            if getattr(self, name) != getattr(later, name)
        ]

    def to_toml(self, *, comments: bool = False) -> str:
        """Write the file that `read` reads back to equal settings.

        comments: explain each key, as its class does, and list its choices.
        """
        lines = {name: f"{name} = {_toml(getattr(self, name))}" for name in self._types()}
        if comments:
            source = inspect.getsource(type(self))
            lines = {name: line + self._comment(name, source) for name, line in lines.items()}
        return "".join(f"{line}\n" for line in lines.values())

    @classmethod
    def _types(cls) -> dict[str, type]:
        return {field.name: type(field.default) for field in fields(cls)}

    def _comment(self, key: str, source: str) -> str:
        """Return the comment beside a field, with its choices; empty if it has neither."""
        match = re.search(rf"^ +{key}: .*?  # (.*)$", source, re.MULTILINE)
        parts = [match[1]] if match else []
        parts += [f"one of {', '.join(self.CHOICES[key])}"] if key in self.CHOICES else []
        return f"  # {'; '.join(parts)}" if parts else ""


class Paced(Settings):
    """Settings of which some, the SHARES, follow the length of the run."""

    # Shares of the run's steps in (0, 1], with what a number above 1 is likely to count: its steps
    # or its evaluations. A share in OFF may be 0, too.
    SHARES: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("warmup", "evaluate_every"), "steps"),
        "patience": "evaluations",
    }
    OFF = frozenset({"warmup", "patience"})

    __slots__ = ()
    if TYPE_CHECKING:
        steps: int
        warmup: float
        evaluate_every: float
        patience: float

    def check(self) -> None:
        """Raise BadInput for a share out of its range, too; name the share that was meant."""
        super().check()
        for name, unit in self.SHARES.items():
            share: float = getattr(self, name)
            if 0 < share <= 1 or (share == 0 and name in self.OFF):
                continue
            total = self.steps if unit == "steps" else round(1 / self.evaluate_every)
            meant = f"{share:g} of {total:,} {unit} are {name}={share / total:.3g}"
            raise BadInput(
                f"{name} = {share:g}: it is a share of the run's steps, at most 1",
                hint=meant if 1 < share <= total else f"`{self.COMMAND}` explains it",
            )

    def count_steps(self, share: float) -> int:
        """Return a share of the run's steps as a number of steps."""
        return round(self.steps * share)

    @property
    def warmup_steps(self) -> int:
        return self.count_steps(self.warmup)

    @property
    def steps_between_evaluations(self) -> int:
        return max(1, self.count_steps(self.evaluate_every))

    @property
    def patient_evaluations(self) -> int:
        """Evaluations without a better one after which training stops; 0: it never does."""
        return math.ceil(self.patience * self.steps / self.steps_between_evaluations)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        pairs = (f"{_toml_key(key)} = {_toml(part)}" for key, part in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return repr(value)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def unknown(message: str, word: Any, choices: Iterable[str]) -> BadInput:
    """Return the error for an unknown word, whose hint names the nearest of those known."""
    near = get_close_matches(str(word), list(choices), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(choices)}"
    return BadInput(message, hint=hint)
