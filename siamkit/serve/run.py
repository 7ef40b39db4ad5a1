"""Run a server until it is stopped: uvicorn in one process, or in several on one store."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.io.sources import absolute
from siamkit.serve.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

VARIABLE = "SIAMKIT_SERVE"  # holds the settings, for the processes of `workers`


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; requests at work are answered first."""
    import uvicorn

    values = {**asdict(settings), "store": str(absolute(settings.store))}
    os.environ[VARIABLE] = json.dumps(values)
    uvicorn.run(
        "siamkit.serve.run:create_worker",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_level="warning",
        server_header=False,
    )


def create_worker() -> Starlette:
    """Return the application of one process, with the settings that `run` has left."""
    from siamkit.serve.app import create_app

    values = json.loads(os.environ[VARIABLE])
    return create_app(Settings(**{**values, "store": Path(values["store"])}))
