"""Sign in with a token, where the server demands one; it is kept in a cookie for the page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from siamkit.errors import BadInput
from siamkit.serve import bodies
from siamkit.serve.pages.frame import HEADERS, Form, Shown, describe, respond
from siamkit.serve.server import Server
from siamkit.serve.tokens import COOKIE, TokenFile


def show_login(server: Server, form: Form) -> Shown:
    """Ask for a token."""
    return Shown("login.html", {"next": own_path(form["next"]), "error": None})


def own_path(address: str) -> str:
    """Return a path of this server; that of the first page for any other address."""
    is_own = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_own and address.isprintable() else "/ask"


async def log_in(server: Server, request: Request) -> Response:
    """Keep a valid token in a cookie that scripts and other sites cannot use."""
    form = {
        name: values[-1]
        for name, values in (await bodies.read_form(request, server.settings)).items()
    }
    path, secret = own_path(str(form.get("next", ""))), str(form.get("token", "")).strip()
    file = server.settings.token_file
    if file is not None and TokenFile(file).find(secret) is None:
        error = BadInput("this token is unknown", hint="ask the administrator for one")
        values = {"next": path, "error": describe(error, server)}
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
