"""Tokens: who may read, enrol or administer, where others than this machine's users may ask.

A token file has one line per token: its scope, the SHA-256 of the token, and a name for the audit
log. The token itself is shown once and stored nowhere: it is 256 random bits, so that its hash
needs no salt. A line that is deleted is void from the next request on.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from siamkit.errors import BadInput
from siamkit.io.atomic import create_private, sync
from siamkit.io.encodings import undecoded
from siamkit.serve.failures import RequestError
from siamkit.serve.refusals import refuse

READ, ENROL, ADMIN = "read", "enrol", "admin"
SCOPES = {READ: {READ}, ENROL: {READ, ENROL}, ADMIN: {READ, ENROL, ADMIN}}  # and what each implies
PREFIX = "sk_"  # by which scanners for leaked secrets know a token
COOKIE = "siamkit-token"  # in which the page keeps it: HttpOnly, SameSite=Strict
NAME = re.compile(r"[\w.@-]{1,64}")
LINE = re.compile(r"(?P<scope>\w+) sha256:(?P<hash>[0-9a-f]{64}) (?P<name>\S+)")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="siamkit"'}


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the file has it."""

    scope: str
    digest: str
    name: str


def hash_token(secret: str) -> str:
    """Return the SHA-256 of a token, in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add_token(path: Path, scope: str, name: str = "") -> str:
    """Append a new token to a file, which is created if need be; return the token.

    name: for the audit log. Raises BadInput for an unknown scope, a bad or a used name.
    """
    if scope not in SCOPES:
        raise BadInput(f"no scope {scope!r}", hint=f"one of {', '.join(SCOPES)}")
    used = {token.name for token in read_tokens(path)} if path.exists() else set()
    name = name or next(
        candidate
        for number in range(1, len(used) + 2)
        if (candidate := f"{scope}-{number}") not in used
    )
    if not NAME.fullmatch(name) or undecoded(name):
        raise BadInput(f"bad name of a token: {name!r}", hint="letters, digits, `.`, `@` and `-`")
    if name in used:
        raise BadInput(f"{path} has a token {name!r} already", hint="choose another name")
    secret = PREFIX + secrets.token_urlsafe(32)
    create_private(path)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{scope} sha256:{hash_token(secret)} {name}\n")
    sync(path)
    return secret


def read_tokens(path: Path) -> list[Token]:
    """Read a token file. Raises BadInput, naming the line, for one that is not a token's."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadInput(
            f"{path} cannot be read: {reason}",
            hint=f"create it: `siamkit serve --token-file {path} --new-token read`",
        ) from error
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if not match or match["scope"] not in SCOPES:
            raise BadInput(
                f"{path}, line {number}: not a token",
                hint="delete it; `siamkit serve --new-token SCOPE` writes such lines",
            )
        tokens.append(Token(match["scope"], match["hash"], match["name"]))
    return tokens


class TokenFile:
    """The tokens of a file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises BadInput if that fails, or it has no token."""
        self.path = path
        self._stamp = self._look()
        self._tokens = read_tokens(path)
        if not self._tokens:
            raise BadInput(
                f"{path} has no token",
                hint=f"add one: `siamkit serve --token-file {path} --new-token admin`",
            )

    def find(self, secret: str) -> Token | None:
        """Return the token whose hash fits, in a time that tells nothing about the others."""
        stamp = self._look()
        if stamp != self._stamp:
            try:
                self._tokens = read_tokens(self.path)
            except BadInput:  # deleted or damaged: nobody is let in
                self._tokens = []
            self._stamp = stamp
        digest, match = hash_token(secret), None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                match = token
        return match

    def _look(self) -> tuple[int, int, int]:
        try:
            status = os.stat(self.path)
        except OSError:
            return 0, 0, 0
        return status.st_mtime_ns, status.st_size, status.st_ino


def require_scope(state: Mapping[str, object], needed: str) -> None:
    """Raise RequestError 403 unless the token of a request has a scope. state: the request's.

    Without a token file, every request has all scopes.
    """
    scopes = state.get("scopes", SCOPES[ADMIN])
    assert isinstance(scopes, set)
    if needed not in scopes:
        raise RequestError(
            403,
            "wrong_scope",
            f"this needs a token with the scope {needed}",
            hint=f"`siamkit serve --new-token {needed}` makes one",
        )


def presented(headers: Headers) -> str:
    """Return the token of a request: a bearer's, or the cookie of the page; '' without one."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _is_page(scope: Scope) -> bool:
    """True for a page that somebody opens in a browser."""
    accepts = Headers(scope=scope).get("accept", "")
    return scope["method"] == "GET" and "text/html" in accepts


class Tokens:
    """Find the token of each request, and refuse one without where a path needs it."""

    def __init__(self, app: ASGIApp, tokens: TokenFile, open_paths: tuple[str, ...]) -> None:
        """Guard an application. open_paths: what begins with one of them needs no token."""
        self.app, self.tokens, self.open_paths = app, tokens, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        secret = presented(Headers(scope=scope))
        token = self.tokens.find(secret) if secret else None
        state["scopes"] = SCOPES[token.scope] if token else set()
        if token:
            state["client"] = token.name
        elif not scope["path"].startswith(self.open_paths):
            if _is_page(scope):
                query = b"?" + scope["query_string"] if scope["query_string"] else b""
                target = quote(quote(scope["path"]).encode() + query)
                login = RedirectResponse(f"/login?next={target}", 303)
                await login(scope, receive, send)
            else:
                await self._refuse(scope, receive, send, has_sent=bool(secret))
            return
        await self.app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, *, has_sent: bool) -> None:
        error = RequestError(
            401,
            "bad_token" if has_sent else "no_token",
            "this token is unknown" if has_sent else "this server asks for a token",
            hint="send the header `Authorization: Bearer TOKEN`",
        )
        await refuse(error, scope, receive, send, headers=CHALLENGE)
