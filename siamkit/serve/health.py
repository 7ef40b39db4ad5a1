"""Handlers that say whether the server lives, whether it can answer, and what it has done."""

from __future__ import annotations

import psutil
from starlette.responses import Response

from siamkit.serve.failures import RequestError
from siamkit.serve.metrics import CONTENT_TYPE
from siamkit.serve.route import Nothing
from siamkit.serve.server import Server

WARM_SECONDS = 0.5  # that a probe waits: those of Kubernetes give up after 1 s


def healthz(server: Server, body: Nothing) -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


def readyz(server: Server, body: Nothing) -> dict[str, str]:
    """Say, once the models are open, that the store can be read. Raises StoreError if not."""
    if not server.is_warm.wait(WARM_SECONDS):
        raise RequestError(503, "opening", "the models are being opened", hint="ask again")
    server.workspace.require_store()
    server.workspace.galleries()
    return {"status": "ready"}


def metrics(server: Server, body: Nothing) -> Response:
    """Return counts and latencies as Prometheus reads them."""
    process = psutil.Process()
    gauges = {
        "siamkit_queue": ("Calls at work or waiting in this process", server.pool.pending),
        "siamkit_jobs": ("Jobs at work or waiting in this process", server.jobs.pending),
        "siamkit_models": ("Encoders and detectors open", server.workspace.open_models),
        "process_resident_memory_bytes": ("Memory of this process", process.memory_info().rss),
        "process_start_time_seconds": ("Start of this process", process.create_time()),
    }
    return Response(server.metrics.render(gauges), media_type=CONTENT_TYPE)
