"""Check that a plugin has what its protocol requires; describe in one line what it lacks."""

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
Member: TypeAlias = tuple[str, Callable[[Any], bool], str]  # its name, a test, what it should be


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_named(value: Any) -> bool:
    """True for {name: description} whose names can be those of folders."""
    return isinstance(value, Mapping) and all(
        _is_text(name) and ENCODER_NAME.fullmatch(name) for name in value
    )


def _is_cosine(value: Any) -> bool:
    return isinstance(value, Real) and -1 <= float(value) <= 1


def _is_threshold(value: Any) -> bool:
    return value is None or (isinstance(value, Threshold) and _is_cosine(value.value))


def _methods(*names: str) -> tuple[Member, ...]:
    return tuple((name, callable, "a method") for name in names)


KIND: Member = ("kind", _is_text, "a word such as 'image'")
REQUIRED: Mapping[str, tuple[Member, ...]] = {  # by entry point group
    "siamkit.modalities": (
        KIND,
        ("detector", lambda value: value is None or _is_text(value), "a detector's name or None"),
        *_methods("load", "crop", "encoder", "examples"),
    ),
    "siamkit.regions": (KIND, *_methods("find")),
    "siamkit.indexes": _methods("open", "drop"),
}
ORIGINS: Member = ("origins", _is_named, "{prefix: what stands behind it}")
MODALITY_OPTIONAL: tuple[Member, ...] = (
    ("encoders", _is_named, "{name: where its weights come from}"),
    ORIGINS,
    ("calibration", lambda value: value is None or isinstance(value, Path), "a Path or None"),
    ("fusion", lambda value: value in ("best", "mean"), "'best' or 'mean'"),
)
OPTIONAL: Mapping[str, tuple[Member, ...]] = {  # by entry point group
    "siamkit.modalities": MODALITY_OPTIONAL,
    "siamkit.regions": (("detectors", _is_named, "{name: where its weights come from}"), ORIGINS),
}
ENCODER: tuple[Member, ...] = (
    ("dim", lambda value: type(value) is int and value > 0, "a number of dimensions"),
    ("fingerprint", _is_text, "a text that stands for weights and constants"),
    ("threshold", _is_threshold, "a siamkit.types.Threshold in [-1, 1] or None"),
    *_methods("embed"),
)
ENCODER_OPTIONAL: tuple[Member, ...] = (
    ("batch", lambda value: isinstance(value, Integral) and int(value) > 0, "a number of media"),
    ("mated", lambda value: value is None or _is_cosine(value), "a cosine or None"),
)


def plugin_fault(plugin: object, group: str, name: str) -> str:
    """Describe how a plugin breaks its contract: 'has no load, …'. '' if it does not."""
    if not PLUGIN_NAME.fullmatch(name):
        return f"has a name that is not like {PLUGIN_NAME.pattern}: {name!r}"
    if (own_name := getattr(plugin, "name", None)) != name:
        return f"calls itself {own_name!r}"
    optional = OPTIONAL.get(group, ())
    return protocol_fault(plugin) or _member_fault(plugin, REQUIRED[group], optional)


def protocol_fault(plugin: object) -> str:
    """'' for a plugin of this siamkit's protocols; a plugin need not state a version."""
    if (version := getattr(plugin, "protocol", PROTOCOL)) == PROTOCOL:
        return ""
    return f"was made for version {version!r} of the plugin protocols, not {PROTOCOL}"


def encoder_fault(encoder: object) -> str:
    """Describe how an opened encoder breaks its contract, '' if it does not."""
    return _member_fault(encoder, ENCODER, ENCODER_OPTIONAL)


def _member_fault(
    plugin: object, required: tuple[Member, ...], optional: tuple[Member, ...]
) -> str:
    for member in (*required, *optional):
        name, fits, description = member
        try:
            value = getattr(plugin, name)
        except AttributeError:
            if member in optional:
                continue
            return f"has no {name}, which should be {description}"
        except Exception as error:
            return f"has a {name} that raises {type(error).__name__}: {error}"
        if not fits(value):
            return f"has {name} {value!r:.80}, which should be {description}"
    return ""
