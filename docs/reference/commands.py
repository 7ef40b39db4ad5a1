"""Writes the command reference while the site is built: a section a command, with its own help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from siamkit.cli import cli

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs for each page."""
    return markdown.replace(MARK, "\n".join(sections(cli))) if MARK in markdown else markdown


def sections(command: click.Command, parent: click.Context | None = None) -> Iterator[str]:
    """A heading and the help of a command, then the same of those below it."""
    context = click.Context(
        command, parent=parent, info_name=command.name if parent else "siamkit",
        terminal_width=90, **command.context_settings,
    )  # fmt: skip
    yield f"{'#' * (2 if context.command_path.count(' ') < 2 else 3)} {context.command_path}\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from sections(below, context)
