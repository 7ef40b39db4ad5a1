"""siamkit mcp"""

from __future__ import annotations

from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.io.extras import require_extra


@click.command(
    epilog="""\b
Examples:
  siamkit mcp --store ~/people ~/Pictures     an assistant may ask about files in ~/Pictures
  siamkit mcp --store ~/faq                   of texts: no files are read
  siamkit mcp ~/Pictures --allow-enrol        it may enrol, too
An assistant starts this command itself; see docs/howto/mcp.md.
""",
)
@click.argument("folders", nargs=-1, type=options.PATH)
@click.option("--allow-enrol", is_flag=True, help="Let the assistant enrol samples.")
@options.workspace
def mcp(ws: sk.Workspace, folders: tuple[Path, ...], allow_enrol: bool) -> None:
    """Serve an assistant with tools to query, verify, find and list (Model Context Protocol).

    It speaks over standard input and output. Only files in FOLDERS are read, and nothing is
    enrolled unless --allow-enrol is given.
    """
    require_extra("mcp", "`siamkit mcp`")
    from siamkit.mcp.samples import Samples
    from siamkit.mcp.server import create_server

    samples = Samples.in_folders(folders)
    server = create_server(ws, samples, version=sk.__version__, allow_enrol=allow_enrol)
    server.run("stdio")
