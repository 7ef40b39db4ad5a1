"""What a plugin must have before it is used, so that what it lacks is said in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

from siamkit.protocols import PROTOCOL
from siamkit.types import Threshold

PLUGIN_NAME = re.compile("[a-z][a-z0-9-]*")
ENCODER_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
Wanted: TypeAlias = tuple[str, Callable[[Any], bool], str]  # a member, a test, what it should be


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _named(value: Any) -> bool:
    """{name: what it is}; the names become folders."""
    return isinstance(value, Mapping) and all(
        _text(name) and ENCODER_NAME.fullmatch(name) for name in value
    )


def _rated(value: Any) -> bool:
    return value is None or isinstance(value, Threshold)


def _cosine(value: Any) -> bool:
    return value is None or (isinstance(value, Real) and -1 <= float(value) <= 1)


def _verbs(*names: str) -> tuple[Wanted, ...]:
    return tuple((name, callable, "a method") for name in names)


KIND: Wanted = ("kind", _text, "a word such as 'image'")
REQUIRED: Mapping[str, tuple[Wanted, ...]] = {
    "siamkit.modalities": (
        KIND,
        ("detector", lambda value: value is None or _text(value), "a detector's name or None"),
        *_verbs("load", "crop", "encoder", "examples"),
    ),
    "siamkit.regions": (KIND, *_verbs("find")),
    "siamkit.indexes": _verbs("open", "drop"),
}
OPTIONAL: tuple[Wanted, ...] = (  # of a modality
    ("encoders", _named, "{name: where its weights come from}"),
    ("origins", _named, "{prefix: what stands behind it}"),
    ("calibration", lambda value: value is None or isinstance(value, Path), "a Path or None"),
    ("fusion", lambda value: value in ("best", "mean"), "'best' or 'mean'"),
)
ENCODER: tuple[Wanted, ...] = (
    ("dim", lambda value: type(value) is int and value > 0, "a number of dimensions"),
    ("fingerprint", _text, "a text that stands for weights and constants"),
    ("threshold", _rated, "a siamkit.types.Threshold or None"),
    *_verbs("embed"),
)
ENCODER_OPTIONAL: tuple[Wanted, ...] = (
    ("batch", lambda value: isinstance(value, Integral) and int(value) > 0, "a number of media"),
    ("mated", _cosine, "a cosine or None"),
)


def plugin_fault(made: Any, group: str, name: str) -> str:
    """What a constructed plugin lacks, '' if nothing: 'has no method load'."""
    if not PLUGIN_NAME.fullmatch(name):
        return f"has a name that is not like {PLUGIN_NAME.pattern}: {name!r}"
    if (own := getattr(made, "name", None)) != name:
        return f"calls itself {own!r}"
    options = options_fault(made) if group == "siamkit.modalities" else ""
    return protocol_fault(made) or _lacking(made, REQUIRED[group]) or options


def protocol_fault(made: Any) -> str:
    """'' for a plugin of the protocols that this siamkit has; it need not say so."""
    version = getattr(made, "protocol", PROTOCOL)
    if type(version) is not int:
        return f"has protocol {version!r}, which should be a whole number"
    if version != PROTOCOL:
        return (
            f"was made for version {version} of the plugin protocols, and this siamkit has version"
            f" {PROTOCOL}"
        )
    return ""


def encoder_fault(made: Any) -> str:
    """What an opened encoder lacks, '' if nothing."""
    return _lacking(made, ENCODER) or options_fault(made, ENCODER_OPTIONAL)


def options_fault(made: Any, options: tuple[Wanted, ...] = OPTIONAL) -> str:
    """What is wrong with what a plugin need not have, and has; '' if nothing."""
    return _lacking(made, tuple(wanted for wanted in options if _has(made, wanted[0])))


def _has(made: Any, name: str) -> bool:
    try:
        return hasattr(made, name)
    except Exception:  # a property that fails is there
        return True


def _lacking(made: Any, members: tuple[Wanted, ...]) -> str:
    for name, fits, wanted in members:
        try:
            value = getattr(made, name)
        except AttributeError:
            return f"has no {name}, which should be {wanted}"
        except Exception as error:
            return f"has a {name} that raises {type(error).__name__}: {error}"
        if not fits(value):
            return f"has {name} {value!r:.80}, which should be {wanted}"
    return ""
