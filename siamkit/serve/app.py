"""The application: the table of routes as Starlette serves it, and errors as JSON."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from siamkit.io.printable import json_text
from siamkit.io.sources import absolute
from siamkit.serve import bodies, failures
from siamkit.serve.audit_log import describe_request
from siamkit.serve.callers import CALLER, caller_of
from siamkit.serve.failures import RequestError
from siamkit.serve.guards import guards
from siamkit.serve.pages import page_routes, show_missing
from siamkit.serve.refusals import request_id_of
from siamkit.serve.route import Reply, Route
from siamkit.serve.routes import ROUTES
from siamkit.serve.server import Server
from siamkit.serve.settings import Settings
from siamkit.serve.tokens import TokenFile, require_scope

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
CODES = {404: "not_found", 405: "method_not_allowed"}


class JSONReply(Response):
    """An answer in JSON, as the command line prints it, but for the place of the store's files."""

    media_type = "application/json"

    def __init__(self, reply: Reply, root: Path) -> None:
        """Answer with a reply. root: the store's folder, which no reply may tell."""
        self.place = json_text(f"{absolute(root)}{os.sep}")[1:-1]
        super().__init__(reply.data, reply.status, dict(reply.headers))

    def render(self, content: Any) -> bytes:
        """Return the JSON in UTF-8."""
        return json_text(content).replace(self.place, "").encode()


def create_app(settings: Settings) -> Starlette:
    """Return the application of one store. Its state has `server`; it opens nothing yet.

    Raises BadInput for a token file that cannot be used.
    """
    server = Server(settings)
    tokens = TokenFile(settings.token_file) if settings.token_file else None
    app = Starlette(
        routes=_mount(server),
        middleware=guards(settings, server.metrics, tokens),
        lifespan=_lifespan,
        exception_handlers={HTTPException: _answer_error, Exception: _answer_error},
    )
    app.state.server = server
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    server: Server = app.state.server
    await server.pool.run(server.workspace.init)
    threading.Thread(target=server.warm_up, name="siamkit-warm-up", daemon=True).start()
    _stop_jobs_on_signals(server)
    yield
    server.close()


def _stop_jobs_on_signals(server: Server) -> None:
    """Interrupt the jobs as soon as the process is to stop, and end the streams of their events.

    uvicorn waits for the streams, and the process for the jobs after that.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)

        def stop(number: int, frame: Any, before: Any = before) -> None:
            server.jobs.stop()
            if callable(before):
                before(number, frame)

        signal.signal(number, stop)


def _mount(server: Server) -> Sequence[BaseRoute]:
    """Return one route of Starlette per path, so that the answer 405 names all its methods."""
    endpoints: dict[str, dict[str, Endpoint]] = {}
    for route in ROUTES:
        endpoints.setdefault(route.path, {})[route.method] = _endpoint(server, route)
    api = [
        StarletteRoute(path, _choose_by_method(methods), methods=list(methods))
        for path, methods in endpoints.items()
    ]
    return [*api, *page_routes(server)]


def _choose_by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](request)

    return answer


def _endpoint(server: Server, route: Route) -> Endpoint:
    is_audited = route.method != "GET" and route.scope != "open"

    async def answer(request: Request) -> Response:
        state = request.scope["state"]
        state["route"] = route.path
        if is_audited:  # also what is refused
            state["audit"] = describe_request(route.name, request.path_params, None)
        try:
            if route.scope != "open":
                require_scope(state, route.scope)
            bodies.require_utf8(request.scope.get("raw_path", b""), "the path")
            CALLER.set(caller_of(state))
            body: Any = await bodies.read(request, route.request, server)
            if is_audited:
                state["audit"] = describe_request(route.name, request.path_params, body)
            work = partial(route.handler, server, body, **request.path_params)
            run = server.pool.run if route.scope == "open" else server.run
            return await run(partial(_do, work, server.settings.store))
        except Exception as error:
            return await _answer_error(request, error)

    return answer


def _do(work: Callable[[], Any], root: Path) -> Response:
    """Return the answer of a handler, as JSON in bytes: a large one takes its time."""
    data = work()
    if isinstance(data, Response):
        return data
    return JSONReply(data if isinstance(data, Reply) else Reply(data), root)


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        if _is_for_a_page(request):
            return show_missing(request, error.status_code)
        error = _as_request_error(request, error)
    root = request.app.state.server.settings.store
    facts = failures.describe(error, request_id_of(request.scope), root)
    extra = error.headers if isinstance(error, RequestError) else {}
    return JSONReply(Reply(facts, failures.status_of(error), extra), root)


def _is_for_a_page(request: Request) -> bool:
    """Return True if a browser asks, and not for the API."""
    is_browser = "text/html" in request.headers.get("accept", "")
    return is_browser and not request.url.path.startswith("/v1/")


def _as_request_error(request: Request, error: HTTPException) -> RequestError:
    """Return Starlette's own error, of a path or a method that there is not, as one of ours."""
    message, hint = str(error.detail), "/reference lists all routes"
    if error.status_code == 404:
        message = f"there is no {request.url.path[:200]}"
    elif error.status_code == 405:
        message = f"{request.url.path[:200]} takes no {request.method[:10]}"
    code = CODES.get(error.status_code, "bad_request")
    refused = RequestError(error.status_code, code, message, hint=hint)
    refused.headers = dict(error.headers or {})
    return refused
