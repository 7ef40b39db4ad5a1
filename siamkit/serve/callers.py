"""Who sent the request that is being answered, for handlers whose answer depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from siamkit.serve.tokens import ADMIN


@dataclass(frozen=True, slots=True)
class Caller:
    """The name of a client's token, '' without one, and whether everything is the client's."""

    name: str = ""
    is_admin: bool = False

    def owns(self, owner: str) -> bool:
        """True if what has this owner is the caller's, too. owner: the name of a token, or ''."""
        return self.is_admin or (bool(owner) and owner == self.name)


CALLER: ContextVar[Caller] = ContextVar("CALLER")  # of each request; the pool's threads have it


def caller_of(state: Mapping[str, object]) -> Caller:
    """Return who sent a request. state: the request's. Without a token file all are admins."""
    scopes = state.get("scopes", {ADMIN})
    assert isinstance(scopes, set)
    return Caller(str(state.get("client", "")), ADMIN in scopes)
