"""The description of the API in OpenAPI 3.1, made from the table of routes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from siamkit import __version__
from siamkit.serve.failures import Failure
from siamkit.serve.fields import has_files, has_required
from siamkit.serve.route import Route
from siamkit.serve.schemas import Schemas, of_field, of_request

JSON, FORM = "application/json", "multipart/form-data"
PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")  # of a path, as Starlette writes it
ABOUT = (
    "Enrol once, then ask who, what or which it is. Answers are the JSON that the command line"
    " prints with `--json`. An error is `{code, message, hint, request_id}`."
)


def describe(groups: Mapping[str, tuple[Route, ...]]) -> dict[str, Any]:
    """Return the OpenAPI document of routes, by group."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for group, routes in groups.items():
        for route in routes:
            operations = paths.setdefault(path_of(route), {})
            operations[route.method.lower()] = _operation(route, group, schemas)
    failure = {"description": "Why not", "content": {JSON: {"schema": schemas.of(Failure)}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "siamkit", "version": __version__, "description": ABOUT},
        "paths": paths,
        "tags": [{"name": name} for name in groups],
        "security": [{}, {"token": []}],
        "components": {
            "schemas": schemas.named,
            "responses": {"Failure": failure},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def path_of(route: Route) -> str:
    """Return the path with its parameters by name."""
    return PARAMETER.sub(r"{\1}", route.path)


def takes_query(route: Route) -> bool:
    """True if the fields of a request stand in its query string."""
    return route.method in ("GET", "DELETE")


def _operation(route: Route, group: str, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [group],
        "x-scope": route.scope,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route, schemas),
    }
    if not takes_query(route) and dataclasses.fields(route.request):
        operation["requestBody"] = {
            "content": _contents(route),
            "required": has_required(route.request),
        }
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    number, text = {"type": "integer", "minimum": 0}, {"type": "string"}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": number if kind == "id" else text,
        }
        for name, kind in PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if not takes_query(route):
        return []
    names = [field.name for field in dataclasses.fields(route.request)]
    schemas = [(name, of_field(route.request, name, is_form=True)) for name in names]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas]


def _contents(route: Route) -> dict[str, Any]:
    contents = {JSON: {"schema": of_request(route.request, is_form=False)}}
    if has_files(route.request):
        contents[FORM] = {"schema": of_request(route.request, is_form=True)}
    return contents


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    is_json = route.media_type == JSON
    schema = schemas.of(route.response) if is_json else {"type": "string"}
    content = {route.media_type: {"schema": schema}}
    failure = {"$ref": "#/components/responses/Failure"}
    answers = {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in (route.status, *route.others)
    }
    return {**answers, "4XX": failure, "5XX": failure}
