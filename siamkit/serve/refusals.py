"""Request ids, and answers of requests that are refused before a route is reached."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from siamkit.serve.failures import Failure, RequestError

USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # of a client: it goes into logs and a header


def request_id_of(scope: Scope) -> str:
    """Return the id of a request, which its answer, its error and the logs have."""
    return str(scope.setdefault("state", {}).get("request_id", ""))


async def refuse(
    error: RequestError,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer with an error. headers: beside those of the error."""
    failure = Failure(
        code=error.code, message=str(error), hint=error.hint, request_id=request_id_of(scope)
    )
    answer = JSONResponse(failure, error.status, {**error.headers, **(headers or {})})
    await answer(scope, receive, send)


class RequestIds:
    """Give each request an id: the client's own X-Request-Id, if it is fit for a log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        stated = Headers(scope=scope).get("x-request-id", "")
        request_id = stated if USABLE_ID.fullmatch(stated) else secrets.token_hex(8)
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)
