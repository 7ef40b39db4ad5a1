"""Against pages of other sites: Host and Origin of a request, and security headers of answers.

A page elsewhere can make a browser send requests here. DNS rebinding gives it a name of its own for
this address, so the Host is checked; forms and scripts of other origins may send, but not read, so
the origin of what changes something is checked. No answer has a header of CORS.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from functools import cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from siamkit.serve.failures import RequestError
from siamkit.serve.refusals import refuse

READING = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
PRIVATE = "no-store"  # Cache-Control of an answer that states none


@cache
def _own_names() -> frozenset[str]:
    return frozenset({"localhost", socket.gethostname().lower()})


def is_own_host(host: str, names: Collection[str] = ()) -> bool:
    """True if a Host header names this server: by a number, or by a name that is its own.

    DNS rebinding needs a name that somebody else controls: a number cannot be rebound. names: other
    than `localhost` and this machine's.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in _own_names() or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own_origin(headers: Headers) -> bool:
    """True unless a browser says that another site's page sent a request.

    A client that is not a browser sends neither header; a browser sends the first to HTTPS and to
    this machine. Behind a proxy the scheme may differ, so only host and port are compared.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


class SameSite:
    """Refuse foreign Host headers, and changes that pages of other sites ask for."""

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self.app, self.names = app, frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_own_host(hosts[0], self.names):
            error = RequestError(
                421,
                "unknown_host",
                "the header Host does not name this server",
                hint="use its number, or start it with `--allowed-host NAME`",
            )
        elif scope["method"] not in READING and not is_own_origin(headers):
            error = RequestError(
                403,
                "foreign_origin",
                "a page of another site sent this request",
                hint="send it from a page of this server, or from a program",
            )
        else:
            await self.app(scope, receive, send)
            return
        await refuse(error, scope, receive, send)


class SecureHeaders:
    """Add headers to every answer: a strict policy for content, and nothing kept in caches."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", PRIVATE)
            await send(message)

        await self.app(scope, receive, send_secured)
