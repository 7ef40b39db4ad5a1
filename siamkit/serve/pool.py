"""Threads for the blocking work of a server: so many at work, so many waiting, no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from siamkit.serve.failures import Busy

T = TypeVar("T")


class Pool:
    """Runs functions in threads. A thread keeps its connection to SQLite from call to call."""

    def __init__(self, threads: int, waiting: int) -> None:
        """Start no thread yet. waiting: calls that may wait while all threads are at work."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="siamkit-serve")
        self._most = threads + waiting
        self.pending = 0  # calls at work or waiting

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns, or raise what it raises. Raises Busy if too many wait."""
        if self.pending >= self._most:
            raise Busy(f"{self.pending} requests are being answered already")
        loop = asyncio.get_running_loop()
        self.pending += 1
        future = self._executor.submit(copy_context().run, work)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))
        return await asyncio.wrap_future(future)

    def _release(self) -> None:
        self.pending -= 1

    def close(self) -> None:
        """Wait for what is at work, and drop what waits."""
        self._executor.shutdown(cancel_futures=True)
