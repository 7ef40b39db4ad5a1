"""Words that people type instead of a command's or an option's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from siamkit.cli.output import show_help

# The word typed, and the command that runs. None of them is in a help text.
COMMANDS = {
    "add": "enrol",
    "benchmark": "evaluate",
    "check": "doctor",
    "compare": "verify",
    "create": "init",
    "dedup": "dedupe",
    "deduplicate": "dedupe",
    "delete": "forget",
    "diarise": "timeline",
    "diarize": "timeline",
    "duplicates": "dedupe",
    "encode": "embed",
    "encoder": "encoders",
    "enroll": "enrol",
    "detector": "detectors",
    "fit": "train",
    "gallery": "galleries",
    "heatmap": "explain",
    "identify": "query",
    "indexes": "index",
    "info": "show",
    "locate": "find",
    "ls": "list",
    "mine": "mine-negatives",
    "mv": "rename",
    "new": "init",
    "plugin": "plugins",
    "recognise": "query",
    "recognize": "query",
    "register": "enrol",
    "remove": "forget",
    "rm": "forget",
    "search": "query",
    "unenrol": "forget",
    "unenroll": "forget",
}
# The same of the commands below `galleries`, `encoders`, `detectors` and `plugins`.
BELOW = {"ls": "list", "new": "create", "add": "create", "remove": "delete", "rm": "delete"}
# The option typed, and those it may stand for: the first that the command has is suggested.
OPTIONS = {
    "--all-faces": ["--all-regions"],
    "--annotate": ["--save-annotated"],
    "--column-text": ["--column"],
    "--debug": ["--verbose"],
    "--k": ["-k"],
    "--label": ["--as"],
    "--model": ["--encoder"],
    "--name": ["--as"],
    "--once": ["--output"],
    "--out": ["--output"],
    "--person": ["--as"],
    "--top": ["-k"],
    "--top-k": ["-k"],
}


ALIKE = 0.7  # share of two words, by difflib, from which one is taken for a misspelling


def nearest(word: str, words: Iterable[str]) -> list[str]:
    """Return at most two words that are much like another, the nearest first."""
    from difflib import get_close_matches

    return get_close_matches(word, words, n=2, cutoff=ALIKE)


def with_suggestion(error: click.ClickException) -> click.ClickException:
    """Return an error that names the option which was meant, if it is of an unknown option."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    parameters = error.ctx.command.params
    names = [name for parameter in parameters for name in parameter.opts if name[:1] == "-"]
    options = [name for name in OPTIONS.get(error.option_name, ()) if name in names]
    suggestion = _suggestion(options or nearest(error.option_name, names))
    return click.UsageError(f"No such option {error.option_name!r}.{suggestion}", error.ctx)


def _suggestion(names: Iterable[str]) -> str:
    """Return ' Did you mean …?', empty for no names."""
    listed = " or ".join(dict.fromkeys(names))
    return f" Did you mean {listed}?" if listed else ""


class Group(click.Group):
    """A group whose commands also run under other words, and which suggests the nearest."""

    other_words: Mapping[str, str] = BELOW

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        word = str(args[0])
        if word == "help":  # `siamkit help galleries create`, as git has it
            if not args[1:]:
                show_help(ctx.get_help())
                ctx.exit()
            return self.resolve_command(ctx, [*args[1:], "--help"])
        meant = word if word in names else self.other_words.get(word, word)
        if meant not in names and not word.startswith("-"):
            near = nearest(word, [*names, *self.other_words])
            known = [name for n in near if (name := self.other_words.get(n, n)) in names]
            suggestion = _suggestion(known)
            raise click.UsageError(f"No such command {word!r}.{suggestion}", ctx)
        return super().resolve_command(ctx, [meant, *args[1:]])
