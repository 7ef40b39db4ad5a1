"""Sign in with a token, where the server demands one; it is kept in a cookie for the page."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from siamkit.errors import BadInput, SiamkitError
from siamkit.serve import bodies, failures
from siamkit.serve.pages.frame import HEADERS, Form, Shown, describe, respond
from siamkit.serve.server import Server
from siamkit.serve.tokens import COOKIE, TokenFile

MAX_BYTES = 64 << 10  # of the form: whoever sends it has shown no token yet


def show_login(server: Server, form: Form) -> Shown:
    """Ask for a token."""
    return Shown("login.html", {"next": own_path(form["next"]), "error": None})


def own_path(address: str) -> str:
    """Return a path of this server; that of the first page for any other address."""
    is_own = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_own and address.isprintable() else "/ask"


async def log_in(server: Server, request: Request) -> Response:
    """Keep a valid token in a cookie that scripts and other sites cannot use."""
    settings = replace(server.settings, max_body_bytes=MAX_BYTES, max_files=0)
    try:
        form = {
            name: each[-1] for name, each in (await bodies.read_form(request, settings)).items()
        }
        path, secret = own_path(form.get("next", "")), form.get("token", "").strip()
        file = settings.token_file
        is_known = file is None or TokenFile(file).find(secret) is not None
    except SiamkitError as error:
        values = {"next": "/ask", "error": describe(error, server)}
        return respond(request, Shown("login.html", values, failures.status_of(error)))
    if not (is_known and secret.isascii()):  # a cookie is ASCII, and so is every token
        unknown = BadInput("this token is unknown", hint="ask the administrator for one")
        values = {"next": path, "error": describe(unknown, server)}
        return respond(request, Shown("login.html", values, 403))
    response = RedirectResponse(path, 303, HEADERS)
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, secret, httponly=True, samesite="strict", secure=is_secure, path="/"
    )
    return response


async def log_out(_: Request) -> Response:
    """Delete the cookie."""
    response = RedirectResponse("/login", 303, HEADERS)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response
