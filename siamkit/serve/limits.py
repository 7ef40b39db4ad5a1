"""Limits of a request: its size, the time that its sender takes, and how many a client may send.

A body is counted as it streams, so that one that is too large is refused before it is here. How
many pixels and seconds a sample may have, siamkit.sdk checks before it decodes one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from siamkit.serve.failures import Busy, RequestError
from siamkit.serve.refusals import refuse

GRACE_SECONDS = 20.0  # for a body, beside the time at SLOWEST
SLOWEST = 16 * 1024  # bytes per second: half of what a bad telephone line sends
MAX_CLIENTS = 10_000  # whose rates are remembered
MIB = 1 << 20  # bytes


class BodyLimits:
    """Refuse a body of more than so many bytes with 413, and one that trickles in with 408."""

    def __init__(self, app: ASGIApp, most: int, *, grace: float = GRACE_SECONDS) -> None:
        """Limit bodies. most: bytes. grace: see GRACE_SECONDS."""
        self.app, self.most, self.grace = app, most, grace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_answered = False

        async def send_noted(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            body = _Body(receive, self.most, self.grace, Headers(scope=scope))
            await self.app(scope, body.receive, send_noted)
        except _Refused as error:
            if is_answered:
                raise
            await refuse(error, scope, receive, send)


class _Refused(RequestError):
    """A body that is too large or too slow; the rest of it is not read."""


class _Body:
    """The body of one request, counted. Raises _Refused at once if it states too large a size."""

    def __init__(self, receive: Receive, most: int, grace: float, headers: Headers) -> None:
        self._receive, self._most, self._grace = receive, most, grace
        self._count, self._began, self._ended = 0, time.monotonic(), False
        stated = headers.get("content-length", "0")
        self._require(int(stated) if stated.isascii() and stated.isdigit() else 0)

    async def receive(self) -> Message:
        if self._ended:  # what follows is the client's disconnecting, whenever that is
            return await self._receive()
        left = self._began + self._grace + self._count / SLOWEST - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await self._receive()
        except TimeoutError:
            raise _Refused(
                408, "too_slow", "the body of the request came too slowly", hint="send it again"
            ) from None
        self._count += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        self._require(self._count)
        return message

    def _require(self, count: int) -> None:
        if count > self._most:
            most = f"{self._most / MIB:g} MiB"
            raise _Refused(
                413,
                "too_large",
                f"the body of the request exceeds {most}",
                hint="send fewer or smaller files at once",
            )


class RateLimit:
    """Refuse a client that sends more than so many requests per minute, with 429.

    A client may send a burst of a quarter of them. Each process counts for itself.
    """

    def __init__(
        self, app: ASGIApp, per_minute: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app, self.clock = app, clock
        self.per_second, self.burst = per_minute / 60, max(1.0, per_minute / 4)
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, as of a time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait = self._take(client_of(scope)) if scope["type"] == "http" else 0.0
        if wait <= 0:
            await self.app(scope, receive, send)
            return
        error = Busy("too many requests of one client", seconds=int(wait) + 1)
        await refuse(error, scope, receive, send)

    def _take(self, client: str) -> float:
        """Count a request; return the seconds to wait until there may be another, or 0."""
        now = self.clock()
        left, then = self._tokens.pop(client, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.per_second)
        allowed = left >= 1
        self._tokens[client] = (left - allowed, now)
        if len(self._tokens) > MAX_CLIENTS:
            self._tokens.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self.per_second


def client_of(scope: Scope) -> str:
    """Return the name of the token that a client has, or else its address."""
    name: str = scope.get("state", {}).get("client", "")
    return name or (scope["client"][0] if scope.get("client") else "local")
