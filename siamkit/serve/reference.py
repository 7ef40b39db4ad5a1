"""The description of the API as its own server answers it: OpenAPI, and a page that shows it."""

from __future__ import annotations

from functools import cache
from typing import Any

from starlette.responses import HTMLResponse, Response

from siamkit.serve import openapi, reference_page
from siamkit.serve.route import Nothing, Route
from siamkit.serve.server import Server


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document of the table of routes."""
    return openapi.describe(groups())


def groups() -> dict[str, tuple[Route, ...]]:
    """Return the table of routes, which has the routes of this module, too."""
    from siamkit.serve.routes import GROUPS

    return GROUPS


def show_openapi(server: Server, body: Nothing) -> dict[str, Any]:
    """Describe the API in OpenAPI 3.1."""
    return document()


def show_reference(server: Server, body: Nothing) -> HTMLResponse:
    """Show the API as a page."""
    return HTMLResponse(reference_page.render(document()))


def show_style(server: Server, body: Nothing) -> Response:
    """Return the style of that page."""
    return Response(reference_page.CSS, media_type="text/css")
