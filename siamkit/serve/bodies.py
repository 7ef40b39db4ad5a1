"""Read the body of a request: JSON, a form with files, or a query string, within its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from siamkit.io.foreign import parse_json
from siamkit.serve import fields
from siamkit.serve.failures import RequestError
from siamkit.serve.forms import Form
from siamkit.serve.server import Server
from siamkit.serve.settings import Settings

T = TypeVar("T")
FORM, JSON = "multipart/form-data", "application/json"
QUICK_BYTES = 256 << 10  # of JSON, parsed in some 5 ms; more of it would keep others waiting


async def read(request: Request, kind: type[T], server: Server) -> T:
    """Return the request's fields as a dataclass. Raises RequestError for what it cannot be."""
    settings = server.settings
    if request.method in ("GET", "HEAD", "DELETE"):
        return fields.read(kind, _read_query(request), is_text=True)
    if request.query_params:
        hint = f"send the fields in the body, as {JSON}"
        raise RequestError(400, "bad_request", "a POST takes no query string", hint=hint)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == JSON:
        body = await _read_body(request, settings)
        parse = partial(_parse_fields, kind, body)
        return parse() if len(body) <= QUICK_BYTES else await server.pool.run(parse)
    if media_type == FORM and fields.has_files(kind):
        return fields.read(kind, await read_form(request, settings), is_text=True)
    if not media_type and not await _read_body(request, settings):
        return fields.read(kind, {}, is_text=False)
    accepted = f"{JSON} or {FORM}" if fields.has_files(kind) else JSON
    message = f"the content type {media_type[:80]!r} is not accepted here"
    raise RequestError(415, "unsupported_media_type", message, hint=f"send {accepted}")


def _read_query(request: Request) -> dict[str, list[str]]:
    """Return the query string's fields. Raises RequestError for bytes that are not UTF-8."""
    require_utf8(request.scope.get("query_string", b""), "the query string")
    params = request.query_params
    return {name: params.getlist(name) for name in params}


def require_utf8(quoted: bytes, what: str) -> None:
    """Raise RequestError for a part of a URL whose bytes are not UTF-8."""
    from urllib.parse import unquote_to_bytes

    raw = unquote_to_bytes(quoted)
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise RequestError(400, "bad_request", f"{what} is not UTF-8") from None


def _parse_fields(kind: type[T], body: bytes) -> T:
    return fields.read(kind, _parse(body), is_text=False)


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        value = parse_json(body.decode("utf-8-sig")) if body else {}
    except ValueError as error:  # not UTF-8, not JSON, or a key twice
        raise RequestError(400, "malformed_body", f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RequestError(422, "invalid_request", "the body is not a JSON object")
    return value


async def _read_body(request: Request, settings: Settings) -> bytes:
    body = bytearray()
    async for chunk in _stream(request, settings):
        body += chunk
    return bytes(body)


async def read_form(request: Request, settings: Settings) -> dict[str, list[Any]]:
    """Return the texts and files of a form by name. Raises RequestError for another body."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != FORM:
        message = f"the content type {content_type[:80]!r} is not accepted here"
        raise RequestError(415, "unsupported_media_type", message, hint=f"send {FORM}")
    form = Form(content_type, max_files=settings.max_files)
    async for chunk in _stream(request, settings):
        form.add(chunk)
    return form.finish()


async def _stream(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises RequestError once it is too large, or ends early."""
    most, received = settings.max_body_bytes, 0
    declared = request.headers.get("content-length", "")
    try:
        if declared.isdigit() and int(declared) > most:
            raise _too_large(most)
        async for chunk in request.stream():
            received += len(chunk)
            if received > most:
                raise _too_large(most)
            yield chunk
    except ClientDisconnect:
        raise RequestError(400, "malformed_body", "the body ends early") from None


def _too_large(most: int) -> RequestError:
    message = f"the body is larger than {most:,} bytes, the limit of this server"
    return RequestError(413, "too_large", message, hint="send fewer or smaller files at a time")
