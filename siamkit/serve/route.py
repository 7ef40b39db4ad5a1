"""One row of the table of routes, and what its handler gets and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from starlette.convertors import IntegerConvertor, register_url_convertor

# read: ask; enrol: add and correct; admin: create and delete galleries, forget, calibrate
Scope: TypeAlias = Literal["open", "read", "enrol", "admin"]
Handler: TypeAlias = Callable[..., Any]  # (server, body, **path) -> JSON value or Reply


class IdConvertor(IntegerConvertor):
    """A number in a path, as SQLite holds it: Python refuses to read thousands of digits."""

    regex = "[0-9]{1,18}"


register_url_convertor("id", IdConvertor())


@dataclass(frozen=True, slots=True)
class Nothing:
    """A request without fields."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with another status than 200, or with headers."""

    data: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A path and a method, who may use it, what it takes and gives, and what does the work.

    The handler runs in a thread of the server's pool, with the path's parameters by name.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str  # as Starlette writes it
    scope: Scope
    handler: Handler
    response: Any  # the TypedDict of the answer
    request: type = Nothing
    others: tuple[int, ...] = ()  # statuses of the same answer, such as 207 where a part failed
    status: int = 200
    media_type: str = "application/json"  # of the answer

    @property
    def name(self) -> str:
        """The operation's name, that of its handler."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """One line for people, the first of the handler's documentation."""
        return (self.handler.__doc__ or "").splitlines()[0].rstrip(".")
