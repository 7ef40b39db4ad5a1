"""Show the page of a training run: live, or once."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

from siamkit.cli.output import echo, stderr
from siamkit.errors import BadInput
from siamkit.io import atomic
from siamkit.io.sources import to_text
from siamkit.reports.run_page import RunPage
from siamkit.reports.run_server import RunServer


def write_once(run: Path, file: Path) -> None:
    """Write the page as it is now. Raises BadInput if nothing is recorded, or the file is bad."""
    atomic.require_writable(file, (".html", ".htm"))
    page = RunPage(run)
    if not page.is_begun():
        raise BadInput(
            f"{to_text(run)} holds no record of a run yet", hint="give the folder of a training run"
        )
    atomic.replace_text(file, page.whole(embedded=True))
    echo(to_text(file))


def serve(run: Path, port: int, *, open_browser: bool) -> None:
    """Serve the page until Ctrl-C. Raises BadInput for a file, or a port that is taken."""
    if run.is_file():
        raise BadInput(f"{to_text(run)} is a file", hint="give the folder of a training run")
    try:
        with RunServer(run, port) as server:
            if not server.page.is_begun():
                stderr(f"waiting for {to_text(run)}: no run has begun there yet")
            echo(server.address)
            sys.stdout.flush()
            if open_browser and _has_screen():
                webbrowser.open(server.address)
            server.serve_forever()
    except KeyboardInterrupt:  # the way to end it
        stderr("ended; the run goes on without the page", before="\n")


def _has_screen() -> bool:
    """True where a browser opens a window: else it would take over the terminal."""
    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
