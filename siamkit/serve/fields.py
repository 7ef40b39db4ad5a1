"""Fields of requests: dataclasses whose annotations are the check, the schema and the page.

A field is `Annotated[int, Field("Matches per region.", minimum=1)]`. Texts, numbers, booleans,
literals, files, lists and boxes are read from JSON, from a form, or from a query string.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from siamkit.io.encodings import undecoded
from siamkit.io.sources import InMemory
from siamkit.serve.failures import RequestError

T = TypeVar("T")
MAX_NAME = 200  # characters of the name of a file
WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Field:
    """Description of a field, for people, and the range of its values."""

    description: str
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None  # exclusive
    below: float | None = None


class Upload(InMemory):
    """The content of a file that a client sent, under the name that it gave."""


@cache
def hints_of(kind: type) -> dict[str, tuple[Any, Field]]:
    """Return the type and the description of each field of a request."""
    return {name: _unwrap(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}


def _unwrap(hint: Any) -> tuple[Any, Field]:
    if get_origin(hint) is Annotated:
        bare, *abouts = get_args(hint)
        return bare, abouts[-1]
    return hint, Field("")


def has_files(kind: type) -> bool:
    """True if a request may hold files, and so be a form."""
    return any(_item_type(hint) is Upload for hint, _ in hints_of(kind).values())


def has_required(kind: Any) -> bool:
    """True if a request cannot be empty: one of its fields has no default."""
    return any(
        field.default is MISSING and field.default_factory is MISSING
        for field in dataclasses.fields(kind)
    )


def read(kind: type[T], values: Mapping[str, Any], *, is_text: bool) -> T:
    """Return a request made of JSON values, or with `is_text` of lists of texts and files.

    Raises RequestError, naming the field, for one that is unknown, missing or has a bad value.
    """
    hints = hints_of(cast(type, kind))
    for name in values:
        if name not in hints:
            near = get_close_matches(name, hints, n=1)
            known = f"fields: {', '.join(hints)}" if hints else "it takes no fields"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise _invalid(f"unknown field {shorten(name)!r}", hint)
    arguments = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        hint, about = hints[field.name]
        if field.name in values:
            value = values[field.name]
            taken = _from_texts(hint, value, field.name) if is_text else value
            arguments[field.name] = _check(hint, about, taken, field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _invalid(f"the field {field.name!r} is missing", about.description)
    return kind(**arguments)


def shorten(name: str) -> str:
    """Return a name that a client gave, for a message."""
    return name[:60].encode("utf-8", "backslashreplace").decode()


def _invalid(message: str, hint: str = "") -> RequestError:
    return RequestError(422, "invalid_request", message, hint=hint)


def without_none(hint: Any) -> Any:
    """Return the type of a field that may be None, without it."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    return hint


def _item_type(hint: Any) -> Any:
    hint = without_none(hint)
    return get_args(hint)[0] if get_origin(hint) is tuple else hint


def _from_texts(hint: Any, values: list[Any], name: str) -> Any:
    """Return the values of a form or query string as JSON would hold them."""
    hint = without_none(hint)
    if get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis:
        return [_from_text(get_args(hint)[0], value, name) for value in values]
    if len(values) > 1:
        raise _invalid(f"the field {name!r} is given {len(values)} times")
    return _from_text(hint, values[0], name)


def _from_text(hint: Any, value: Any, name: str) -> Any:
    if get_origin(hint) is tuple and isinstance(value, str):  # a box, or a point
        return [_from_text(get_args(hint)[0], part, name) for part in value.split(",")]
    if hint is Upload and isinstance(value, str):
        raise _invalid(f"{name}: expected a file, got a text", f"with curl: `-F {name}=@FILE`")
    if hint in (int, float) and isinstance(value, str):
        try:
            return int(value) if hint is int else float(value)
        except ValueError:
            raise _invalid(f"{name}: {shorten(value)!r} is not a number") from None
    if hint is bool and isinstance(value, str):
        if value.lower() not in WORDS:
            raise _invalid(f"{name}: {shorten(value)!r} is neither true nor false")
        return WORDS[value.lower()]
    return value


def _check(hint: Any, about: Field, value: Any, name: str) -> Any:
    """Return a value of a field's type. Raises RequestError for another one."""
    if value is None and without_none(hint) is not hint:
        return None
    hint = without_none(hint)
    if get_origin(hint) is tuple:
        items = get_args(hint)
        length = None if items[-1] is Ellipsis else len(items)
        if not isinstance(value, list) or (length and len(value) != length):
            raise _invalid(f"{name}: expected a list" + (f" of {length} numbers" * bool(length)))
        return tuple(_check(items[0], about, item, f"{name}[{n}]") for n, item in enumerate(value))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise _invalid(f"{name}: expected one of {', '.join(map(str, get_args(hint)))}")
        return value
    if hint is Upload:
        return value if isinstance(value, Upload) else _decode(value, name)
    if hint in (int, float):
        return _check_number(hint, about, value, name)
    if not isinstance(value, hint):
        expected = {str: "a text", bool: "true or false"}.get(hint, hint.__name__)
        raise _invalid(f"{name}: expected {expected}")
    if hint is str and (fault := undecoded(value)):
        raise _invalid(f"{name}: {shorten(value)!r} {fault}")
    return value


def _check_number(hint: type, about: Field, value: Any, name: str) -> Any:
    if isinstance(value, float) and hint is int and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (hint is int and not isinstance(value, int)) or not _is_finite(value):
        raise _invalid(f"{name}: expected {'a whole number' if hint is int else 'a number'}")
    low, high = about.minimum, about.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise _invalid(f"{name}: {value:g} is not from {_edge(low)} to {_edge(high)}")
    low, high = about.above, about.below
    if (low is not None and value <= low) or (high is not None and value >= high):
        raise _invalid(f"{name}: {value:g} is not between {_edge(low)} and {_edge(high)}")
    return hint(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _edge(value: float | None) -> str:
    return "any number" if value is None else f"{value:g}"


def _decode(value: Any, name: str) -> Upload:
    """Return a file of JSON: {"name": "a.jpg", "base64": "…"}, or the base64 alone."""
    if isinstance(value, str):
        value = {"base64": value}
    if not isinstance(value, dict) or not isinstance(value.get("base64"), str):
        raise _invalid(f'{name}: expected {{"name": "a.jpg", "base64": "…"}}')
    file_name = value.get("name", "")
    if set(value) - {"name", "base64"} or not isinstance(file_name, str):
        raise _invalid(f"{name}: a file has a name and its content as base64, and nothing else")
    try:
        content = base64.b64decode(value["base64"], validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(f"{name}: its content is not base64") from None
    return Upload(content, name_file(file_name) or name)


def name_file(given: str) -> str:
    """Return the last part of the path that a client calls a file by: a name, never a place."""
    last = given.replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = "".join(c for c in last if c.isprintable())
    return clean.encode("utf-8", "backslashreplace").decode()[:MAX_NAME]
