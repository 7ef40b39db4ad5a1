"""JSON Schema of the types of requests and answers: dataclasses, TypedDicts and what they hold."""

from __future__ import annotations

import dataclasses
import types
from dataclasses import MISSING
from enum import Enum
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from siamkit.serve.fields import Field, Upload, hints_of
from siamkit.serve.replies import OPEN

Schema = dict[str, Any]
NAMED = "#/components/schemas/"
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
CONTENT: Schema = {"type": "string", "contentEncoding": "base64"}
FILE: Schema = {
    "anyOf": [
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "What answers call it by."},
                "base64": CONTENT,
            },
            "required": ["base64"],
            "additionalProperties": False,
        },
        CONTENT,
    ]
}
PART: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}


class Schemas:
    """Schemas by name, as answers refer to them."""

    def __init__(self) -> None:
        """Begin without any."""
        self.named: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; a TypedDict is named, and referred to."""
        if is_typeddict(kind):
            name = kind.__name__
            if name not in self.named:
                self.named[name] = {}  # against loops
                self.named[name] = self._of_typed_dict(kind)
            return {"$ref": NAMED + name}
        if kind in PLAIN:
            return {"type": PLAIN[kind]}
        origin, parts = get_origin(kind), get_args(kind)
        if origin is Literal:
            return {"type": "string", "enum": list(parts)}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(part) for part in parts]}
        if origin is list:
            return {"type": "array", "items": self.of(parts[0])}
        if origin is dict:
            values = {} if parts[1] is Any else self.of(parts[1])
            return {"type": "object", "additionalProperties": values}
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"type": "string", "enum": [member.value for member in kind]}
        raise TypeError(f"no schema of {kind}")

    def _of_typed_dict(self, kind: Any) -> Schema:
        hints = get_type_hints(kind, include_extras=True)
        properties, required = {}, []
        for name, hint in hints.items():
            is_optional = get_origin(hint) is NotRequired
            properties[name] = self.of(get_args(hint)[0] if is_optional else hint)
            if not is_optional:
                required.append(name)
        return {
            "type": "object",
            "description": _first_line(kind),
            "properties": properties,
            "required": required,
            "additionalProperties": kind in OPEN,
        }


def of_request(kind: type, *, is_form: bool) -> Schema:
    """Return the schema of a request's dataclass, as JSON or as a form."""
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        properties[field.name] = of_field(kind, field.name, is_form=is_form)
        if field.default is MISSING and field.default_factory is MISSING:
            required.append(field.name)
    schema: Schema = {
        "type": "object",
        "description": _first_line(kind),
        "properties": properties,
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def of_field(kind: type, name: str, *, is_form: bool = False) -> Schema:
    """Return the schema of a field of a request, with its description, range and default."""
    hint, about = hints_of(kind)[name]
    schema = _of_value(hint, about, is_form=is_form)
    if about.description:
        schema["description"] = about.description
    default = next(field.default for field in dataclasses.fields(kind) if field.name == name)
    if isinstance(default, str | int | float) and default != "":
        schema["default"] = default
    return schema


def _of_value(hint: Any, about: Field, *, is_form: bool) -> Schema:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (bare,) = (part for part in parts if part is not type(None))
        schema = _of_value(bare, about, is_form=is_form)
        return schema if is_form else {"anyOf": [schema, {"type": "null"}]}
    if origin is tuple:
        items = _of_value(parts[0], about, is_form=is_form)
        if parts[-1] is Ellipsis:
            return {"type": "array", "items": items}
        if is_form:
            number = r"-?\d+(\.\d+)?"
            return {"type": "string", "pattern": f"^{','.join([number] * len(parts))}$"}
        return {"type": "array", "items": items, "minItems": len(parts), "maxItems": len(parts)}
    if hint is Upload:
        return dict(PART if is_form else FILE)
    if origin is Literal:
        return {"type": "string", "enum": list(parts)}
    limits = {
        "minimum": about.minimum,
        "maximum": about.maximum,
        "exclusiveMinimum": about.above,
        "exclusiveMaximum": about.below,
    }
    ranged = hint in (int, float)
    bounds = {key: value for key, value in limits.items() if ranged and value is not None}
    return {"type": PLAIN[hint], **bounds}


def _first_line(kind: type) -> str:
    return next(iter((kind.__doc__ or "").splitlines()), "")
