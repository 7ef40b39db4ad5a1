"""Counts and latencies of requests, as Prometheus reads them.

Each process counts for itself. With several workers, each leaves its counts in a folder a second
after they changed, and the one that is asked adds up all: a counter never falls when one dies.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from siamkit.io.atomic import replace_text
from siamkit.io.foreign import read_json
from siamkit.io.unfinished import PRIVATE_FOLDER

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # s, Prometheus's own
DUMP_SECONDS = 1.0  # after a change
OTHER = "other"  # requests of no route: scanners ask for thousands of paths
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counts of a process. folder: of the dumps of all workers; None if there is one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.requests: Counter[tuple[str, str, str]] = Counter()  # method, route, status
        self.buckets: Counter[tuple[str, str]] = Counter()  # route, upper limit in seconds
        self.seconds: Counter[str] = Counter()  # route: seconds in all
        self.in_flight = 0
        self._is_due = False

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests[method, route, str(status)] += 1
        limit = next((edge for edge in BUCKETS if seconds <= edge), None)
        self.buckets[route, "+Inf" if limit is None else f"{limit:g}"] += 1
        self.seconds[route] += seconds  # type: ignore[assignment]  # a Counter of floats
        if self.folder and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(DUMP_SECONDS, self._dump)

    def render(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Return all counts as text. gauges: by name, what each is and its value."""
        requests, buckets, seconds = self._sum()
        lines = _head("siamkit_requests_total", "counter", "Requests that were answered")
        lines += (
            f'siamkit_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(requests.items())
        )
        name = "siamkit_request_seconds"
        lines += _head(name, "histogram", "Time from the request to the end of its answer")
        for route in sorted(seconds):
            lines += _histogram(name, route, buckets, seconds[route])
        all_gauges = {"siamkit_requests_in_flight": ("Requests in this process", self.in_flight)}
        for gauge, (purpose, value) in {**all_gauges, **gauges}.items():
            lines += [*_head(gauge, "gauge", purpose), f"{gauge} {value}"]
        return "\n".join(lines) + "\n"

    def _sum(self) -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]], Counter[str]]:
        requests: Counter[tuple[str, ...]] = Counter(self.requests)
        buckets: Counter[tuple[str, ...]] = Counter(self.buckets)
        seconds = Counter(self.seconds)
        for dump in self._others():
            requests.update({tuple(key): count for key, count in dump["requests"]})
            buckets.update({tuple(key): count for key, count in dump["buckets"]})
            seconds.update(dict(dump["seconds"]))
        return requests, buckets, seconds

    def _others(self) -> Iterator[dict[str, list[tuple[str, int]]]]:
        if self.folder and self.folder.is_dir():
            for path in self.folder.glob("*.json"):
                if path != self._path():
                    with suppress(Exception):  # of another worker, which may be writing it
                        yield read_json(path)

    def _dump(self) -> None:
        self._is_due = False
        assert self.folder
        counts = {
            "requests": list(self.requests.items()),
            "buckets": list(self.buckets.items()),
            "seconds": list(self.seconds.items()),
        }
        with suppress(OSError):  # a full disk, or a store that was removed: requests go on
            for folder in (self.folder.parent, self.folder):  # never the store itself
                folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
            replace_text(self._path(), json.dumps(counts))

    def _path(self) -> Path:
        assert self.folder
        return self.folder / f"{os.getpid()}.json"


def _head(name: str, kind: str, purpose: str) -> list[str]:
    return [f"# HELP {name} {purpose}", f"# TYPE {name} {kind}"]


def _histogram(
    name: str, route: str, buckets: Mapping[tuple[str, ...], int], seconds: float
) -> Iterable[str]:
    total = 0
    for edge in (*(f"{edge:g}" for edge in BUCKETS), "+Inf"):
        total += buckets.get((route, edge), 0)
        yield f'{name}_bucket{{route="{route}",le="{edge}"}} {total}'
    yield f'{name}_sum{{route="{route}"}} {seconds:.6f}'
    yield f'{name}_count{{route="{route}"}} {total}'


class Measured:
    """Count every request with its route, status and time."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_measured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.in_flight += 1
        try:
            await self.app(scope, receive, send_measured)
        finally:
            self.metrics.in_flight -= 1
            route = scope.get("state", {}).get("route", OTHER)
            method = scope["method"] if route != OTHER else OTHER
            self.metrics.observe(method, route, status, time.perf_counter() - began)
