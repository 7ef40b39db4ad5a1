"""siamkit serve"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import stderr
from siamkit.io.extras import require_extra


@click.command(
    epilog="""\b
Examples:
  siamkit serve                        http://127.0.0.1:8800, for this machine alone
  siamkit serve --port 9000 --store people
  siamkit serve --workers 2            two processes on the one store

\b
Ctrl-C ends it once the requests at work are answered. /openapi.json describes the API.
"""
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="The address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8800,
    show_default=True,
    help="The port; 0 takes a free one.",
)
@click.option(
    "--workers",
    type=options.POSITIVE,
    default=1,
    show_default=True,
    metavar="N",
    help="Processes, each with its own models.",
)
@options.workspace
def serve(ws: sk.Workspace, host: str, port: int, workers: int) -> None:
    """Serve an HTTP API and a page on the store, offline.

    Needs the extra `serve`: pip install "siamkit[serve]"
    """
    require_extra("serve", "`siamkit serve`")
    from siamkit.serve.run import run
    from siamkit.serve.settings import Settings

    settings = Settings(store=ws.root, host=host, port=port, workers=workers)
    stderr(f"serving {ws.root}; Ctrl-C ends it")
    run(settings)
