"""The pages: paths, views, and the files that they load."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from siamkit.serve.pages import ask, galleries, login, measure, media, review
from siamkit.serve.pages.frame import HEADERS, HERE, View, endpoint
from siamkit.serve.route import Scope
from siamkit.serve.server import Server

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
G = "/galleries/{gallery:str}"
# Method, path, who may use it, and the view.
PAGES: tuple[tuple[str, str, Scope, View], ...] = (
    ("GET", "/login", "open", login.show_login),
    ("GET", "/ask", "read", ask.show_ask),
    ("POST", "/ask", "read", ask.answer),
    ("GET", "/galleries", "read", galleries.show_galleries),
    ("POST", "/galleries", "admin", galleries.create_gallery),
    ("GET", G, "read", galleries.show_gallery),
    ("POST", f"{G}/check", "enrol", galleries.check),
    ("POST", f"{G}/enrol", "enrol", galleries.enrol),
    ("GET", f"{G}/identity", "read", galleries.show_identity),
    ("POST", f"{G}/rename", "enrol", galleries.rename),
    ("POST", f"{G}/merge", "enrol", galleries.merge),
    ("POST", f"{G}/undo-merge", "enrol", galleries.undo_merge),
    ("POST", f"{G}/move", "enrol", galleries.move),
    ("POST", f"{G}/forget", "admin", galleries.forget),
    ("POST", f"{G}/forget-sample", "admin", galleries.forget_sample),
    ("POST", f"{G}/delete", "admin", galleries.delete_gallery),
    ("GET", "/review", "read", review.show_review),
    ("POST", "/review/decide", "enrol", review.decide),
    ("POST", "/review/undo", "enrol", review.undo),
    ("POST", "/review/unknown", "enrol", review.add_unknown),
    ("POST", "/review/drop", "admin", review.drop_unknown),
    ("POST", "/review/forget", "admin", review.forget_doomed),
    ("GET", "/measure", "read", measure.show_measure),
    ("POST", "/measure/calibrate", "admin", measure.calibrate),
    ("GET", "/thumbnails/{sample:id}", "read", media.show_thumbnail),
    ("GET", "/sounds/{sample:id}", "read", media.play_sample),
)


def page_routes(server: Server) -> Sequence[BaseRoute]:
    """Return the routes of the pages, for the application to mount."""
    views = [
        Route(path, endpoint(server, path, scope, view), methods=[method], name=view.__name__)
        for method, path, scope, view in PAGES
    ]
    return [
        Route("/", _go_to_ask),
        Route("/static/{name:str}", _send_static),
        Route("/login", partial(login.log_in, server), methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
        *views,
    ]


async def _go_to_ask(_: Request) -> Response:
    return RedirectResponse("/ask", 307, HEADERS)


async def _send_static(request: Request) -> Response:
    files = {path.name: path for path in (HERE / "static").iterdir()}
    path = files.get(request.path_params["name"])
    if path is None or path.suffix not in TYPES:
        return Response("no such file", 404, HEADERS, "text/plain")
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    return FileResponse(path, 200, headers, TYPES[path.suffix])
