"""The common parts of all pages: templates, forms, notices, errors in place, security headers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import NotModifiedResponse

from siamkit import errors
from siamkit.io.wording import format_probability
from siamkit.serve import audit_log, bodies, failures, security
from siamkit.serve.fields import Upload
from siamkit.serve.route import Scope
from siamkit.serve.server import Server
from siamkit.serve.tokens import COOKIE, require_scope

HERE = Path(__file__).parent
NOTICE = "siamkit-notice"  # cookie: what the last form did, shown once
NOTICE_SECONDS = 30
NOTICE_CHARS = 600
AUDITED = ("label", "into", "new", "sample")  # fields that say who a form is about
FRAGMENT = "x-fragment"  # header of a script that wants the changed part of a page only
# A recording that was asked about is in the page. Without a referrer, browsers send forms with the
# origin "null", which is foreign.
POLICY = {**security.POLICY, "media-src": "'self' blob: data:"}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Referrer-Policy": "same-origin",
}
# The next step on the page, where the hint of an error is a command to type.
NEXT_STEPS: Mapping[type[errors.SiamkitError], str] = {
    errors.SeveralFound: "Choose a sample that shows one only, or tick “take all of them”.",
    errors.LowQuality: "Use a better picture or recording, or tick “whatever the quality”.",
    errors.NothingFound: "Use another picture or recording.",
    errors.UnreadableSample: "Choose another file.",
    errors.Uncalibrated: "Calibrate the gallery under Measure.",
    errors.EncoderMismatch: "An administrator must run “siamkit reembed” for this gallery.",
    errors.MissingWeights: "An administrator must install the model first.",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A page or a part of one: the template, and what it shows."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """The page to go to after a form did its work, and what to say there."""

    path: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form or of a query string."""

    texts: Mapping[str, str]
    files: Mapping[str, Sequence[Upload]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.texts.get(name, "")

    def files_of(self, name: str = "files") -> list[Upload]:
        """Return the files that were chosen; a browser sends an empty one for none."""
        return [upload for upload in self.files.get(name, ()) if upload]


View = Callable[..., Shown | Moved | Response]  # (server, form, **path), in a thread of the pool


@cache
def environment() -> Environment:
    """Return the templates; what they are given is escaped."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["probability"] = format_probability
    env.filters["count"] = lambda number: f"{number:,}"
    env.filters["clock"] = lambda seconds: f"{int(seconds) // 60}:{int(seconds) % 60:02}"
    env.filters["json"] = json.dumps
    env.globals["link"] = link
    return env


def link(path: str, **query: str | int | None) -> str:
    """Return an address with a query string, of the values that are not None or empty."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return quote(path) + ("?" + urlencode(given) if given else "")


def endpoint(
    server: Server, path: str, scope: Scope, view: View
) -> Callable[[Request], Awaitable[Response]]:
    """Return what Starlette calls for a view; whatever goes wrong is shown as a page."""

    async def answer(request: Request) -> Response:
        state = request.scope["state"]
        state["route"] = path
        if request.method == "POST":  # also what is refused
            state["audit"] = _describe_form(view, request, Form({}))
        try:
            if scope != "open":
                require_scope(state, scope)
            form = await _read_form(request, server)
            if request.method == "POST":
                state["audit"] = _describe_form(view, request, form)
            shown = await server.run(partial(view, server, form, **request.path_params))
        except Exception as error:
            shown = _show_error(request, error, server)
        return respond(request, shown)

    return answer


def _describe_form(view: View, request: Request, form: Form) -> dict[str, Any]:
    """Return what the audit log says of a form, as it does of a request of the API."""
    labels = [form[name] for name in AUDITED if form[name]]
    files = sum(map(len, form.files.values()))
    return audit_log.describe(view.__name__, request.path_params, labels, files)


async def _read_form(request: Request, server: Server) -> Form:
    bodies.require_utf8(request.scope.get("raw_path", b""), "the path")
    if request.method != "POST":
        return Form(dict(request.query_params))
    values = await bodies.read_form(request, server.settings)
    files = {name: [v for v in each if isinstance(v, Upload)] for name, each in values.items()}
    texts = {name: v for name, each in values.items() for v in each if isinstance(v, str)}
    return Form({**request.query_params, **texts}, files)


def _show_error(request: Request, error: Exception, server: Server) -> Shown:
    status = failures.status_of(error)
    facts = describe(error, server)
    template = "_error.html" if FRAGMENT in request.headers else "error.html"
    return Shown(template, {"error": facts}, status)


def show_missing(request: Request, status: int) -> Response:
    """Say that there is no page at an address, or none that a browser can go back to."""
    message = f"There is no page at {request.url.path[:200]}"
    if status != 404:
        message = f"{request.url.path[:200]} shows no page of its own"
    return respond(
        request,
        Shown("error.html", {"title": "No page here", "error": {"message": message}}, status),
    )


def describe(error: Exception, server: Server) -> dict[str, str]:
    """Return the message of an error, and the next step on the page."""
    facts = failures.describe(error, "", server.settings.store)
    hint = facts["hint"]
    if not hint or "`" in hint or "--" in hint:
        steps = (step for kind, step in NEXT_STEPS.items() if isinstance(error, kind))
        hint = next(steps, "")
    return {"message": facts["message"], "hint": hint}


def respond(request: Request, shown: Shown | Moved | Response) -> Response:
    """Return the answer for a browser: a page, a part of one, or where to go."""
    if isinstance(shown, Response):
        tag = shown.headers.get("ETag")
        if tag and tag in request.headers.get("If-None-Match", ""):
            return NotModifiedResponse(shown.headers)
        return shown
    headers = dict(HEADERS)
    if isinstance(shown, Moved):
        if FRAGMENT in request.headers:  # a script cannot see where it was sent
            response: Response = Response(
                json.dumps({"path": shown.path}), 200, headers, "application/json"
            )
        else:
            response = RedirectResponse(shown.path, 303, headers)
        if shown.notice:
            text = quote(shown.notice[:NOTICE_CHARS])
            response.set_cookie(
                NOTICE, text, NOTICE_SECONDS, httponly=True, samesite="strict", path="/"
            )
        return response
    values = {
        "path": request.url.path,
        "notice": unquote(request.cookies.get(NOTICE, "")),
        "signed_in": COOKIE in request.cookies,
        **shown.values,
    }
    is_page = not shown.template.startswith("_")
    text = environment().get_template(shown.template).render(values)
    response = HTMLResponse(text, shown.status, headers)
    if is_page and values["notice"]:
        response.delete_cookie(NOTICE, path="/")
    return response
