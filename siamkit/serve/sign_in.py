"""Signing in to the page with a token, which then is in a cookie that no script can read."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from siamkit.serve.tokens import COOKIE, TokenFile

START = "/"
SECONDS = 30 * 24 * 3600  # that a browser stays signed in; a token that is deleted is void at once
MAX_CHARS = 4096  # of what the form may send
PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>Sign in · siamkit</title>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=color-scheme content="light dark"><link rel=stylesheet href="/static/siamkit.css">
<main id=main><h1>Sign in</h1>{fault}<form method=post action="/login?next={next}">
<p><label>Token <input type=password name=token autocomplete=current-password required autofocus
></label></p><p><button>Sign in</button></p></form>
<p>Whoever runs this server makes one: <code>siamkit serve --new-token read</code></p></main>"""
FAULT = "<p role=alert>This token is unknown.</p>"


def sign_in_routes(tokens: TokenFile) -> Sequence[BaseRoute]:
    """Return the routes of a server that asks for tokens."""

    async def show(request: Request) -> Response:
        return _form(request)

    async def sign_in(request: Request) -> Response:
        secret = await _read_token(request)
        if not secret or tokens.find(secret) is None:
            return _form(request, FAULT, 403)
        answer = RedirectResponse(_next_of(request), 303)
        is_secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, secret, SECONDS, httponly=True, samesite="strict", secure=is_secure
        )
        return answer

    async def sign_out(request: Request) -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return [
        Route("/login", show, methods=["GET"]),
        Route("/login", sign_in, methods=["POST"]),
        Route("/logout", sign_out, methods=["POST"]),
    ]


async def _read_token(request: Request) -> str:
    body = (await request.body())[:MAX_CHARS].decode("ascii", "replace")
    return next(iter(parse_qs(body).get("token", ())), "").strip()


def _form(request: Request, fault: str = "", status: int = 200) -> Response:
    target = escape(quote(_next_of(request)), quote=True)
    return HTMLResponse(PAGE.format(fault=fault, next=target), status)


def _next_of(request: Request) -> str:
    """Return the path to go to: of this server, whatever the address says."""
    path = request.query_params.get("next", START)
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else START
