"""Limits of a request: its size, the time that its sender takes, and how many a client may send.

A body is counted as it streams: one that is too large is refused before it is here, and all bodies
of a process together stay below a limit, however many clients send one. How many pixels and seconds
a sample may have, siamkit.sdk checks before it decodes one.
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
WAIT_SECONDS = 10  # until other bodies may be gone
MAX_CLIENTS = 10_000  # whose rates are remembered
MIB = 1 << 20  # bytes
HELD = 512 * MIB  # bytes of bodies that a process holds at once, or two of the largest size


class BodyLimits:
    """Refuse a body that is too large with 413, and one that trickles in with 408.

    A body is held until its request is answered. All of them together have a limit, too: none may
    be larger than what they leave free, or it is refused with 429. So where many are large these
    give way, and a small one finds room.
    """

    def __init__(
        self, app: ASGIApp, most: int, *, grace: float = GRACE_SECONDS, held: int = HELD
    ) -> None:
        """Limit bodies. most: bytes of one. grace: see GRACE_SECONDS. held: bytes of all."""
        self.app, self.most, self.grace = app, most, grace
        self.free = max(held, 2 * most)  # bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_answered = False

        async def send_noted(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        body = _Body(receive, self)
        try:
            body.require_stated(Headers(scope=scope))
            await self.app(scope, body.receive, send_noted)
        except RequestError as error:
            if is_answered:
                raise
            await refuse(error, scope, receive, send)
        finally:
            self.free += body.count


class _Body:
    """The body of one request, counted. What exceeds the limits raises RequestError."""

    def __init__(self, receive: Receive, limits: BodyLimits) -> None:
        self.count = 0  # bytes
        self._receive, self._limits = receive, limits
        self._began, self._ended = time.monotonic(), False

    def require_stated(self, headers: Headers) -> None:
        """Raise RequestError at once for a body whose stated size is too large."""
        stated = headers.get("content-length", "0")
        self._require(int(stated) if stated.isascii() and stated.isdigit() else 0)

    async def receive(self) -> Message:
        """Return the next message of the client. Raises RequestError if that is too much."""
        if self._ended:  # what follows is the client's disconnecting, whenever that is
            return await self._receive()
        left = self._began + self._limits.grace + self.count / SLOWEST - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await self._receive()
        except TimeoutError:
            raise RequestError(
                408, "too_slow", "the body of the request came too slowly", hint="send it again"
            ) from None
        size = len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        self._require(size)
        self.count += size
        self._limits.free -= size
        return message

    def _require(self, size: int) -> None:
        """Raise RequestError if there is no room for so many bytes more."""
        count = self.count + size
        if count > self._limits.most:
            most = f"{self._limits.most / MIB:g} MiB"
            raise RequestError(
                413,
                "too_large",
                f"the body of the request exceeds {most}",
                hint="send fewer or smaller files at once",
            )
        if count > self._limits.free - size:
            raise Busy("others send large files at the moment", seconds=WAIT_SECONDS)


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
