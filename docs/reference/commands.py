"""Writes the command reference while the site is built: one section per command, with its help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from siamkit.cli import SECTIONS, cli, spellings

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs for each page."""
    if MARK not in markdown:
        return markdown
    return markdown.replace(MARK, "\n".join([*overview(), *sections(cli)]))


def overview() -> Iterator[str]:
    """A table of the commands, by purpose."""
    yield "| | command | |\n|---|---|---|"
    for purpose, commands in SECTIONS.items():
        for title, (name, line) in zip(
            [purpose, *[""] * (len(commands) - 1)], commands.items(), strict=True
        ):
            yield f"| {title} | [`siamkit {name}`](#siamkit-{name}) | {line} |"
    yield ""


def other_words(name: str) -> list[str]:
    """The words that people type instead of a command."""
    return sorted(word for word, meant in spellings.COMMANDS.items() if meant == name)


def sections(command: click.Command, parent: click.Context | None = None) -> Iterator[str]:
    """A heading and the help of a command, then the same of those below it."""
    context = click.Context(
        command, parent=parent, info_name=command.name if parent else "siamkit",
        terminal_width=90, **command.context_settings,
    )  # fmt: skip
    yield f"{'#' * (2 if context.command_path.count(' ') < 2 else 3)} {context.command_path}\n"
    words = other_words(command.name or "") if context.command_path.count(" ") == 1 else []
    if words:
        yield f"Also understood: {', '.join(f'`siamkit {word}`' for word in words)}.\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        # Not `siamkit train DATA export`: a command below takes none of the group's arguments.
        path = click.Context(click.Group(command.name), parent=parent, info_name=context.info_name)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from sections(below, path)
