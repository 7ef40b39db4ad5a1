"""The server: tools for an assistant, read-only unless the user allows enrolment."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from siamkit.errors import SiamkitError
from siamkit.mcp.samples import Samples
from siamkit.mcp.tools import Tools
from siamkit.workspace import Workspace

INSTRUCTIONS = """\
Similarity search and verification from one example: who or what a picture, sound or text shows, \
compared with what the user has enrolled in galleries. Begin with list_galleries. Report `answer`, \
and the probability where there is one; "inconclusive" and "not enrolled" are answers, so never \
name the nearest match instead. What an answer says of a person may be wrong: the threshold's \
source says how often."""


def create_server(
    ws: Workspace, samples: Samples, *, version: str, allow_enrol: bool = False
) -> MCPServer[None]:
    """Return a server of the tools on one store.

    version: of siamkit, for the client to show. allow_enrol: add the tool that writes.
    """
    server: MCPServer[None] = MCPServer(
        "siamkit", instructions=INSTRUCTIONS, version=version, log_level="WARNING"
    )
    tools = Tools(ws, samples)
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    for tool in (
        tools.list_galleries,
        tools.list_identities,
        tools.query,
        tools.verify,
        tools.find,
        tools.find_duplicates,
        tools.find_enrolled,
    ):
        server.add_tool(_with_hints(tool), annotations=reading)
    if allow_enrol:
        writing = ToolAnnotations(
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        )
        server.add_tool(_with_hints(tools.enrol), annotations=writing)
    return server


def _with_hints(tool: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Report an error of siamkit to the assistant in its own words, with the hint."""

    @wraps(tool)
    def reporting(**arguments: Any) -> dict[str, Any]:
        try:
            return tool(**arguments)
        except SiamkitError as error:
            hint = f" ({error.hint})" if error.hint else ""
            raise ToolError(f"{error}{hint}") from error

    return reporting
