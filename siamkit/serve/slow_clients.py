"""A connection whose client sends no request, or takes no answer, is given up.

uvicorn waits for both for ever. How slowly a body may come, siamkit.serve.limits says. A client
that was answered before it had sent its body is read from for a while, so that it gets to the
answer: if the connection were closed at once, that would be lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0  # for a client to send a request up to its body
SEND_SECONDS = 30.0  # for a client to take a part of an answer
REST_SECONDS, REST_BYTES = 2.0, 16 << 20  # of a body that is not needed any more


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with limits of patience."""

    head_seconds, send_seconds = HEAD_SECONDS, SEND_SECONDS

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._waits_for_head: asyncio.TimerHandle | None = None
        self._waits_for_reader: asyncio.TimerHandle | None = None
        self._waits_for_rest: asyncio.TimerHandle | None = None
        self._rest = 0  # bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_head()
        else:
            self._stop_timer("_waits_for_head")
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._take_rest(len(data))
        else:
            self._stop_timer("_waits_for_rest")
            self._rest = 0

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._waits_for_reader is None:
            self._waits_for_reader = self.loop.call_later(self.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_timer("_waits_for_reader")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer("_waits_for_head")
        self._stop_timer("_waits_for_reader")
        self._stop_timer("_waits_for_rest")
        super().connection_lost(exc)

    def _take_rest(self, count: int) -> None:
        """Count bytes that nobody needs, and give up when it is enough of them."""
        self._rest += count
        if self._rest > REST_BYTES:
            self.transport.abort()
        elif self._waits_for_rest is None:
            self._waits_for_rest = self.loop.call_later(REST_SECONDS, self.transport.abort)

    def _await_head(self) -> None:
        if self._waits_for_head is None and not self.transport.is_closing():
            self._waits_for_head = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_timer(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)
