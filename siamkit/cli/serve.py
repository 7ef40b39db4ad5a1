"""siamkit serve"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import echo, stderr
from siamkit.io.extras import require_extra

MIB = 1 << 20  # bytes


@click.command(
    epilog="""\b
Examples:
  siamkit serve                        http://127.0.0.1:8800, for this machine alone
  siamkit serve --port 9000 --store people
  siamkit serve --workers 2            two processes on the one store

\b
For others, too: make a token, then demand tokens.
  siamkit serve --token-file tokens --new-token admin
  siamkit serve --token-file tokens --host 0.0.0.0

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
@options.path("--token-file", help="Demand a token of this file with every request.")
@click.option(
    "--new-token",
    type=click.Choice(["read", "enrol", "admin"]),
    help="Add a token with this scope to --token-file, print it, and end.",
)
@click.option("--token-name", default="", metavar="NAME", help="Its name in the audit log.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name that clients call this server by. May be repeated.",
)
@options.path("--tls-cert", help="Certificate for HTTPS, in PEM.")
@options.path("--tls-key", help="Its key, in PEM.")
@click.option(
    "--max-body",
    type=options.POSITIVE,
    default=64,
    show_default=True,
    metavar="MIB",
    help="The most that a request may send.",
)
@click.option(
    "--rate-limit",
    type=options.POSITIVE,
    metavar="N",
    help="Requests per minute of one client.",
)
@options.workspace
def serve(
    ws: sk.Workspace, new_token: str | None, token_name: str, max_body: int, **values: Any
) -> None:
    """Serve an HTTP API and a page on the store, offline.

    On another address than 127.0.0.1 it demands tokens.
    Needs the extra `serve`: pip install "siamkit[serve]"
    """
    require_extra("serve", "`siamkit serve`")
    if new_token:
        _print_token(values["token_file"], new_token, token_name)
        return
    from siamkit.serve.run import listen, require_safe, run, url_of
    from siamkit.serve.settings import Settings

    per_minute = values.pop("rate_limit") or 0
    settings = Settings(ws.root, max_body_bytes=max_body * MIB, per_minute=per_minute, **values)
    require_safe(settings)
    with listen(settings) as listening:
        who = "whoever has a token" if settings.token_file else "this machine alone"
        stderr(f"{url_of(settings, listening)} serves {ws.root}, for {who}; Ctrl-C ends it")
        run(settings, listening)


def _print_token(path: Path | None, scope: str, name: str) -> None:
    from siamkit.serve.tokens import add_token

    if path is None:
        raise click.UsageError("--new-token needs --token-file, the file to add it to")
    echo(add_token(path, scope, name))
    stderr(f"added to {path}; the token is shown this once, and only its hash is stored")
